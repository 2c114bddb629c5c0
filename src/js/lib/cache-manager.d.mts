export * from './cache-manager.cjs';
export { cacheManager as default } from './cache-manager.cjs';
