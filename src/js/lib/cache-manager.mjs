import faces from './cache-manager.cjs';

export const { cacheManager } = faces;
export default cacheManager;
