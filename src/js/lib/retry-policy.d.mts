export * from './retry-policy.cjs';
export { retry as default } from './retry-policy.cjs';
