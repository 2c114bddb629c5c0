import faces from './MemoryCacheLayer.cjs';

export const { MemoryCacheLayer } = faces;
export default MemoryCacheLayer;
