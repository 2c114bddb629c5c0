// A service as the consumer builds them: Express 4, the five modules from its own lib/. Prints its port.
import express from 'express';
import os from 'node:os';
import path from 'node:path';
import ConnectionPool from './lib/connection-pool.js';
import { DistributedTracer } from './lib/distributed-tracer.js';
import { PersistentCache } from './lib/persistent-cache.js';
import { QueryOptimizer } from './lib/query-optimizer.js';
import { RateLimiter } from './lib/rate-limiter.js';

const cache = new PersistentCache({ cacheDir: process.env.CACHE_DIR ?? path.join(os.tmpdir(), 'compat-app'), ttl: 5000 });
const limiter = new RateLimiter({ rateLimit: 3, refillRate: 1 });
const tracer = new DistributedTracer({ serviceName: 'compat-app', samplingRate: 1.0 });
const pool = new ConnectionPool({ minConnections: 1, maxConnections: 2 });
const optimizer = new QueryOptimizer({ batchSize: 5, batchTimeout: 10 });

const app = express();
app.use((req, res, next) => {
  const { traceId, spanId } = tracer.startTrace();
  res.on('finish', () => tracer.endTrace(traceId, res.statusCode < 400 ? 'success' : 'error'));
  res.set('X-Trace-Id', traceId);
  res.locals.traceId = traceId;
  res.locals.spanId = spanId;
  next();
});
app.use('/api', (req, res, next) => {
  if (limiter.isAllowed(req.ip)) return next();
  res.status(429).json({ error: 'too many requests' });
});
app.get('/api/price/:provider', async (req, res, next) => {
  try {
    const key = `price:${req.params.provider}`;
    let price = await cache.get(key);
    const cached = price !== null;
    if (!cached) {
      const connection = await pool.acquire();
      const [answer, advice] = [await optimizer.queueQuery('SELECT 1', []), optimizer.optimizeQuery('SELECT * FROM t')];
      pool.release(connection);
      price = { provider: req.params.provider, answer, advice: advice.suggestions.length };
      await cache.set(key, price);
    }
    res.json({ cached, price });
  } catch (error) {
    next(error);
  }
});
app.get('/stats', (req, res) => {
  res.json({
    originals: globalThis.originalsLoaded ?? [],
    cache: cache.getStats(),
    limiter: limiter.getStats(),
    pool: pool.getStats(),
    optimizer: optimizer.getStats(),
    tracer: tracer.getMetrics(),
  });
});

const server = app.listen(0, '127.0.0.1', () => console.log(`port ${server.address().port}`));
process.on('SIGTERM', () => {
  limiter.shutdown();
  tracer.shutdown();
  server.close();
});
