export * from './DistributedCacheCoordinator.cjs';
export { DistributedCacheCoordinator as default } from './DistributedCacheCoordinator.cjs';
