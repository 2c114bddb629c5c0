export { PersistentCache } from './lib/persistent-cache.mjs';
export { ConnectionPool } from './lib/connection-pool.mjs';
export { QueryOptimizer } from './lib/query-optimizer.mjs';
export { RateLimiter } from './lib/rate-limiter.mjs';
export { DistributedTracer } from './lib/distributed-tracer.mjs';
export { CircuitBreaker } from './lib/circuit-breaker.mjs';
