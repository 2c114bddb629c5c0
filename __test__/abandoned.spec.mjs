// What is under way comes to its end, although nobody holds the object that it was asked of.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import v8 from 'node:v8';
import vm from 'node:vm';
import {
  Bulkhead, CircuitBreaker, ConnectionPool, DistributedTracer, HealthMonitor, IntelligentRouter,
  MultiLayerCacheManager, PersistentCache, QueryOptimizer, RateLimiter, ReadinessProbe, RequestDeduplicator,
} from '../src/js/index.mjs';
import { startPool } from './support/pool.mjs';
import { until } from './support/until.mjs';
import { noValkey, startValkey } from './support/valkey.mjs';

v8.setFlagsFromString('--expose-gc');
const gc = vm.runInNewContext('gc');
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-abandoned-'));
const skip = noValkey();
let valkey;
let rig;

before(async () => {
  rig = await startPool({ maxConnections: 2 });
  if (!skip) valkey = await startValkey();
});

after(async () => {
  await rig?.stop();
  await valkey?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

/** What `start` resolves with. Nothing else holds what it makes; garbage is collected again and again meanwhile. */
async function abandoned(start, meanwhile) {
  const seen = { done: false };
  start().then(
    (value) => Object.assign(seen, { done: true, value }),
    (error) => Object.assign(seen, { done: true, error }),
  );
  for (let round = 0; round < 5; round += 1) {
    await sleep(10);
    gc();
  }
  await meanwhile?.();
  await until(() => {
    gc();
    return seen.done;
  });
  if (seen.error) throw seen.error;
  return seen.value;
}

/** Answers every request after a while. */
async function slowServer(t, ms) {
  const server = http.createServer((request, response) => {
    request.resume();
    setTimeout(() => response.end('ok'), ms);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections?.();
    server.close();
  });
  return server.address().port;
}

/** `start` while the server stands still. */
async function paused(start) {
  return abandoned(() => {
    valkey.pause();
    return start();
  }, () => valkey.resume());
}

const store = () => ({ url: valkey.url, prefix: `abandoned-${process.hrtime.bigint()}`, timeoutMs: 20_000 });

test('a wait for tokens', async () => {
  const { acquired } = await abandoned(async () => {
    const limiter = new RateLimiter({ rateLimit: 1, refillRate: 1, refillInterval: 500 });
    await limiter.acquire('a');
    return await limiter.queueRequest('a');
  });
  assert.equal(acquired, true);
});

test('a wait for tokens of several limiters', async () => {
  const { acquired } = await abandoned(async () => {
    const options = { rateLimit: 1, refillRate: 1, refillInterval: 500 };
    const both = RateLimiter.combine({ user: new RateLimiter(options), service: new RateLimiter(options) });
    await both.acquire({ user: 'a', service: 'b' }, 1);
    return await both.acquire({ user: 'a', service: 'b' }, 1);
  });
  assert.equal(acquired, true);
});

test('a question to the store of a limiter', { skip }, async () => {
  const { acquired } = await paused(async () => await new RateLimiter({ rateLimit: 5, refillRate: 5, store: store() }).acquire('a'));
  assert.equal(acquired, true);
});

test('a reservation at the store of a limiter', { skip }, async () => {
  const { waitMs } = await paused(async () => await new RateLimiter({ rateLimit: 5, refillRate: 5, store: store() }).reserveStore('a'));
  assert.equal(waitMs, 0);
});

test('a wait for a connection', async () => {
  const held = [];
  const conn = await abandoned(async () => {
    const pool = new ConnectionPool({ minConnections: 1, maxConnections: 1, factory: { create: () => ({ name: 'only' }) } });
    const first = await pool.acquire();
    held.push(setTimeout(() => pool.release(first), 600));
    return await pool.acquire();
  });
  assert.equal(conn.name, 'only');
});

test('a connection that is being made', async () => {
  const conn = await abandoned(async () => {
    const create = async () => {
      await sleep(300);
      return { name: 'new' };
    };
    return await new ConnectionPool({ minConnections: 0, factory: { create } }).acquire();
  });
  assert.equal(conn.name, 'new');
});

test('a query', async () => {
  const { rows } = await abandoned(async () => {
    return await new ConnectionPool({ connectionString: rig.server.url }).query('select 1 as one from pg_sleep(0.5)');
  });
  assert.deepEqual(rows, [{ one: 1 }]);
});

test('a stream and a transaction', async () => {
  const [rows, sum] = await abandoned(async () => await Promise.all([
    (async () => {
      const found = [];
      for await (const { n } of new ConnectionPool({ connectionString: rig.server.url }).stream('select n, pg_sleep(0.2) from generate_series(1, 3) n', [], { batchSize: 1 })) found.push(n);
      return found;
    })(),
    new ConnectionPool({ connectionString: rig.server.url }).transaction(async (conn) => {
      const { rows: [{ one }] } = await conn.query('select 1 as one from pg_sleep(0.3)');
      return one + (await conn.query('select 2 as two from pg_sleep(0.3)')).rows[0].two;
    }),
  ]));
  assert.deepEqual([rows, sum], [[1, 2, 3], 3]);
});

test('a batch of queries', async () => {
  const results = await abandoned(async () => {
    const optimizer = new QueryOptimizer({ batchTimeout: 300, pool: new ConnectionPool({ connectionString: rig.server.url }) });
    return await Promise.all([1, 2, 3].map((n) => optimizer.queueQuery('select $1::int as n', [n])));
  });
  assert.deepEqual(results.map(({ rows }) => rows[0].n), [1, 2, 3]);
});

test('loading what a cache lacks, and writing it', async () => {
  const cacheDir = path.join(folder, 'cache');
  const value = await abandoned(async () => {
    const cache = new PersistentCache({ cacheDir });
    return await cache.getOrSet('key', async () => {
      await sleep(300);
      return 'loaded';
    });
  });
  assert.equal(value, 'loaded');
  await until(async () => (await new PersistentCache({ cacheDir }).get('key')) === 'loaded');
});

test('many writes of a cache', async () => {
  const cacheDir = path.join(folder, 'writes');
  await abandoned(async () => {
    const cache = new PersistentCache({ cacheDir });
    for (let index = 0; index < 2000; index += 1) cache.set(`key ${index}`, 'x'.repeat(2000));
    await cache.flush();
    await sleep(300);
  });
  const cache = new PersistentCache({ cacheDir });
  assert.equal((await cache.get('key 1999')).length, 2000);
  await cache.close();
});

test('a read of the remote tier, and one load for the fleet', { skip }, async () => {
  const remote = { ...store(), timeoutMs: 20_000 };
  const layered = () => new MultiLayerCacheManager({ disk: false, remote, bus: { url: valkey.url, channel: remote.prefix } });
  const first = layered();
  await first.set('key', 'there');
  await first.set('key', 'there', 60_000, ['remote']);
  assert.equal(await paused(async () => await layered().get('key')), 'there');
  const load = async () => {
    await sleep(500);
    return 'once';
  };
  const values = await abandoned(async () => await Promise.all([1, 2].map(() => layered().getOrSet('new', load, { lock: 'distributed' }))));
  assert.deepEqual(values, ['once', 'once']);
});

test('a call that takes too long', async () => {
  const never = () => new Promise(() => {});
  const [broken, shared] = await abandoned(async () => await Promise.allSettled([
    new CircuitBreaker('slow').execute(never, { timeout: 600 }),
    new RequestDeduplicator({ timeoutMs: 600 }).deduplicate('key', never),
  ]));
  assert.deepEqual([broken.status, shared.status], ['rejected', 'rejected']);
});

test('a wait for a place', async () => {
  const values = await abandoned(async () => {
    const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 1 });
    const call = (value) => bulkhead.execute(async () => {
      await sleep(300);
      return value;
    });
    return await Promise.all([call(1), call(2)]);
  });
  assert.deepEqual(values, [1, 2]);
});

test('a round of health checks, and readiness that is waited for', async (t) => {
  const port = await slowServer(t, 400);
  const health = await abandoned(async () => {
    const monitor = new HealthMonitor({ autoStart: false });
    monitor.registerService('slow', port);
    await monitor._runHealthChecks('manual');
    return monitor.getHealth('slow').status;
  });
  assert.notEqual(health, 'unknown');
  const began = Date.now();
  const ready = await abandoned(async () => {
    const probe = new ReadinessProbe({ pollingInterval: 50 });
    probe.registerReadinessProbe('late', async () => Date.now() - began > 500);
    probe.startPolling();
    const answer = await probe.waitForReady('late', 20_000);
    probe.stopPolling();
    return answer;
  });
  assert.ok(ready);
});

test('a target that is waited for', async () => {
  await abandoned(async () => {
    const router = new IntelligentRouter();
    router.addTarget('web', 1);
    const { done } = router.routeRequest('web');
    setTimeout(done, 600);
    await router.drainTarget('web', 1);
  });
});

test('traces on their way', async (t) => {
  const port = await slowServer(t, 400);
  await abandoned(async () => {
    const tracer = new DistributedTracer({ samplingRate: 1, exporter: { otlp: { endpoint: `http://127.0.0.1:${port}` } } });
    tracer.endTrace(tracer.startTrace('work').traceId);
    await tracer.flush();
  });
});
