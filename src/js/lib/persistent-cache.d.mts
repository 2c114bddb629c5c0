export * from './persistent-cache.cjs';
export { PersistentCache as default } from './persistent-cache.cjs';
