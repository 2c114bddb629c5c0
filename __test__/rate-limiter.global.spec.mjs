// A limit that all clients share: fair turns, weights, priorities, bounds, signals; and reservations.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';

const MODULE = new URL('../src/js/lib/rate-limiter.mjs', import.meta.url);
const limiters = [];
const make = (options) => {
  const limiter = new RateLimiter(options);
  limiters.push(limiter);
  return limiter;
};
test.afterEach(() => limiters.splice(0).forEach((limiter) => limiter.shutdown()));

/** Clients have more than enough of their own; together they share 10, and 100 a second. */
const share = (globalLimit, options) =>
  make({ rateLimit: 1e6, refillRate: 1e6, maxWaitTime: 60_000, ...options,
    globalLimit: { rateLimit: 10, refillRate: 100, refillInterval: 100, ...globalLimit } });

test('all clients together get no more than the shared limit', () => {
  const limiter = share({ refillRate: 1e-9 });
  const allowed = Array.from({ length: 30 }, (_, index) => limiter.isAllowed(`client ${index}`)).filter(Boolean);
  assert.equal(allowed.length, 10);
  const { allowed: more, remaining, retryAfterMs } = limiter.peek('new');
  assert.equal(more || remaining > 0, false);
  assert.ok(retryAfterMs > 1e9);
  assert.deepEqual(limiter.getStats().global, { tokens: 0, limit: 10, utilization: '100.00%' });
});

test('a refusal by the shared limit consumes nothing of the client', () => {
  const limiter = share({ refillRate: 1e-9 }, { rateLimit: 50, refillRate: 1e-9 });
  assert.equal(limiter.isAllowed('a', 11), false);
  assert.equal(limiter.getBucket('a').tokens, 50);
  assert.equal(limiter.isAllowed('a', 10), true);
  assert.equal(limiter.getBucket('a').tokens, 40);
});

test('one that floods delays one that sends little by no more than a turn', async () => {
  const limiter = share();
  const order = [];
  const flood = Array.from({ length: 60 }, () => limiter.acquire('flood').then(() => order.push('flood')));
  await Promise.all([limiter.acquire('small').then(() => order.push('small')), flood[9]]);
  await limiter.acquire('small').then(() => order.push('small'));
  // 10 were there at once; then it is turn by turn.
  assert.ok(order.indexOf('small') <= 11, order.join());
  await Promise.all(flood);
  assert.equal(order.length, 62);
});

test('equal clients get equal shares, weighted ones their weights', async () => {
  const limiter = share();
  const got = { a: 0, b: 0, heavy: 0 };
  limiter.isAllowed('x', 10);
  const signal = new AbortController();
  const all = [];
  for (const [name, weight] of [['a', 1], ['b', undefined], ['heavy', 3]]) {
    for (let index = 0; index < 100; index += 1) {
      all.push(limiter.acquire(name, 1, { weight, signal: signal.signal }).then(() => {
        got[name] += 1;
        if (got.a + got.b + got.heavy === 50) signal.abort();
      }, (error) => assert.equal(error.code, 'ERR_TOOLOO_ABORTED')));
    }
  }
  await Promise.all(all);
  assert.ok(Math.abs(got.a - got.b) <= 1 && Math.abs(got.heavy - 3 * got.a) <= 4, JSON.stringify(got));
  assert.equal(limiter.getStats().waitingRequests, 0);
});

test('priority 0 goes first, 9 last', async () => {
  const limiter = share();
  limiter.isAllowed('x', 10);
  const order = [];
  const take = (name, priority) => limiter.acquire(name, 1, { priority }).then(() => order.push(name));
  await Promise.all([take('late', 9), take('usual'), take('usual', 5), take('first', 0)]);
  assert.deepEqual(order, ['first', 'usual', 'usual', 'late']);
});

test('weights and priorities by client id hold where a request names none, also after a change', async () => {
  const limiter = share({ refillRate: 500, refillInterval: 10 }, {
    limits: [{ match: 'gold:*', weight: 3 }, { match: /^late:/, priority: 9, rateLimit: 7 }, { match: 'first', priority: 0 }],
  });
  assert.deepEqual([limiter.getBucket('gold:1').limit, limiter.getBucket('late:1').limit], [limiter.rateLimit, 7]);
  limiter.isAllowed('x', 10);
  const got = { 'gold:1': 0, 'plain': 0 };
  const gone = new AbortController();
  const order = [];
  const take = (id, options) => limiter.acquire(id, 1, { signal: gone.signal, ...options }).then(() => order.push(id), () => {});
  const all = [take('late:1'), take('late:2', { priority: 0 }), take('first')];
  for (let index = 0; index < 100; index += 1) {
    for (const id of Object.keys(got)) {
      all.push(take(id).then(() => {
        got[id] += gone.signal.aborted ? 0 : 1;
        if (got['gold:1'] + got.plain === 48) gone.abort();
      }));
    }
  }
  await Promise.all(all);
  assert.deepEqual(order.slice(0, 2), ['late:2', 'first']);
  assert.ok(!order.includes('late:1'), 'a later class does not come before 48 others');
  assert.ok(Math.abs(got['gold:1'] - 3 * got.plain) <= 4, JSON.stringify(got));
  limiter.setLimits([{ match: 'plain', priority: 0 }]);
  while (limiter.isAllowed('x'));
  const after = [];
  await Promise.all(['gold:1', 'plain'].map((id) => limiter.acquire(id).then(() => after.push(id))));
  assert.deepEqual(after, ['plain', 'gold:1']);
});

test('the shared line is bounded, timed and can be left', async () => {
  const limiter = share({ maxQueueLength: 2, refillRate: 1e-9 }, { maxWaitTime: 40 });
  limiter.isAllowed('x', 10);
  const gone = new AbortController();
  const first = limiter.acquire('a', 1, { signal: gone.signal });
  const second = limiter.acquire('b');
  await assert.rejects(limiter.acquire('c'), { code: 'ERR_TOOLOO_QUEUE_FULL' });
  gone.abort();
  await assert.rejects(first, { name: 'AbortError' });
  await assert.rejects(second, { code: 'ERR_TOOLOO_TIMEOUT' });
  await assert.rejects(limiter.acquire('a', 11), { code: 'ERR_TOOLOO_COST_EXCEEDS_LIMIT', message: /limit of 10$/ });
});

test('an aborted head lets the next one have its turn at once', async () => {
  const limiter = share({ refillRate: 1e-9 });
  limiter.isAllowed('x', 5);
  const gone = new AbortController();
  const dear = limiter.acquire('a', 8, { signal: gone.signal });
  const cheap = limiter.acquire('b', 5);
  gone.abort();
  await assert.rejects(dear, { name: 'AbortError' });
  assert.equal((await cheap).acquired, true);
});

test('shutdown rejects those in the ring', async () => {
  const limiter = share();
  limiter.isAllowed('x', 10);
  const waiting = [limiter.acquire('a'), limiter.acquire('b', 2)];
  limiter.shutdown();
  for (const one of waiting) await assert.rejects(one, { code: 'ERR_TOOLOO_CLOSED' });
});

test('a reservation says when to come; those behind it wait, probes leave it alone', async () => {
  const limiter = make({ rateLimit: 10, refillRate: 100, refillInterval: 50 });
  assert.deepEqual({ ...limiter.reserve('a', 10) }.waitMs, 0);
  const from = performance.now();
  const wall = Date.now();
  const reservation = limiter.reserve('a', 10);
  assert.ok(reservation.waitMs > 0 && reservation.waitMs <= 100, `${reservation.waitMs}`);
  assert.ok(reservation.at >= wall + reservation.waitMs && reservation.at <= Date.now() + reservation.waitMs);
  const behind = limiter.acquire('a', 1);
  assert.equal(limiter.isAllowed('a', 0.001), false);
  await behind;
  assert.ok(performance.now() - from >= reservation.waitMs - 1);
  assert.equal(reservation.cancel(), false);
});

test('a cancelled reservation gives its place back, once', async () => {
  const limiter = make({ rateLimit: 10, refillRate: 0.001, refillInterval: 50, maxWaitTime: 1e9 });
  limiter.isAllowed('a', 10);
  const reservation = limiter.reserve('a', 10);
  assert.equal(limiter.getStats().buckets.a.queueSize, 1);
  assert.equal(reservation.cancel(), true);
  assert.equal(reservation.cancel(), false);
  assert.equal(limiter.getStats().buckets.a.queueSize, 0);
  limiter.resetBucket('a');
  assert.equal(limiter.isAllowed('a', 10), true);
});

test('what cannot be reserved is refused with a reason', () => {
  const limiter = make({ rateLimit: 10, refillRate: 1, maxQueueLength: 1 });
  limiter.isAllowed('a', 10);
  assert.throws(() => limiter.reserve('a', 5, { maxWaitMs: 100 }), { code: 'ERR_TOOLOO_TIMEOUT', retryable: true });
  assert.throws(() => limiter.reserve('a', 11), { code: 'ERR_TOOLOO_COST_EXCEEDS_LIMIT' });
  assert.throws(() => limiter.reserve('a', -1), RangeError);
  assert.throws(() => limiter.reserve('a', 1, { maxWaitMs: 'x' }), TypeError);
  limiter.reserve('a', 1);
  assert.throws(() => limiter.reserve('a', 1), { code: 'ERR_TOOLOO_QUEUE_FULL' });
  limiter.shutdown();
  assert.throws(() => limiter.reserve('b', 1000), { code: 'ERR_TOOLOO_CLOSED' });
});

test('a reservation of shared tokens holds, whoever comes later; they pay for it', async () => {
  const limiter = share({ rateLimit: 10, refillRate: 100, refillInterval: 50, quantum: 5 });
  assert.equal(limiter.reserve('a', 10).waitMs, 0);
  const from = performance.now();
  const reservation = limiter.reserve('a', 5);
  assert.ok(reservation.waitMs > 0 && reservation.waitMs <= 50, `${reservation.waitMs}`);
  assert.equal(limiter.isAllowed('b', 0.5), false);
  assert.equal(limiter.peek('b').remaining, 0);
  await Promise.all(Array.from({ length: 5 }, () => limiter.acquire('b', 1, { priority: 0 })));
  // Two refills of five: the first is reserved.
  assert.ok(performance.now() - from >= reservation.waitMs + 49, 'those who came later had to wait for the next refill');
  assert.equal(reservation.cancel(), false);
});

test('a client may reserve one turn ahead, and gets it back when it cancels', async () => {
  const limiter = share({ refillRate: 0.001, quantum: 2 }, { maxWaitTime: 1e9 });
  limiter.isAllowed('x', 10);
  const first = limiter.reserve('a', 1);
  const second = limiter.reserve('a', 1);
  assert.ok(second.waitMs > first.waitMs && first.waitMs > 0);
  assert.throws(() => limiter.reserve('a', 1), { code: 'ERR_TOOLOO_QUEUE_FULL', retryable: true, message: /turn of a is reserved already/ });
  assert.ok(limiter.reserve('a', 1, { weight: 2 }).cancel());
  assert.deepEqual([first.cancel(), first.cancel(), second.cancel()], [true, false, true]);
  assert.equal(limiter.getStats().global.tokens, 0);
  const dear = limiter.reserve('a', 10);
  limiter.reserve('b', 2);
  const waiting = limiter.acquire('c', 2);
  assert.throws(() => limiter.reserve('d', 1, { maxWaitMs: 1 }), { code: 'ERR_TOOLOO_TIMEOUT' });
  assert.throws(() => limiter.reserve('d', 11), { code: 'ERR_TOOLOO_COST_EXCEEDS_LIMIT' });
  assert.equal(dear.cancel(), true);
  limiter.shutdown();
  await assert.rejects(waiting, { code: 'ERR_TOOLOO_CLOSED' });
  assert.throws(() => limiter.reserve('a', 1), { code: 'ERR_TOOLOO_CLOSED' });
});

test('a cancelled turn lets those who wait have it at once', async () => {
  const limiter = share({ refillRate: 1e-9 }, { maxWaitTime: 1e15 });
  limiter.isAllowed('x', 5);
  const ahead = share({ refillRate: 1e-3 }, { maxWaitTime: 1e15 });
  ahead.isAllowed('x', 5);
  const reservation = ahead.reserve('a', 8);
  const waiting = ahead.acquire('b', 5);
  assert.equal(reservation.cancel(), true);
  assert.equal((await waiting).acquired, true);
  assert.throws(() => limiter.reserve('a', 8, { maxWaitMs: 1e9 }), { code: 'ERR_TOOLOO_TIMEOUT' });
});

test('a reservation keeps no process alive', () => {
  const script = `import { RateLimiter } from ${JSON.stringify(MODULE.href)};
    const limiter = new RateLimiter({ rateLimit: 1, refillRate: 0.001, maxWaitTime: 1e9 });
    limiter.reserve('a'); console.log(limiter.reserve('a').waitMs > 1000);`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000 });
  assert.deepEqual([status, String(stdout).trim()], [0, 'true']);
});

test('odd settings of the shared limit, weights and priorities are refused by name', async () => {
  for (const value of [1, 'x', true, () => {}, Symbol('s'), 1n]) {
    assert.throws(() => make({ globalLimit: value }), { name: 'TypeError', message: /"globalLimit"/ });
  }
  for (const name of ['rateLimit', 'refillRate', 'refillInterval', 'quantum', 'maxQueueLength']) {
    for (const value of [-1, '5', {}, () => {}, true, 1n, -Infinity]) {
      assert.throws(() => share({ [name]: value }), { message: new RegExp(`"globalLimit.${name}"`) }, `${name} ${String(value)}`);
    }
  }
  for (const name of ['rateLimit', 'refillRate']) {
    for (const value of [undefined, null, NaN, 0]) assert.throws(() => share({ [name]: value }), /globalLimit/);
  }
  for (const weight of [0, -1, 1001, '1', {}, true]) assert.throws(() => share({}, { limits: [{ match: 'a', weight }] }), /limits\[0\]\.weight/);
  for (const priority of [-1, 10, 1.5, '1', {}]) assert.throws(() => share({}, { limits: [{ match: 'a', priority }] }), /limits\[0\]\.priority/);
  const limiter = share();
  for (const weight of [0, -1, NaN, Infinity, '1', null, {}]) await assert.rejects(limiter.acquire('a', 1, { weight }), /"weight"/);
  for (const priority of [-1, 10, 1.5, NaN, '1', null, {}]) {
    await assert.rejects(limiter.acquire('a', 1, { priority }), /"priority"/);
  }
});
