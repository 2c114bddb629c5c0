export * from './DiskCacheLayer.cjs';
export { DiskCacheLayer as default } from './DiskCacheLayer.cjs';
