'use strict';
// Which modules of an app's `lib/` this package replaces: path below `lib/`, without `.js` → the names it exports.
// `register` and `link` work from this table.

exports.MODULES = Object.freeze({
  'persistent-cache': ['PersistentCache'],
  'connection-pool': ['ConnectionPool'],
  'query-optimizer': ['QueryOptimizer'],
  'rate-limiter': ['RateLimiter'],
  'distributed-tracer': ['DistributedTracer'],
  'circuit-breaker': ['CircuitBreaker'],
  'request-deduplicator': ['RequestDeduplicator'],
  'provider-quality-learner': ['ProviderQualityLearner'],
  'retry-policy': ['retry'],
  'cache-manager': ['cacheManager'],
  'resilience/AutoScalingDecisionEngine': ['AutoScalingDecisionEngine'],
  'resilience/ReadinessProbe': ['ReadinessProbe'],
  'resilience/LoadBalancer': ['LoadBalancer'],
  'resilience/MemoryCacheLayer': ['MemoryCacheLayer'],
  'resilience/DiskCacheLayer': ['DiskCacheLayer'],
  'resilience/MultiLayerCacheManager': ['MultiLayerCacheManager'],
  'resilience/CacheInvalidationStrategies': ['CacheInvalidationStrategies'],
  'resilience/DistributedCacheCoordinator': ['DistributedCacheCoordinator'],
  'resilience/HealthMonitor': ['HealthMonitor'],
  'resilience/IntelligentRouter': ['IntelligentRouter'],
  'resilience/HorizontalScalingManager': ['HorizontalScalingManager'],
});

/** What the package exports beside them. */
exports.ADDITIONS = Object.freeze([
  'Bulkhead', 'Cdn', 'RetryBudget', 'dashboard', 'gracefulShutdown', 'hedge', 'metrics', 'metricsHandler', 'policy',
]);
