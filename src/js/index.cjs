'use strict';

exports.PersistentCache = require('./lib/persistent-cache.cjs').PersistentCache;
exports.ConnectionPool = require('./lib/connection-pool.cjs').ConnectionPool;
exports.QueryOptimizer = require('./lib/query-optimizer.cjs').QueryOptimizer;
exports.RateLimiter = require('./lib/rate-limiter.cjs').RateLimiter;
exports.DistributedTracer = require('./lib/distributed-tracer.cjs').DistributedTracer;
