export * from './MultiLayerCacheManager.cjs';
export { MultiLayerCacheManager as default } from './MultiLayerCacheManager.cjs';
