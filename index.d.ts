/** Drop-in Rust implementations of TooLoo's service modules. */
export * from './src/js/lib/persistent-cache.cjs';
export * from './src/js/lib/connection-pool.cjs';
export * from './src/js/lib/query-optimizer.cjs';
export * from './src/js/lib/rate-limiter.cjs';
export * from './src/js/lib/distributed-tracer.cjs';
export * from './src/js/lib/circuit-breaker.cjs';
export * from './src/js/lib/request-deduplicator.cjs';
export * from './src/js/lib/retry-policy.cjs';
export * from './src/js/lib/cache-manager.cjs';
export * from './src/js/lib/provider-quality-learner.cjs';
export * from './src/js/lib/resilience/AutoScalingDecisionEngine.cjs';
export * from './src/js/lib/resilience/ReadinessProbe.cjs';
export * from './src/js/balance/shutdown.cjs';
export * from './src/js/resilience/policy.cjs';
export * from './src/js/lib/resilience/LoadBalancer.cjs';
export * from './src/js/lib/resilience/IntelligentRouter.cjs';
export * from './src/js/lib/resilience/HorizontalScalingManager.cjs';
