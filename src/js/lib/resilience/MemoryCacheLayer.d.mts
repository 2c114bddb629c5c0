export * from './MemoryCacheLayer.cjs';
export { MemoryCacheLayer as default } from './MemoryCacheLayer.cjs';
