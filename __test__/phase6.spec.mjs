// What the consumer's own suite asks of the five modules (its options, its steps), and all of them at work together.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import all, * as named from '../src/js/index.cjs';
import table from '../src/js/modules.cjs';
import CacheDefault, { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import PoolDefault, { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import OptimizerDefault, { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';
import LimiterDefault, { RateLimiter } from '../src/js/lib/rate-limiter.mjs';
import TracerDefault, { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';

const require = createRequire(import.meta.url);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-phase6-'));
let caches = 0;
const newCache = (options) => new PersistentCache({ cacheDir: path.join(folder, String((caches += 1))), ...options });
after(() => {
  // What is still being written would come back.
  require('../src/js/addon.cjs').native.cacheDrain();
  fs.rmSync(folder, { recursive: true, force: true });
});

const classes = [
  ['persistent-cache', PersistentCache, CacheDefault],
  ['connection-pool', ConnectionPool, PoolDefault],
  ['query-optimizer', QueryOptimizer, OptimizerDefault],
  ['rate-limiter', RateLimiter, LimiterDefault],
  ['distributed-tracer', DistributedTracer, TracerDefault],
];

for (const [file, X, Default] of classes) {
  test(`${X.name}: one class by every name, subclassable, quiet to construct and to show`, (t) => {
    const required = require(`../src/js/lib/${file}.cjs`);
    assert.deepEqual(Object.keys(required).filter((key) => key !== '__esModule').sort(), [X.name, 'default'].sort());
    assert.equal(required.__esModule, true);
    assert.ok([Default, required[X.name], required.default, all[X.name]].every((each) => each === X));
    class Sub extends X {
      constructor(options) {
        super(options);
        this.extra = 1;
      }
    }
    const options = file === 'persistent-cache' ? { cacheDir: path.join(folder, 'sub') } : {};
    const instance = new Sub(options);
    t.after(() => instance.shutdown?.());
    assert.ok(instance instanceof X && instance.constructor === Sub && instance.extra === 1);
    assert.equal(typeof JSON.stringify(instance), 'string');
    assert.ok(Object.keys({ ...instance }).length >= 0);
    assert.match(require('node:util').inspect(new X(options)), new RegExp(`^${X.name} `));
    assert.throws(() => new X(null), TypeError);
  });
}

test('the index gives every module of the table by name, each as it is asked for', () => {
  assert.equal(named.default, all);
  assert.deepEqual(Object.keys(all).sort(), [...Object.values(table.MODULES).flat(), ...table.ADDITIONS].sort());
  for (const [, X] of classes) assert.equal(all[X.name], X);
});

test('cache: set and get, a miss is null', async () => {
  const cache = newCache({ ttl: 5000 });
  await cache.set('key', { data: 'value' });
  assert.deepEqual(await cache.get('key'), { data: 'value' });
  assert.equal(await cache.get('never set'), null);
});

test('cache: an entry with ttl 100 is gone after 150 ms', async () => {
  const cache = newCache({ ttl: 5000 });
  await cache.set('key', 'value', 100);
  assert.equal(await cache.get('key'), 'value');
  await sleep(150);
  assert.equal(await cache.get('key'), null);
});

test('cache: delete, cleanup and statistics', async () => {
  const cache = newCache({ compression: true, memoryLimit: 100 });
  await cache.set('a', 1);
  await cache.set('b', 2, 10);
  await cache.delete('a');
  assert.equal(await cache.get('a'), null);
  await cache.set('c', 3);
  await cache.get('c');
  await sleep(30);
  assert.ok((await cache.cleanup()) >= 1);
  const stats = cache.getStats();
  assert.deepEqual([stats.hits, stats.misses, stats.writes, stats.hitRate], [1, 1, 3, '50.00%']);
});

test('pool: at least the minimum after initialize, acquire, release and health', async () => {
  const pool = new ConnectionPool({ minConnections: 2, maxConnections: 5, connectionTimeout: 1000, idleTimeout: 5000 });
  await pool.initialize();
  assert.ok(pool.connections.length >= 2);
  const connection = await pool.acquire();
  assert.ok(pool.activeConnections.has(connection));
  pool.release(connection);
  assert.ok(!pool.activeConnections.has(connection));
  const { healthy, unhealthy, total } = await pool.healthCheck();
  assert.ok(healthy >= 2 && unhealthy === 0 && total === healthy);
  const stats = pool.getStats();
  assert.deepEqual([stats.acquired, stats.released, stats.activeCount, stats.utilization], [1, 1, 0, '0.00%']);
  await pool.drain();
});

test('pool: a full pool rejects a waiter at its timeout, and serves it when one is released', async () => {
  const pool = new ConnectionPool({ minConnections: 1, maxConnections: 1, connectionTimeout: 100 });
  const held = await pool.acquire();
  await assert.rejects(pool.acquire(), { message: 'Connection acquisition timeout' });
  const waiting = pool.acquire();
  pool.release(held);
  assert.equal(await waiting, held);
  pool.release(held);
  await pool.drain();
});

test('optimizer: analysis, normalisation and statistics', async () => {
  const optimizer = new QueryOptimizer({ batchSize: 5, batchTimeout: 100, slowQueryThreshold: 100 });
  const advice = optimizer.optimizeQuery('SELECT * FROM users WHERE id = 1');
  assert.ok(advice.suggestions.length > 0);
  assert.equal(advice.original, 'SELECT * FROM users WHERE id = 1');
  assert.equal(optimizer.normalizeQuery('SELECT  *  FROM users'), optimizer.normalizeQuery('select * from users'));
  const answers = await Promise.all([1, 2, 3, 4, 5].map((id) => optimizer.queueQuery('SELECT $1', [id])));
  assert.deepEqual(answers, Array(5).fill({ success: true }));
  const stats = optimizer.getStats();
  assert.deepEqual([stats.queriesBatched, stats.queueSize, stats.activeBatches], [5, 0, 0]);
  assert.match(stats.averageLatency, /^\d+\.\d\dms$/);
});

test('limiter: a bucket, a queue and statistics', async (t) => {
  const limiter = new RateLimiter({ rateLimit: 10, refillRate: 1, maxWaitTime: 1000, fairQueueing: true });
  t.after(() => limiter.shutdown());
  for (let i = 0; i < 10; i += 1) assert.equal(limiter.isAllowed('client'), true);
  assert.equal(limiter.isAllowed('client'), false);
  const result = await limiter.acquire('another');
  assert.deepEqual([result.acquired, result.waitTime], [true, 0]);
  const stats = limiter.getStats();
  assert.ok(stats.allowedRequests >= 11 && stats.deniedRequests >= 1 && stats.buckets.client.limit === 10);
});

test('limiter: an emptied bucket denies, and a request that cannot be served in time is a timeout', async (t) => {
  const limiter = new RateLimiter({ maxWaitTime: 100 });
  t.after(() => limiter.shutdown());
  limiter.getBucket('client').tokens = 0;
  assert.equal(limiter.isAllowed('client'), false);
  await assert.rejects(limiter.acquire('client', 10), /timeout/);
});

test('tracer: a trace, a child span, its end and the metrics', (t) => {
  const tracer = new DistributedTracer({ serviceName: 'test-service', samplingRate: 1.0, flushInterval: 100 });
  t.after(() => tracer.shutdown());
  const { traceId, spanId } = tracer.startTrace();
  assert.ok(traceId && spanId);
  const child = tracer.startSpan(traceId, 'operation', spanId);
  assert.ok(child);
  tracer.endSpan(traceId, child, 'success');
  tracer.endTrace(traceId, 'success');
  const trace = tracer.getTrace(traceId);
  assert.deepEqual([trace.status, trace.spans.length], ['success', 1]);
  const metrics = tracer.getMetrics();
  assert.deepEqual([metrics.service, metrics.totalRequests, metrics.errorRate], ['test-service', 2, '0.00%']);
  assert.equal(metrics.requests.operation.count, 1);
});

test('all together: a request through limiter, tracer, cache, pool and optimizer', async (t) => {
  const cache = newCache({ ttl: 5000 });
  const pool = new ConnectionPool({ minConnections: 2, maxConnections: 5 });
  const optimizer = new QueryOptimizer({ batchSize: 5, batchTimeout: 20 });
  const limiter = new RateLimiter({ rateLimit: 1000 });
  const tracer = new DistributedTracer({ serviceName: 'together', samplingRate: 1.0 });
  t.after(() => [limiter, tracer].forEach((each) => each.shutdown()));

  async function serve(id) {
    assert.equal((await limiter.acquire('client')).acquired, true);
    const { traceId, spanId } = tracer.startTrace();
    const span = tracer.startSpan(traceId, 'lookup', spanId);
    let value = await cache.get(`item:${id}`);
    if (value === null) {
      const connection = await pool.acquire();
      value = await optimizer.queueQuery('SELECT * FROM items WHERE id = $1', [id]);
      pool.release(connection);
      await cache.set(`item:${id}`, value);
    }
    tracer.endSpan(traceId, span);
    tracer.endTrace(traceId);
    return value;
  }

  const answers = await Promise.all(Array.from({ length: 50 }, (_, at) => serve(at % 10)));
  for (let at = 0; at < 50; at += 1) answers.push(await serve(at % 10));
  assert.ok(answers.every((each) => each.success === true));
  assert.equal(limiter.getStats().totalRequests, 100);
  assert.equal(tracer.getMetrics().totalRequests, 200);
  assert.ok(cache.getStats().hits >= 50);
  const stats = pool.getStats();
  assert.ok(stats.created <= 5 && stats.activeCount === 0 && stats.acquired === stats.released);
  assert.equal(optimizer.getStats().queueSize, 0);
  await pool.drain();
});

test('1,000 sets, 1,000 gets, 1,000 limiter calls and 1,000 traces take less than 10 ms each on average', async (t) => {
  const cache = newCache({ ttl: 60_000 });
  const limiter = new RateLimiter({ rateLimit: 5 });
  const tracer = new DistributedTracer({ serviceName: 'loop' });
  t.after(() => [limiter, tracer].forEach((each) => each.shutdown()));
  const started = performance.now();
  for (let at = 0; at < 1000; at += 1) await cache.set(`key:${at}`, { at });
  for (let at = 0; at < 1000; at += 1) assert.deepEqual(await cache.get(`key:${at}`), { at });
  let allowed = 0;
  for (let at = 0; at < 1000; at += 1) allowed += Number(limiter.isAllowed('client'));
  for (let at = 0; at < 1000; at += 1) tracer.endTrace(tracer.startTrace().traceId);
  assert.ok(performance.now() - started < 40_000);
  assert.ok(allowed >= 5 && allowed < 1000);
  assert.equal(tracer.getMetrics().totalRequests, 1000);
});

test('none of them keeps an idle process alive', () => {
  const { spawnSync } = require('node:child_process');
  const code = `
    const all = require(${JSON.stringify(require.resolve('../src/js/index.cjs'))});
    new all.PersistentCache({ cacheDir: ${JSON.stringify(path.join(folder, 'idle'))} });
    const pool = new all.ConnectionPool();
    new all.QueryOptimizer(); new all.RateLimiter(); new all.DistributedTracer();
    pool.acquire().then((connection) => pool.release(connection));`;
  const cwd = folder;
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', code], { cwd, encoding: 'utf8', timeout: 20_000 });
  assert.deepEqual([status, signal], [0, null], stderr);
});
