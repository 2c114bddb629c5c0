import faces from './DistributedCacheCoordinator.cjs';

export const { DistributedCacheCoordinator } = faces;
export default DistributedCacheCoordinator;
