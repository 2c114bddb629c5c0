import faces from './MultiLayerCacheManager.cjs';

export const { MultiLayerCacheManager } = faces;
export default MultiLayerCacheManager;
