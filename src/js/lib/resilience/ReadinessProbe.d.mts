export * from './ReadinessProbe.cjs';
export { ReadinessProbe as default } from './ReadinessProbe.cjs';
