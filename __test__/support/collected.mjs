// Makes one instance of each class, lets go of it, and says what the metrics had before and have after.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  Bulkhead, CircuitBreaker, ConnectionPool, DistributedTracer, LoadBalancer, MemoryCacheLayer, metrics, PersistentCache, QueryOptimizer, RateLimiter,
  RequestDeduplicator,
} from 'tooloo-native';
import { sumOf } from './metrics.mjs';
import { until } from './until.mjs';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-'));
const NAMES = {
  tooloo_cache_writes_total: 1,
  tooloo_pool_acquired_total: 1,
  tooloo_limiter_requests_total: 1,
  tooloo_operation_requests_total: 1,
  tooloo_operation_duration_seconds_count: 1,
  tooloo_tracer_traces_total: 1,
  tooloo_breaker_calls_total: 1,
  tooloo_dedup_requests_total: 1,
  tooloo_bulkhead_calls_total: 1,
  tooloo_memory_layer_writes_total: 1,
  tooloo_query_optimized_total: 1,
};

async function use() {
  const cache = new PersistentCache({ cacheDir: folder });
  await cache.set('a', cache.getStats());
  await cache.close();
  const pool = new ConnectionPool({ factory: { create: () => ({}) } });
  pool.release(await pool.acquire());
  await pool.drain();
  const limiter = new RateLimiter({});
  limiter.isAllowed('a');
  const tracer = new DistributedTracer({ samplingRate: 1 });
  tracer.run('work', () => 1);
  const breaker = new CircuitBreaker(undefined);
  breaker.on('success', () => breaker.name);
  await breaker.execute(async () => 1);
  const dedup = new RequestDeduplicator();
  await dedup.deduplicate('k', () => 1);
  const bulkhead = new Bulkhead();
  await bulkhead.execute(async () => 1);
  new MemoryCacheLayer().set('a', 1);
  new QueryOptimizer().optimizeQuery('SELECT 1');
  new LoadBalancer().addTarget?.('a', 1);
}

const classes = () => metrics.instances().map(({ kind }) => kind).filter((kind) => !['process', 'retry', 'hedge'].includes(kind));
const figures = () => {
  const text = metrics.text();
  return Object.fromEntries(Object.keys(NAMES).map((name) => [name, sumOf(text, name)]));
};

await use();
// No scrape before they are gone: their last figures are read when they are collected.
await until(async () => {
  globalThis.gc();
  await new Promise((resolve) => setTimeout(resolve, 5));
  return classes().length === 0;
}).catch(() => {});
const before = Object.fromEntries(Object.entries(NAMES));
const after = figures();
fs.rmSync(folder, { recursive: true, force: true });
console.log(JSON.stringify({ left: classes(), before, after }));
