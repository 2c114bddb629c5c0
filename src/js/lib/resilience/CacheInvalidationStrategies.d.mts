export * from './CacheInvalidationStrategies.cjs';
export { CacheInvalidationStrategies as default } from './CacheInvalidationStrategies.cjs';
