import faces from './DiskCacheLayer.cjs';

export const { DiskCacheLayer } = faces;
export default DiskCacheLayer;
