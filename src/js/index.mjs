import shutdown from './balance/shutdown.cjs';
import page from './dashboard/index.cjs';
import policies from './resilience/policy.cjs';

export { PersistentCache } from './lib/persistent-cache.mjs';
export { ConnectionPool } from './lib/connection-pool.mjs';
export { QueryOptimizer } from './lib/query-optimizer.mjs';
export { RateLimiter } from './lib/rate-limiter.mjs';
export { DistributedTracer } from './lib/distributed-tracer.mjs';
export { CircuitBreaker } from './lib/circuit-breaker.mjs';
export { RequestDeduplicator } from './lib/request-deduplicator.mjs';
export { retry } from './lib/retry-policy.mjs';
export { cacheManager } from './lib/cache-manager.mjs';
export { ProviderQualityLearner } from './lib/provider-quality-learner.mjs';
export { AutoScalingDecisionEngine } from './lib/resilience/AutoScalingDecisionEngine.mjs';
export { MemoryCacheLayer } from './lib/resilience/MemoryCacheLayer.mjs';
export { DiskCacheLayer } from './lib/resilience/DiskCacheLayer.mjs';
export { MultiLayerCacheManager } from './lib/resilience/MultiLayerCacheManager.mjs';
export { CacheInvalidationStrategies } from './lib/resilience/CacheInvalidationStrategies.mjs';
export { DistributedCacheCoordinator } from './lib/resilience/DistributedCacheCoordinator.mjs';
export { HealthMonitor } from './lib/resilience/HealthMonitor.mjs';
export { IntelligentRouter } from './lib/resilience/IntelligentRouter.mjs';
export { HorizontalScalingManager } from './lib/resilience/HorizontalScalingManager.mjs';
export { LoadBalancer } from './lib/resilience/LoadBalancer.mjs';
export { ReadinessProbe } from './lib/resilience/ReadinessProbe.mjs';

export const { dashboard } = page;
export const { gracefulShutdown } = shutdown;
export const { Bulkhead, hedge, policy, RetryBudget } = policies;
