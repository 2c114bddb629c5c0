// The contract's table, its K rows, and the defects of buckets and statistics.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import Default, { RateLimiter } from '../src/js/lib/rate-limiter.mjs';

const limiters = [];
const make = (options, Class = RateLimiter) => {
  const limiter = new Class(options);
  limiters.push(limiter);
  return limiter;
};
test.afterEach(() => limiters.splice(0).forEach((limiter) => limiter.shutdown()));

test('exports: named, default and require are one class', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/rate-limiter.cjs');
  assert.equal(Default, RateLimiter);
  assert.equal(required.RateLimiter, RateLimiter);
  assert.equal(required.default, RateLimiter);
  assert.equal(required.__esModule, true);
});

test('options: defaults, falsy values fall back, null and nonsense throw', () => {
  const expected = { rateLimit: 100, refillRate: 10, refillInterval: 1000, maxWaitTime: 30000, fairQueueing: true };
  for (const options of [undefined, {}, { rateLimit: 0, refillRate: 0, refillInterval: null, maxWaitTime: NaN }]) {
    const limiter = make(options);
    for (const [name, value] of Object.entries(expected)) assert.equal(limiter[name], value, name);
  }
  assert.equal(make({ fairQueueing: false }).fairQueueing, false);
  assert.equal(make({ fairQueueing: 0 }).fairQueueing, true);
  assert.throws(() => new RateLimiter(null), TypeError);
  assert.throws(() => new RateLimiter({ rateLimit: -5 }), /rateLimit/);
  assert.throws(() => new RateLimiter({ refillRate: {} }), /refillRate/);
  assert.equal(make({ rateLimit: Infinity }).isAllowed('a', 1e9), true);
});

test('fields: readable with their meaning; JSON, spread and inspect work', () => {
  const limiter = make({ rateLimit: 5 });
  limiter.isAllowed('a', 2);
  assert.deepEqual(limiter.stats, {
    totalRequests: 0, allowedRequests: 1, deniedRequests: 0, queuedRequests: 0, buckets: {},
  });
  assert.equal(limiter.buckets.get('a').tokens, 3);
  assert.equal(limiter.buckets.size, 1);
  assert.deepEqual([...limiter.buckets.keys()], ['a']);
  assert.equal(limiter.buckets.has('b'), false);
  assert.equal(limiter.requestQueues.size, 0);
  assert.ok(limiter.refillTimer);
  assert.equal(JSON.parse(JSON.stringify(limiter)).rateLimit, 5);
  assert.equal({ ...limiter }.refillRate, 10);
});

test('isAllowed: takes tokens while there are enough, and counts without totalRequests', () => {
  const limiter = make({ rateLimit: 3 });
  assert.deepEqual([1, 1, 1, 1].map((cost) => limiter.isAllowed('a', cost)), [true, true, true, false]);
  assert.equal(limiter.isAllowed('b', 4), false);
  assert.equal(limiter.isAllowed('b', 3), true);
  const { totalRequests, allowedRequests, deniedRequests } = limiter.getStats();
  assert.deepEqual([totalRequests, allowedRequests, deniedRequests], [0, 4, 2]);
});

test('acquire: a native promise of acquired: true and waitTime 0 when there are tokens', async () => {
  const limiter = make();
  const promise = limiter.acquire('a');
  assert.ok(promise instanceof Promise);
  assert.deepEqual(await promise, { acquired: true, waitTime: 0, retryAfterMs: 0, remaining: 99 });
  assert.equal(limiter.stats.totalRequests, 1);
});

test('acquire: with fairQueueing false a refusal resolves acquired: false', async () => {
  const limiter = make({ rateLimit: 2, refillRate: 1, fairQueueing: false });
  await limiter.acquire('a', 2);
  const { acquired, waitTime, retryAfterMs, remaining } = await limiter.acquire('a');
  assert.deepEqual([acquired, waitTime, remaining], [false, 0, 0]);
  assert.ok(retryAfterMs > 0 && retryAfterMs <= 1000);
  assert.equal(limiter.stats.queuedRequests, 0);
});

test('setLimit: sets limit and rate and fills the bucket; resetBucket fills or creates', () => {
  const limiter = make();
  assert.equal(limiter.setLimit('a', 7, 3), undefined);
  const { tokens, limit, refillRate } = limiter.getBucket('a');
  assert.deepEqual([tokens, limit, refillRate], [7, 7, 3]);
  limiter.isAllowed('a', 5);
  assert.equal(limiter.resetBucket('a'), undefined);
  assert.equal(limiter.getBucket('a').tokens, 7);
  limiter.resetBucket('new');
  assert.equal(limiter.getBucket('new').tokens, 100);
});

test('getBucket: live, created on demand, updates lastAccessTime', () => {
  const limiter = make();
  const before = Date.now();
  const bucket = limiter.getBucket('a');
  assert.equal(limiter.getBucket('a'), bucket);
  assert.ok(bucket.lastAccessTime >= before && bucket.lastAccessTime <= Date.now() + 1);
  limiter.isAllowed('a', 40);
  assert.equal(bucket.tokens, 60);
  assert.deepEqual(Object.keys(bucket), ['tokens', 'limit', 'refillRate', 'lastAccessTime']);
  assert.equal(JSON.parse(JSON.stringify({ ...bucket })).limit, 100);
  bucket.limit = 200;
  bucket.refillRate = 1;
  assert.deepEqual([limiter.getBucket('a').limit, limiter.getBucket('a').refillRate], [200, 1]);
});

test('getStats: the original keys, numbers and percentages', () => {
  const limiter = make({ rateLimit: 4 });
  assert.equal(limiter.getStats().allowRate, '0.00%');
  assert.equal(make().getStats().activeBuckets, 0);
  limiter.isAllowed('a', 3);
  limiter.isAllowed('a', 3);
  const stats = limiter.getStats();
  assert.deepEqual(stats.buckets, { a: { tokens: 1, limit: 4, utilization: '75.00%', queueSize: 0 } });
  assert.equal(stats.allowRate, '50.00%');
  for (const key of ['totalRequests', 'allowedRequests', 'deniedRequests', 'queuedRequests', 'activeBuckets']) {
    assert.equal(typeof stats[key], 'number', key);
  }
});

test('cleanupIdleBuckets: drops what was idle for longer', () => {
  const limiter = make();
  limiter.getBucket('old').lastAccessTime = Date.now() - 400_000;
  limiter.isAllowed('new');
  assert.equal(limiter.cleanupIdleBuckets(), undefined);
  assert.deepEqual([...limiter.buckets.keys()], ['new']);
});

test('shutdown: idempotent, clears, still answers but never refills', async () => {
  const limiter = make({ rateLimit: 2, refillRate: 100, refillInterval: 10 });
  limiter.isAllowed('a');
  assert.equal(limiter.shutdown(), undefined);
  limiter.shutdown();
  assert.equal(limiter.refillTimer, null);
  assert.equal(limiter.buckets.size, 0);
  assert.equal(limiter.isAllowed('a', 2), true);
  await sleep(40);
  assert.equal(limiter.isAllowed('a'), false);
});

test('startRefillTimer: called once by the constructor, before subclass fields; without it nothing refills', async () => {
  const calls = [];
  class Mine extends RateLimiter {
    field = 1;
    startRefillTimer() {
      calls.push(this.field);
    }
  }
  const limiter = make({ rateLimit: 1, refillRate: 1000, refillInterval: 5 }, Mine);
  assert.deepEqual(calls, [undefined]);
  limiter.isAllowed('a');
  await sleep(30);
  assert.equal(limiter.isAllowed('a'), false);
});

test('hooks: getBucket, isAllowed, queueRequest and processQueue may be replaced', async () => {
  class Mine extends RateLimiter {
    getBucket(id) {
      const bucket = super.getBucket(id);
      if (id === 'poor') bucket.tokens = 0;
      return bucket;
    }
  }
  const limiter = make({}, Mine);
  assert.equal(limiter.isAllowed('poor'), false);
  assert.equal(limiter.isAllowed('rich'), true);
  const stubbed = make();
  stubbed.getBucket = () => ({ tokens: 1, limit: 1 });
  assert.equal(stubbed.isAllowed('a', 2), false);
  stubbed.isAllowed = () => false;
  stubbed.queueRequest = async () => 'queued';
  assert.equal(await stubbed.acquire('a'), 'queued');
  stubbed.isAllowed = () => true;
  assert.equal((await stubbed.acquire('a')).acquired, true);
});

test('RL-K3: tokens is a writable number; 0 denies the next request, also after idle time', async () => {
  const limiter = make({ rateLimit: 10, refillRate: 1000, refillInterval: 20 });
  const bucket = limiter.getBucket('a');
  await sleep(50);
  bucket.tokens = 0;
  assert.equal(limiter.isAllowed('a'), false);
  await sleep(60);
  assert.equal(limiter.isAllowed('a'), true);
});

test('RL-K4: a brand-new client starts full', () => {
  const limiter = make({ rateLimit: 9 });
  assert.equal(limiter.isAllowed('new', 9), true);
});

test('the refill comes in steps, as large as rate × interval, and stops at the limit', async () => {
  const limiter = make({ rateLimit: 10, refillRate: 20, refillInterval: 100 });
  const bucket = limiter.getBucket('a');
  bucket.tokens = 0;
  while (bucket.tokens === 0) await sleep(2);
  assert.equal(bucket.tokens, 2);
  await sleep(700);
  assert.equal(bucket.tokens, 10);
});

test('RL-D5: idle clients with full buckets are forgotten, others stay; buckets and queues are bounded', async () => {
  const limiter = make({ rateLimit: 2, refillRate: 0.001, idleMs: 20 });
  limiter.getBucket('full');
  limiter.isAllowed('used', 1);
  limiter.setLimit('own', 5);
  for (let tries = 0; limiter.buckets.has('full') && tries < 200; tries += 1) await sleep(10);
  assert.deepEqual([...limiter.buckets.keys()], ['used', 'own']);
  const bounded = make({ maxClients: 100 });
  bounded.isAllowed('heavy', 90);
  for (let at = 0; at < 1000; at += 1) bounded.isAllowed(`client ${at}`);
  assert.ok(bounded.buckets.size <= 100);
  assert.equal(bounded.peek('heavy').remaining, 10);
});

test('RL-D7: setLimit without a rate keeps the rate; a limit of 0 divides nothing', () => {
  const limiter = make({ rateLimit: 5, refillRate: 3 });
  limiter.setLimit('a', 10);
  assert.equal(limiter.getBucket('a').refillRate, 3);
  assert.equal(limiter.isAllowed('a', 10), true);
  limiter.setLimit('b', 0);
  assert.equal(limiter.isAllowed('b'), false);
  assert.equal(limiter.getStats().buckets.b.utilization, '0.00%');
});

test('RL-D8: negative costs, NaN and strings are refused and change nothing', async () => {
  const limiter = make({ rateLimit: 100 });
  for (const cost of [-50, NaN, '5', null, {}, -Infinity]) {
    assert.equal(limiter.isAllowed('a', cost), false, String(cost));
    await assert.rejects(limiter.acquire('a', cost), { code: 'ERR_TOOLOO_INVALID_ARGUMENT' });
  }
  assert.equal(limiter.getBucket('a').tokens, 100);
});

test('RL-D9: allowRate stays within 0 and 100 %, a served waiter counts as allowed only', async () => {
  const limiter = make({ rateLimit: 2, refillRate: 100, refillInterval: 20 });
  for (let at = 0; at < 5; at += 1) limiter.isAllowed('direct');
  await Promise.all([limiter.acquire('a', 2), limiter.acquire('a')]);
  const { allowRate, totalRequests, allowedRequests, deniedRequests, queuedRequests } = limiter.getStats();
  assert.deepEqual([totalRequests, allowedRequests, deniedRequests, queuedRequests], [2, 4, 3, 1]);
  assert.equal(allowRate, '57.14%');
});

test('RL-D11: results and errors carry retryAfterMs and remaining', async () => {
  const limiter = make({ rateLimit: 5, refillRate: 1, maxWaitTime: 20 });
  assert.equal((await limiter.acquire('a', 3)).remaining, 2);
  const error = await limiter.acquire('a', 4).catch((reason) => reason);
  assert.equal(error.remaining, 2);
  assert.ok(error.retryAfterMs > 900 && error.retryAfterMs <= 2000, String(error.retryAfterMs));
});

test('peek takes nothing and makes nobody known', () => {
  const limiter = make({ rateLimit: 5 });
  assert.deepEqual(limiter.peek('a', 6), { allowed: false, limit: 5, remaining: 5, retryAfterMs: Infinity, resetMs: 0 });
  assert.equal(limiter.buckets.size, 0);
  limiter.isAllowed('a', 2);
  assert.equal(limiter.peek('a', 3).allowed, true);
  assert.equal(limiter.peek('a').remaining, 3);
});

test('penalty, reward and block', async () => {
  const limiter = make({ rateLimit: 10, refillRate: 0.001 });
  assert.equal(limiter.penalty('a', 4).remaining, 6);
  assert.equal(limiter.reward('a', 100).remaining, 10);
  assert.equal(limiter.penalty('a', 100).remaining, 0);
  assert.throws(() => limiter.penalty('a', -1), RangeError);
  const info = limiter.block('b', 60);
  assert.equal(info.allowed, false);
  assert.ok(info.retryAfterMs > 0 && info.retryAfterMs <= 60);
  assert.equal(limiter.isAllowed('b'), false);
  await sleep(80);
  assert.equal(limiter.isAllowed('b'), true);
  limiter.block('b', 1e9);
  limiter.block('b', 0);
  assert.equal(limiter.isAllowed('b'), true);
});

test('ids are Map keys: identity of objects, NaN, Symbols, undefined; __proto__ shows in the statistics', () => {
  const limiter = make({ rateLimit: 1 });
  const ids = [undefined, null, 1, '1', NaN, 1n, Symbol('x'), {}, {}, [], () => {}, '__proto__', '', '💩', 'é'];
  for (const id of ids) assert.equal(limiter.isAllowed(id), true, typeof id);
  for (const id of ids) assert.equal(limiter.isAllowed(id), false, typeof id);
  assert.equal(limiter.buckets.size, ids.length);
  assert.ok(Object.hasOwn(limiter.getStats().buckets, '__proto__'));
  JSON.stringify(limiter.getStats());
});

test('a forgotten bucket object keeps its values and touches nobody else', () => {
  const limiter = make({ rateLimit: 5 });
  const old = limiter.getBucket('a');
  limiter.isAllowed('a', 2);
  limiter.buckets.delete('a');
  limiter.isAllowed('b');
  old.tokens = 0;
  assert.equal(old.limit, 5);
  assert.equal(limiter.getBucket('b').tokens, 4);
  assert.equal(limiter.getBucket('a').tokens, 5);
});

test('100,000 clients keep their own balances', () => {
  const limiter = make({ rateLimit: 3, refillRate: 1e-6 });
  for (let round = 0; round < 3; round += 1) {
    for (let at = 0; at < 100_000; at += 1) if (!limiter.isAllowed(`client ${at}`)) assert.fail(`client ${at}`);
  }
  for (let at = 0; at < 100_000; at += 997) assert.equal(limiter.peek(`client ${at}`).remaining, 0);
  assert.equal(limiter.getStats().activeBuckets, 100_000);
});
