import faces from './CacheInvalidationStrategies.cjs';

export const { CacheInvalidationStrategies } = faces;
export default CacheInvalidationStrategies;
