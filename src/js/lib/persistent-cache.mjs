import faces from './persistent-cache.cjs';

export const { PersistentCache } = faces;
export default PersistentCache;
