// What the dashboard says is what the modules say, and nothing that is secret.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import { once } from 'node:events';
import os from 'node:os';
import path from 'node:path';
import { afterEach, test } from 'node:test';
import {
  CircuitBreaker,
  ConnectionPool,
  dashboard,
  DiskCacheLayer,
  DistributedTracer,
  HealthMonitor,
  HorizontalScalingManager,
  IntelligentRouter,
  LoadBalancer,
  MemoryCacheLayer,
  MultiLayerCacheManager,
  PersistentCache,
  QueryOptimizer,
  RateLimiter,
  ReadinessProbe,
} from '../src/js/index.mjs';
import { until } from './support/until.mjs';

const closing = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
const held = (module, end) => {
  closing.push(() => end(module));
  return module;
};
function folder() {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-'));
  closing.push(() => fs.rmSync(home, { recursive: true, force: true }));
  return home;
}

/** `{ ask(path), snapshot() }`. With `fresh` each question reads the modules anew; else one handler does, at intervals. */
async function serve(options, { fresh = true } = {}) {
  const handler = dashboard({ intervalMs: 250, ...options });
  const again = (...exchange) => dashboard({ intervalMs: 250, ...options })(...exchange);
  const server = http.createServer(fresh ? again : handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  const ask = async (at) => {
    const response = await fetch(`http://127.0.0.1:${server.address().port}${at}`);
    return { status: response.status, text: await response.text() };
  };
  return { ask, snapshot: async () => JSON.parse((await ask('/snapshot')).text) };
}
/** What is read asynchronously is there the next time. */
const keep = (options) => serve(options, { fresh: false });

const tracerOf = (options) =>
  held(new DistributedTracer({ samplingRate: 1, ...options }), (tracer) => tracer.shutdown());

test('the cache’s panel says which tier answered, and how much is where', async () => {
  const cacheDir = folder();
  const [one, other] = [0, 1].map(() => held(new PersistentCache({ cacheDir }), (cache) => cache.close()));
  await one.set('secret-key', 'secret-value');
  await one.flush();
  for (let reading = 0; reading < 3; reading += 1) await one.get('secret-key');
  await other.get('secret-key');
  await other.get('nothing');
  const { snapshot } = await keep({ cache: { one, other } });
  await snapshot();
  await until(async () => (await snapshot()).panels.cache.every(({ diskBytes }) => diskBytes > 0));
  const read = await snapshot();
  const [first, second] = read.panels.cache;
  assert.deepEqual([first.name, second.name], ['one', 'other']);
  assert.deepEqual(first.tiers, { memory: 3, shared: 0, disk: 0 });
  assert.deepEqual(second.tiers, { memory: 0, shared: 1, disk: 0 });
  assert.deepEqual([second.misses, second.hitRate], [1, 0.5]);
  assert.equal(first.memoryItems, one.getStats().memorySize);
  assert.equal(first.memoryMost, one.getStats().maxMemory);
  assert.equal(first.diskBytes, await one.getSize());
  assert.doesNotMatch(JSON.stringify(read), /secret/);
});

test('layers of the cache are shown too, also those that are read asynchronously', async () => {
  const manager = held(new MultiLayerCacheManager({ disk: { dbPath: path.join(folder(), 'a') } }), (cache) =>
    cache.destroy(),
  );
  const disk = held(new DiskCacheLayer({ dbPath: path.join(folder(), 'b') }), (cache) => cache.destroy());
  const memory = held(new MemoryCacheLayer({ maxSize: 7 }), (cache) => cache.destroy());
  await manager.set('k', 1);
  await manager.get('k');
  await manager.get('none');
  await disk.set('k', 'value');
  await disk.get('k');
  memory.set('k', 1);
  memory.get('k');
  const { snapshot } = await keep({ cache: new Map(Object.entries({ manager, disk, memory })) });
  assert.equal((await snapshot()).panels.cache[0].pending, true);
  await until(async () => (await snapshot()).panels.cache.every(({ pending }) => !pending));
  const [layers, onDisk, inMemory] = (await snapshot()).panels.cache;
  assert.deepEqual([layers.tiers, layers.misses, layers.hitRate], [{ memory: 1, disk: 0 }, 1, 0.5]);
  assert.deepEqual([onDisk.tiers, onDisk.diskItems], [{ disk: 1 }, 1]);
  assert.equal(onDisk.diskBytes, (await disk.getStats()).currentSize);
  assert.deepEqual([inMemory.tiers, inMemory.memoryItems, inMemory.memoryMost], [{ memory: 1 }, 1, 7]);
});

test('a server below the files is a tier of its own', async () => {
  const layers = { getStats: () => ({ memoryHits: 3, diskHits: 2, remoteHits: 4, misses: 1 }) };
  const persistent = {
    getStats: () => ({ hits: 9, reads: 3, sharedHits: 1, remoteHits: 4, misses: 1, memorySize: 2, remote: { isUp: true } }),
  };
  const { snapshot } = await serve({ cache: { layers, persistent } });
  const [one, other] = (await snapshot()).panels.cache;
  assert.deepEqual([one.tiers, one.hitRate], [{ memory: 3, disk: 2, remote: 4 }, 0.9]);
  assert.deepEqual([other.tiers, other.hitRate], [{ memory: 2, shared: 1, disk: 2, remote: 4 }, 0.9]);
});

test('the pool’s panel says who has connections and who waits', async () => {
  const pool = held(new ConnectionPool({ minConnections: 1, maxConnections: 2 }), (each) => each.drain());
  const lent = [await pool.acquire(), await pool.acquire()];
  const waiting = pool.acquire();
  const { snapshot } = await serve({ pool });
  const [read] = (await snapshot()).panels.pool;
  assert.deepEqual(
    [read.active, read.most, read.size, read.waiting, read.utilization],
    [2, 2, 2, 1, pool.getStats().utilization],
  );
  pool.release(lent[0]);
  pool.release(await waiting);
  pool.release(lent[1]);
});

test('the queries’ panel has texts without literals and parameters, and advice that counts for nothing', async () => {
  const optimizer = held(
    new QueryOptimizer({
      batchTimeout: 1,
      slowQueryThreshold: 1,
      executor: async (items) => {
        await new Promise((resolve) => {
          setTimeout(resolve, 20);
        });
        return items.map(() => ({ rows: [1, 2] }));
      },
    }),
    (each) => each.close(),
  );
  await optimizer.queueQuery(
    "SELECT * FROM users WHERE name = 'Secret Name' AND pin = 4711 AND mail = $1 -- secret comment",
    ['secret@example.com'],
  );
  const { snapshot } = await serve({ optimizer });
  const before = optimizer.getStats();
  const read = await snapshot();
  const [{ top, slow, queries, averageLatency }] = read.panels.optimizer;
  assert.deepEqual([queries, averageLatency, top.length, slow.length], [1, optimizer.getStats().averageLatency, 1, 1]);
  const [cost] = optimizer.getTopQueries();
  assert.deepEqual([top[0].calls, top[0].totalMs, top[0].rows, top[0].text], [cost.calls, cost.totalMs, 2, cost.query]);
  assert.equal(slow[0].text, cost.query);
  assert.ok(top[0].advice.some((hint) => hint.includes('Name the columns')));
  assert.deepEqual(optimizer.getStats(), before);
  assert.doesNotMatch(JSON.stringify(read), /secret|4711/i);
});

test('the limiter’s panel says who is denied what, with the busiest clients first', async () => {
  const limiter = held(new RateLimiter({ rateLimit: 10, refillRate: 0.001, maxWaitTime: 60_000 }), (each) =>
    each.shutdown(),
  );
  for (let call = 0; call < 4; call += 1) limiter.isAllowed('half');
  for (let call = 0; call < 12; call += 1) limiter.isAllowed('<script>');
  limiter.isAllowed('quiet', 0);
  limiter.block('blocked', 60_000);
  const waiting = limiter.acquire('<script>').catch(() => {});
  const { snapshot } = await serve({ limiter });
  const [read] = (await snapshot()).panels.limiter;
  const stats = limiter.getStats();
  assert.deepEqual(
    [read.allowed, read.denied, read.allowRate, read.clients, read.waiting],
    [stats.allowedRequests, stats.deniedRequests, stats.allowRate, 4, 1],
  );
  assert.deepEqual(
    read.busiest.map(({ client }) => client),
    ['<script>', 'blocked', 'half'],
  );
  assert.deepEqual(
    read.busiest.map(({ tokens, queueSize }) => [tokens, queueSize]),
    [
      [0, 1],
      [10, 0],
      [6, 0],
    ],
  );
  assert.ok(read.busiest[1].blockedMs > 50_000);
  limiter.shutdown();
  await waiting;
});

test('a limiter with nothing but the original’s statistics has busiest clients as well', async () => {
  const bucket = (tokens) => ({ tokens, limit: 10, utilization: '', queueSize: 0 });
  const limiter = {
    getStats: () => ({
      totalRequests: 9,
      allowedRequests: 8,
      deniedRequests: 1,
      allowRate: '88.89%',
      buckets: { full: bucket(10), a: bucket(5), b: bucket(1) },
    }),
  };
  const { snapshot } = await serve({ limiter });
  const [read] = (await snapshot()).panels.limiter;
  assert.deepEqual(
    read.busiest.map(({ client }) => client),
    ['b', 'a'],
  );
  assert.equal(read.allowed, 8);
});

test('the tracer’s panel has every operation’s figures, and the latest, slowest and failed traces', async () => {
  const tracer = tracerOf({ serviceName: 'shop' });
  let slowest;
  for (let number = 0; number < 40; number += 1) {
    const { traceId, spanId } = tracer.startTrace();
    const span = tracer.startSpan(traceId, 'work', spanId);
    if (number === 3) {
      slowest = traceId;
      await new Promise((resolve) => {
        setTimeout(resolve, 60);
      });
    }
    tracer.endSpan(traceId, span, number === 5 ? 'error' : 'success', number === 5 ? { error: 'no luck' } : {});
    tracer.endTrace(traceId, number === 5 ? 'error' : 'success', number === 5 ? { error: 'no luck' } : {});
  }
  const { snapshot } = await serve({ tracer });
  const [read] = (await snapshot()).panels.tracer;
  const metrics = tracer.getMetrics();
  assert.deepEqual([read.service, read.ended, read.errorRate], ['shop', metrics.totalRequests, metrics.errorRate]);
  const work = read.operations.find(({ name }) => name === 'work');
  const { count, errorCount, p50Ms, p95Ms, p99Ms } = metrics.requests.work;
  assert.deepEqual(
    [work.count, work.errorCount, work.p50Ms, work.p95Ms, work.p99Ms],
    [count, errorCount, p50Ms, p95Ms, p99Ms],
  );
  const list = (name) => read.traces.filter(({ lists }) => lists.includes(name));
  assert.equal(list('latest').length, 15);
  assert.ok(list('slowest').some(({ id }) => id === slowest));
  assert.equal(list('failed').length, 1);
  assert.equal(read.errors[0].error, 'no luck');
});

test('making the list of traces leaves their live objects unmade', async () => {
  const tracer = tracerOf();
  const { traceId } = tracer.startTrace();
  tracer.endTrace(traceId);
  const { snapshot } = await serve({ tracer });
  await snapshot();
  assert.equal(tracer.spans.record(traceId).live, null);
});

test('a trace opens with its spans, tags and logs, in microseconds, whatever the values are', async () => {
  const tracer = tracerOf();
  const { traceId, spanId } = tracer.startTrace();
  const cycle = {};
  cycle.self = cycle;
  for (const [key, value] of [
    ['text', '<b>'],
    ['number', 7],
    ['big', 7n],
    ['cycle', cycle],
    ['long', 'x'.repeat(9999)],
    ['nothing', null],
    ['symbol', Symbol('s')],
  ]) {
    tracer.addTag(traceId, key, value);
  }
  tracer.addLog(traceId, { any: 'thing' }, 'warn');
  const outer = tracer.startSpan(traceId, 'outer', spanId);
  const inner = tracer.startSpan(traceId, 'inner', outer);
  tracer.endSpan(traceId, inner, 'error', { error: 'broke' });
  tracer.endSpan(traceId, outer);
  const { ask } = await serve({ tracer: { web: tracer } });
  const { status, text } = await ask(`/trace?tracer=web&id=${traceId}`);
  assert.equal(status, 200);
  const trace = JSON.parse(text);
  assert.deepEqual(
    trace.spans.map(({ name, parentSpanId }) => [name, parentSpanId]),
    [
      ['outer', spanId],
      ['inner', outer],
    ],
  );
  assert.ok(trace.spans[1].offsetMs >= trace.spans[0].offsetMs);
  assert.deepEqual([trace.durationMs, trace.root.status], [null, 'in-progress']);
  const tags = Object.fromEntries(trace.root.tags);
  assert.deepEqual(
    [tags.text, tags.number, tags.big, tags.nothing, tags.symbol],
    ['<b>', '7', '7n', 'null', 'Symbol(s)'],
  );
  assert.ok(tags.long.length <= 501 && tags.cycle.includes('Circular'));
  assert.deepEqual([trace.root.logs[0].level, trace.root.logs[0].message], ['warn', "{ any: 'thing' }"]);
  assert.deepEqual(trace.spans[1].metadata, [['error', 'broke']]);
});

test('a trace that is gone, or of no tracer, is not found', async () => {
  const { ask } = await serve({ tracer: tracerOf() });
  for (const at of ['/trace', '/trace?id=nothing', '/trace?id=__proto__', '/trace?tracer=web&id=1', '/trace?id=%00']) {
    const { status, text } = await ask(at);
    assert.equal(status, 404, at);
    assert.equal(JSON.parse(text).error, 'This trace is no longer kept.');
  }
  const { ask: other } = await serve({ limiter: new RateLimiter() });
  assert.equal((await other('/trace?id=1')).status, 404);
});

test('breakers, services, checks, targets and instances are as their modules say', async () => {
  const breakers = [new CircuitBreaker('mail', { failureThreshold: 1 }), new CircuitBreaker('search')];
  await breakers[0].execute(() => Promise.reject(new Error('down'))).catch(() => {});
  const probe = held(new ReadinessProbe(), (each) => each.stopPolling());
  probe.registerReadinessProbe('database', () => true);
  await probe.runAllProbes();
  const monitor = held(new HealthMonitor({ checkInterval: 200 }), (each) => each.destroy());
  monitor.registerService('other', 9, { host: '127.0.0.1', probe: () => true });
  await until(() => monitor.getHealth('other').status === 'healthy');
  const router = new IntelligentRouter();
  router.addTarget('api', 8001, 2, { host: '127.0.0.1' });
  router.recordLatency({ serviceName: 'api', port: 8001, host: '127.0.0.1' }, 12);
  const balancer = new LoadBalancer('round-robin');
  balancer.addTarget({ id: 'eu' });
  balancer.recordRequest('eu', 5);
  const instances = new HorizontalScalingManager();
  instances.registerService('api', 4000);
  await instances.scaleUp('api', 2);
  const { snapshot } = await serve({ breakers, health: [probe, monitor], router, balancer, instances });
  const { panels } = await snapshot();
  assert.deepEqual(
    panels.breakers.map(({ breaker, state, attempts }) => [breaker, state, attempts]),
    [
      ['mail', 'OPEN', 1],
      ['search', 'CLOSED', 0],
    ],
  );
  assert.ok(panels.breakers[0].nextProbeInMs > 0);
  assert.deepEqual(
    panels.health.flatMap(({ checks }) => checks.map(({ name, status }) => [name, status])),
    [
      ['database', 'ready'],
      ['other', 'healthy'],
    ],
  );
  const [{ target, weight, avg, health }] = panels.router[0].services[0].targets;
  assert.deepEqual([target, weight, avg, health], ['127.0.0.1:8001', 2, 12, 'healthy']);
  assert.deepEqual(panels.balancer[0].targets, [
    { target: 'eu', requests: 1, latencyMs: balancer.getStats().byTarget.eu.latency },
  ]);
  assert.deepEqual(
    panels.instances[0].instances.map(({ port }) => port),
    instances.getInstanceDetails('api').map(({ port }) => port),
  );
  assert.equal(panels.instances[0].count, 2);
});

test('what is left out has no panel', async () => {
  const { snapshot } = await serve({ breakers: [] });
  assert.deepEqual((await snapshot()).panels, { breakers: [] });
});

test('members that come later are shown, and those that go are not', async () => {
  const breakers = new Map();
  const { snapshot } = await serve({ breakers });
  assert.deepEqual((await snapshot()).panels.breakers, []);
  breakers.set('mail', new CircuitBreaker('mail'));
  assert.equal((await snapshot()).panels.breakers.length, 1);
  breakers.clear();
  assert.deepEqual((await snapshot()).panels.breakers, []);
});

test('a module that fails takes no other with it, and its message stays where it is', async () => {
  const broken = {
    getStats: () => {
      throw Object.assign(new Error('password hunter2'), { code: 'EBROKEN' });
    },
  };
  const rejecting = { getStats: () => Promise.reject(new Error('password hunter2')) };
  const never = { getStats: () => new Promise(() => {}) };
  const { snapshot } = await keep({ pool: broken, cache: { rejecting, never }, limiter: new RateLimiter() });
  const read = await snapshot();
  assert.deepEqual(read.panels.pool, [{ name: '', unreadable: 'EBROKEN' }]);
  assert.deepEqual(
    read.panels.cache.map(({ pending }) => pending),
    [true, true],
  );
  assert.equal(read.panels.limiter[0].allowed, 0);
  await new Promise((resolve) => {
    setTimeout(resolve, 300);
  });
  assert.doesNotMatch(JSON.stringify(await snapshot()), /hunter2/);
});

test('a panel shows fifty modules at most, and the same one twice when it is given twice', async () => {
  const limiter = new RateLimiter();
  const { snapshot } = await serve({ limiter: Array.from({ length: 60 }, () => limiter) });
  assert.equal((await snapshot()).panels.limiter.length, 50);
});

test('names of any kind do no harm', async () => {
  const limiter = held(new RateLimiter(), (each) => each.shutdown());
  for (const id of ['__proto__', 'constructor', '</script>', '\u2028', 'x'.repeat(5000), '💥', '\ud800'])
    limiter.isAllowed(id);
  const tracer = tracerOf();
  for (const name of ['__proto__', 'constructor', '<img src=x onerror=alert(1)>']) {
    const { traceId, spanId } = tracer.startTrace();
    tracer.endSpan(traceId, tracer.startSpan(traceId, name, spanId));
    tracer.endTrace(traceId);
  }
  const { snapshot } = await serve({ limiter: Object.fromEntries([['<b>', limiter]]), tracer });
  const { panels } = await snapshot();
  const clients = panels.limiter[0].busiest.map(({ client }) => client);
  assert.ok(clients.includes('__proto__') && clients.includes('</script>'));
  assert.ok(clients.every((client) => client.length <= 121));
  assert.ok(panels.tracer[0].operations.some(({ name }) => name === '__proto__'));
});
