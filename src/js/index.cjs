'use strict';
// A module is loaded when it is first asked for, so that one that cannot load does not take the others with it.

function lazy(name, load) {
  Object.defineProperty(exports, name, {
    enumerable: true,
    configurable: true,
    get() {
      const value = load()[name];
      Object.defineProperty(exports, name, { value, enumerable: true, configurable: true, writable: true });
      return value;
    },
  });
}

lazy('PersistentCache', () => require('./lib/persistent-cache.cjs'));
lazy('ConnectionPool', () => require('./lib/connection-pool.cjs'));
lazy('QueryOptimizer', () => require('./lib/query-optimizer.cjs'));
lazy('RateLimiter', () => require('./lib/rate-limiter.cjs'));
lazy('DistributedTracer', () => require('./lib/distributed-tracer.cjs'));
lazy('CircuitBreaker', () => require('./lib/circuit-breaker.cjs'));
lazy('RequestDeduplicator', () => require('./lib/request-deduplicator.cjs'));
lazy('retry', () => require('./lib/retry-policy.cjs'));
lazy('cacheManager', () => require('./lib/cache-manager.cjs'));
lazy('ProviderQualityLearner', () => require('./lib/provider-quality-learner.cjs'));
lazy('AutoScalingDecisionEngine', () => require('./lib/resilience/AutoScalingDecisionEngine.cjs'));
lazy('ReadinessProbe', () => require('./lib/resilience/ReadinessProbe.cjs'));
lazy('dashboard', () => require('./dashboard/index.cjs'));
lazy('gracefulShutdown', () => require('./balance/shutdown.cjs'));
for (const name of ['Bulkhead', 'RetryBudget', 'hedge', 'policy']) lazy(name, () => require('./resilience/policy.cjs'));
for (const name of ['metrics', 'metricsHandler']) lazy(name, () => require('./metrics/metrics.cjs'));
lazy('LoadBalancer', () => require('./lib/resilience/LoadBalancer.cjs'));
lazy('MemoryCacheLayer', () => require('./lib/resilience/MemoryCacheLayer.cjs'));
lazy('DiskCacheLayer', () => require('./lib/resilience/DiskCacheLayer.cjs'));
lazy('MultiLayerCacheManager', () => require('./lib/resilience/MultiLayerCacheManager.cjs'));
lazy('CacheInvalidationStrategies', () => require('./lib/resilience/CacheInvalidationStrategies.cjs'));
lazy('DistributedCacheCoordinator', () => require('./lib/resilience/DistributedCacheCoordinator.cjs'));
lazy('HealthMonitor', () => require('./lib/resilience/HealthMonitor.cjs'));
lazy('IntelligentRouter', () => require('./lib/resilience/IntelligentRouter.cjs'));
lazy('Cdn', () => require('./cache/cdn.cjs'));
lazy('HorizontalScalingManager', () => require('./lib/resilience/HorizontalScalingManager.cjs'));
