// Buckets in Valkey: the arithmetic of a local limiter, exact between limiters, leases, outages, clusters, lifetimes.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';
import { freshCopy } from './support/copies.mjs';
import { until } from './support/until.mjs';
import { noValkey, startCluster, startValkey } from './support/valkey.mjs';

const MODULE = new URL('../src/js/lib/rate-limiter.mjs', import.meta.url);
const skip = noValkey();
let valkey;
before(async () => {
  if (!skip) valkey = await startValkey();
});
after(() => valkey?.stop());

const limiters = [];
let prefixes = 0;
/** A limiter with a prefix of its own, unless one is given. Refills do not matter unless they are given. */
function make({ store, ...options } = {}) {
  const limiter = new RateLimiter({ rateLimit: 10, refillRate: 1e-6, maxWaitTime: 30_000, ...options,
    store: { url: valkey.url, prefix: `test${(prefixes += 1)}:`, timeoutMs: 10_000, leaseTokens: 4, ...store } });
  limiters.push(limiter);
  return limiter;
}
test.afterEach(() => limiters.splice(0).forEach((limiter) => limiter.shutdown()));

/** Two limiters, as two processes would have them. */
function pair(options) {
  const first = make(options);
  return [first, make({ ...options, store: { ...options?.store, prefix: first.store.prefix } })];
}

test('two limiters share a bucket to the token; what is refused consumes nothing', { skip }, async () => {
  const [one, two] = pair({ fairQueueing: false });
  const results = await Promise.all(Array.from({ length: 9 }, (_, index) => (index % 2 ? one : two).acquire('a', 2)));
  assert.equal(results.filter(({ acquired }) => acquired).length, 5);
  assert.equal((await one.acquire('b', 7)).remaining, 3);
  assert.deepEqual(await two.acquire('b', 4).then(({ acquired, remaining }) => [acquired, remaining]), [false, 3]);
  assert.equal((await two.acquire('b', 3)).acquired, true);
});

test('random calls give what a local limiter gives', { skip }, async () => {
  const [shared, local] = [make({ fairQueueing: false }), new RateLimiter({ rateLimit: 10, refillRate: 1e-6, fairQueueing: false })];
  limiters.push(local);
  let seed = 7;
  const random = (below) => (seed = (seed * 48271) % 2147483647) % below;
  for (let step = 0; step < 400; step += 1) {
    const id = `client ${random(3)}`;
    const amount = random(60) / 8;
    const [whole, blockMs] = [5 + random(10), random(2) * 1e9];
    const both = (body) => [shared, local].map(body);
    switch (random(8)) {
      case 0: both((limiter) => limiter.penalty(id, amount)); break;
      case 1: both((limiter) => limiter.reward(id, amount)); break;
      case 2: both((limiter) => limiter.resetBucket(id)); break;
      case 3: both((limiter) => limiter.block(id, blockMs)); break;
      case 4: both((limiter) => limiter.setLimit(id, whole)); break;
      default: {
        const [theirs, ours] = await Promise.all(both((limiter) => limiter.acquire(id, amount)));
        assert.equal(theirs.acquired, ours.acquired, `step ${step}`);
      }
    }
    const [theirs, ours] = [await shared.peekStore(id, amount), local.peek(id, amount)];
    // A block's end is told in ms, which pass between the two answers.
    const shown = ({ allowed, limit, remaining, retryAfterMs }) => ({ allowed, limit, remaining, finite: Number.isFinite(retryAfterMs), now: retryAfterMs === 0 });
    assert.deepEqual(shown(theirs), shown(ours), `step ${step}`);
  }
  assert.equal(await shared.flush(), true);
});

/** Keeps the event loop busy. */
function blockLoop(ms) {
  const end = performance.now() + ms;
  while (performance.now() < end);
}

for (const transport of ['loop', 'thread']) {
  test(`${transport}: a loop that is busy for longer than any limit costs nobody his answer`, { skip }, async () => {
    const limiter = make({ store: { transport, timeoutMs: 100 } });
    await limiter.acquire('a');
    const late = [limiter.acquire('a'), limiter.acquire('b', 1, { timeoutMs: 100 })];
    // The requests leave with the end of this turn; the next one is the busy one.
    await new Promise((resolve) => process.nextTick(() => queueMicrotask(() => {
      blockLoop(400);
      resolve();
    })));
    assert.deepEqual((await Promise.all(late)).map(({ acquired }) => acquired), [true, true]);
    assert.deepEqual([limiter.getStats().store.up, limiter.getStats().store.failures], [true, 0]);
  });

  test(`${transport}: many who ask at once are answered in order, and those after them too`, { skip }, async () => {
    const limiter = make({ rateLimit: 1000, store: { transport } });
    const answered = [];
    const ask = async (index) => {
      await limiter.acquire('a');
      answered.push(index);
      if (index < 400) await ask(index + 200);
    };
    await Promise.all(Array.from({ length: 200 }, (_, index) => ask(index)));
    assert.equal(answered.length, 600);
    assert.deepEqual(answered, [...answered].sort((a, b) => a - b));
    assert.equal((await limiter.peekStore('a')).remaining, 400);
  });
}

for (const transport of ['loop', 'thread']) {
  test(`${transport}: a start that takes longer than any limit loses no request`, { skip }, async () => {
    const limiter = make({ store: { transport, timeoutMs: 100, connectTimeoutMs: 200 } });
    const early = limiter.acquire('a', 4);
    await new Promise((resolve) => setImmediate(resolve));
    blockLoop(700);
    assert.deepEqual(await early.then(({ acquired, remaining }) => [acquired, remaining]), [true, 6]);
    assert.equal((await limiter.peekStore('a')).remaining, 6);
    assert.deepEqual([limiter.getStats().store.up, limiter.getStats().store.failures], [true, 0]);
  });
}

test('a second copy of the package\'s files in one process takes nothing from the first', { skip }, async () => {
  const copies = [1, 2].map(() => freshCopy('rate-limiter').RateLimiter);
  assert.notEqual(copies[0], copies[1]);
  const store = { url: valkey.url, prefix: `copies${(prefixes += 1)}:`, timeoutMs: 10_000 };
  const made = copies.map((Copy) => new Copy({ rateLimit: 10, refillRate: 1e-6, maxWaitTime: 5000, store }));
  limiters.push(...made);
  for (const [index, limiter] of [...made, ...made].entries()) assert.equal((await limiter.acquire('a')).remaining, 9 - index);
});

test('a transport that there is none of is refused by name', { skip }, () => {
  assert.throws(() => make({ store: { transport: 'pigeon' } }), { name: 'RangeError', message: /"store.transport".*pigeon/ });
});

test('a reservation in the store is charged at once, for all processes, and never later than maxWaitMs', { skip }, async () => {
  const [one, two] = pair({ refillRate: 0.01, fairQueueing: false, maxWaitTime: 1e9 });
  assert.equal((await one.reserveStore('a', 10)).waitMs, 0);
  const from = Date.now();
  const first = await one.reserveStore('a', 4);
  const second = await two.reserveStore('a', 6);
  assert.ok(first.waitMs > 398_000 && first.waitMs <= 401_000, `${first.waitMs}`);
  assert.ok(second.waitMs > 998_000 && second.waitMs <= 1_001_000, `${second.waitMs}`);
  assert.ok(first.at >= from + first.waitMs && first.at <= Date.now() + first.waitMs);
  await assert.rejects(two.reserveStore('a', 1, { maxWaitMs: 1_000_000 }), { code: 'ERR_TOOLOO_TIMEOUT', retryable: true });
  await assert.rejects(two.reserveStore('a', 11), { code: 'ERR_TOOLOO_COST_EXCEEDS_LIMIT' });
  assert.equal((await two.acquire('a', 1)).acquired, false);
  assert.deepEqual([first.cancel(), first.cancel(), await one.flush()], [true, false, true]);
  const third = await two.reserveStore('a', 4);
  assert.ok(Math.abs(third.waitMs - second.waitMs) < 5000, 'what was given back is there for the next');
  await two.penalty('a', 1);
  assert.equal(await two.flush(), true);
  assert.ok((await two.peekStore('a', 1)).retryAfterMs > 1_000_000, 'a penalty leaves the debt as it is');
});

test('reservations in the store are refused by name, and follow the insurance while it is away', { skip }, async () => {
  const limiter = make();
  assert.throws(() => limiter.reserve('a'), { name: 'TypeError', message: /use reserveStore/ });
  for (const tokens of [-1, NaN, '1', null, {}]) await assert.rejects(limiter.reserveStore('a', tokens), RangeError);
  for (const maxWaitMs of [-1, NaN, 'x', {}]) await assert.rejects(limiter.reserveStore('a', 1, { maxWaitMs }), /"maxWaitMs"/);
  const away = (insurance) => make({ maxWaitTime: 1e12, refillRate: 0.01, store: { url: 'redis://127.0.0.1:1', timeoutMs: 50, insurance } });
  await assert.rejects(away('deny').reserveStore('a'), { code: 'ERR_TOOLOO_CONNECT' });
  assert.equal((await away('allow').reserveStore('a', 10)).waitMs, 0);
  const local = away('local');
  assert.equal((await local.reserveStore('a', 10)).waitMs, 0);
  assert.ok((await local.reserveStore('a', 1)).waitMs > 90_000);
  limiter.shutdown();
  await assert.rejects(limiter.reserveStore('a'), { code: 'ERR_TOOLOO_CLOSED' });
  const alone = new RateLimiter({ rateLimit: 1 });
  assert.equal((await alone.reserveStore('a')).waitMs, 0);
  await assert.rejects(alone.reserveStore('a', 2), { code: 'ERR_TOOLOO_COST_EXCEEDS_LIMIT' });
  alone.shutdown();
});

test('limits by client id hold over a store, in acquire, leases, reservations and peekStore, and change at run time', { skip }, async () => {
  const limits = [{ match: 'small*', rateLimit: 2 }, { match: /^large/, rateLimit: 40, refillRate: 1e-3 }];
  const [one, two] = pair({ limits, fairQueueing: false, maxWaitTime: 1e9 });
  assert.deepEqual([(await one.peekStore('small')).limit, (await one.peekStore('large')).limit, (await one.peekStore('x')).limit], [2, 40, 10]);
  assert.deepEqual([one.peek('small').limit, one.peek('small', 3).allowed], [2, false]);
  const taken = await Promise.all([one, two, one, two].map((limiter) => limiter.acquire('small')));
  assert.equal(taken.filter(({ acquired }) => acquired).length, 2);
  assert.equal((await two.acquire('large', 39)).remaining, 1);
  assert.equal((await two.reserveStore('large', 1)).waitMs, 0);
  assert.ok((await one.reserveStore('large', 40)).waitMs > 1e6);
  let leased = 0;
  for (let round = 0; round < 20; round += 1) {
    leased += one.isAllowed('small lease') ? 1 : 0;
    await one.flush();
  }
  assert.ok(leased >= 1 && leased <= 2 + 2, `${leased} of 2, with a lease of at most 2`);
  for (const limiter of [one, two]) limiter.setLimits([{ match: 'small*', rateLimit: 5 }]);
  assert.equal((await one.acquire('small new', 5)).acquired, true);
  assert.equal((await two.acquire('small new', 1)).acquired, false);
  assert.equal((await one.acquire('large new', 11)).acquired, false);
  two.setLimit('small own', 9);
  assert.equal(await two.flush(), true);
  two.setLimits([{ match: '*', rateLimit: 1 }]);
  assert.equal((await one.peekStore('small own')).limit, 9, 'who was given his own keeps it, for all');
});

test('refills come in steps, on the clock of the server', { skip }, async () => {
  const limiter = make({ refillRate: 20, refillInterval: 250 });
  await limiter.acquire('a', 10);
  const { waitTime, acquired } = await limiter.acquire('a', 5);
  assert.ok(acquired && waitTime <= 260, `${waitTime}`);
  // Ten of twenty a second in steps of five: two refills.
  const from = performance.now();
  await limiter.acquire('a', 10);
  assert.ok(performance.now() - from >= 245);
});

test('waiters of a client are served in order, also when a later one asks for less', { skip }, async () => {
  const limiter = make({ refillRate: 100, refillInterval: 50 });
  await limiter.acquire('a', 10);
  const order = [];
  await Promise.all([[8, 'first'], [1, 'second'], [9, 'third'], [1, 'fourth']]
    .map(([cost, name]) => limiter.acquire('a', cost).then(() => order.push(name))));
  assert.deepEqual(order, ['first', 'second', 'third', 'fourth']);
});

test('a wait ends with its time, its signal, a full line or a shutdown, and consumes nothing', { skip }, async () => {
  const limiter = make({ maxQueueLength: 3 });
  await limiter.acquire('a', 8);
  const gone = new AbortController();
  const waits = [
    limiter.acquire('a', 5, { timeoutMs: 50 }),
    limiter.acquire('a', 6, { signal: gone.signal }),
    limiter.acquire('a', 7),
  ];
  await assert.rejects(limiter.acquire('a', 1), { code: 'ERR_TOOLOO_QUEUE_FULL' });
  await assert.rejects(waits[0], { code: 'ERR_TOOLOO_TIMEOUT', remaining: 2, message: 'Rate limit queue timeout for a' });
  gone.abort(new Error('enough'));
  await assert.rejects(waits[1], { name: 'AbortError' });
  assert.equal(limiter.getStats().waitingRequests, 1);
  limiter.shutdown();
  await assert.rejects(waits[2], { code: 'ERR_TOOLOO_CLOSED' });
  await assert.rejects(limiter.acquire('a'), { code: 'ERR_TOOLOO_CLOSED' });
  assert.equal((await make({ store: { prefix: limiter.store.prefix } }).peekStore('a')).remaining, 2);
});

test('what is granted to one who has just left goes back', { skip }, async () => {
  for (const fairQueueing of [true, false]) {
    const limiter = make({ fairQueueing });
    await limiter.acquire('a', 1);
    for (let index = 0; index < 20; index += 1) {
      const gone = new AbortController();
      const wait = limiter.acquire('a', 5, { signal: gone.signal });
      // Sent already, and not answered yet.
      await new Promise((resolve) => process.nextTick(resolve));
      gone.abort();
      await assert.rejects(wait, { name: 'AbortError' });
    }
    await until(async () => (await limiter.peekStore('a')).remaining === 9);
  }
});

test('too dear is refused at once, odd costs too', { skip }, async () => {
  const limiter = make();
  await assert.rejects(limiter.acquire('a', 11), { code: 'ERR_TOOLOO_COST_EXCEEDS_LIMIT' });
  for (const cost of [-1, NaN, '1', null, {}]) await assert.rejects(limiter.acquire('a', cost), RangeError);
  assert.equal(limiter.isAllowed('a', -1), false);
  assert.equal((await limiter.peekStore('a')).remaining, 10);
});

test('isAllowed spends leases: all limiters together get the limit, and never more than that and a lease each', { skip }, async () => {
  const all = Array.from({ length: 4 }, () => undefined);
  const first = make({ rateLimit: 100, store: { leaseTokens: 10 } });
  for (const index of all.keys()) all[index] = index === 0 ? first : make({ rateLimit: 100, store: { leaseTokens: 10, prefix: first.store.prefix } });
  let allowed = 0;
  for (let turn = 0; turn < 200; turn += 1) {
    for (const limiter of all) for (let index = 0; index < 5; index += 1) if (limiter.isAllowed('a')) allowed += 1;
    await Promise.all(all.map((limiter) => limiter.flush()));
  }
  assert.ok(allowed >= 100 && allowed <= 140, `${allowed}`);
});

test('an unused lease goes back after leaseMs, and with a shutdown', { skip }, async () => {
  const limiter = make({ store: { leaseMs: 60, leaseTokens: 4 } });
  assert.equal(limiter.isAllowed('a'), true);
  await limiter.flush();
  assert.ok((await limiter.peekStore('a')).remaining < 9);
  await until(async () => (await limiter.peekStore('a')).remaining === 9);
  assert.equal(limiter.isAllowed('a'), true);
  await limiter.flush();
  limiter.shutdown();
  await until(async () => (await make({ store: { prefix: limiter.store.prefix } }).peekStore('a')).remaining === 8);
});

test('a client may be asked about more than once in a call, and for more than a thousand costs', { skip }, async () => {
  const limiter = make({ rateLimit: 1e6, maxQueueLength: 5000 });
  const costs = Array.from({ length: 3000 }, (_, index) => 1 + (index % 2) + index / 4096);
  const answers = await Promise.all(costs.map((cost) => limiter.acquire('a', cost)));
  assert.ok(answers.every(({ acquired }) => acquired));
  const spent = costs.reduce((sum, cost) => sum + cost, 0);
  limiter.penalty('a', 100);
  limiter.reward('a', 1);
  limiter.penalty('a', 7);
  await limiter.acquire('a', 5);
  assert.equal(await limiter.flush(), true);
  assert.equal((await limiter.peekStore('a')).remaining, Math.floor(1e6 - spent - 111));
});

test('what somebody else keeps under a key is not written over', { skip }, async () => {
  const limiter = make({ store: { plainKeys: true, insurance: 'deny' } });
  const key = `${limiter.store.prefix}a`;
  await valkey.command('LPUSH', key, 'theirs');
  await assert.rejects(limiter.acquire('a'));
  assert.ok(limiter.getStats().store.failures > 0);
  assert.equal(await valkey.command('TYPE', key), 'list');
});

test('a block, a limit and a penalty reach other limiters: acquire at once, isAllowed within leaseMs', { skip }, async () => {
  const [one, two] = pair({ store: { leaseMs: 50 } });
  assert.equal(two.isAllowed('a'), true);
  one.block('a', 1e9);
  await one.flush();
  assert.equal(one.isAllowed('a'), false);
  await assert.rejects(two.acquire('a', 1, { timeoutMs: 20 }), { code: 'ERR_TOOLOO_TIMEOUT' });
  await until(() => !two.isAllowed('a'));
  one.block('a', 0);
  await until(() => two.isAllowed('a') || one.flush().then(() => false));
  one.setLimit('b', 1000, 5);
  await one.flush();
  assert.deepEqual(await two.peekStore('b').then(({ limit, remaining }) => [limit, remaining]), [1000, 1000]);
  assert.equal((await two.acquire('b', 999)).acquired, true);
  one.penalty('c', 8);
  await one.flush();
  assert.equal((await two.peekStore('c')).remaining, 2);
  one.reward('c', 5);
  await one.flush();
  assert.equal((await two.peekStore('c')).remaining, 7);
  one.resetBucket('c');
  await one.flush();
  assert.equal((await two.peekStore('c')).remaining, 10);
});

test('keys are digests behind the prefix, plain if asked for; they expire with the refill', { skip }, async () => {
  const limiter = make({ refillRate: 10, refillInterval: 100 });
  await limiter.acquire('secret-token');
  const keys = (prefix) => valkey.command('EVAL', `return table.concat(redis.call('KEYS', '${prefix}*'), ' ')`, 0);
  assert.match(await keys(limiter.store.prefix), new RegExp(`^${limiter.store.prefix}[0-9a-f]{32}$`));
  const plain = make({ store: { plainKeys: true } });
  await plain.acquire('user:1');
  assert.equal(await keys(plain.store.prefix), `${plain.store.prefix}user:1`);
  await until(async () => (await keys(limiter.store.prefix)) === '');
});

test('combined limiters spend leases, all or none', { skip }, async () => {
  const [user, service] = [make({ rateLimit: 4 }), make({ rateLimit: 100 })];
  const both = RateLimiter.combine({ user, service });
  let allowed = 0;
  for (let turn = 0; turn < 20; turn += 1) {
    if (both.isAllowed({ user: 'a', service: 's' })) allowed += 1;
    await user.flush();
    await service.flush();
  }
  assert.ok(allowed >= 4 && allowed <= 8, `${allowed}`);
  both.shutdown();
});

test('the insurance decides while the store is away: local, allow, deny', { skip }, async () => {
  const gone = await startValkey();
  await gone.kill();
  const away = (insurance, more) => make({ store: { url: gone.url, insurance, connectTimeoutMs: 200, ...more } });
  const [local, half, allow, deny] = [away('local'), away('local', { insuranceShare: 0.5 }), away('allow'), away('deny')];
  await until(() => local.getStats().store.up === false);
  const granted = async (limiter) => {
    const waits = Array.from({ length: 12 }, () => limiter.acquire('a', 1, { timeoutMs: 100 }).then(() => 1, (error) => error.code));
    return (await Promise.all(waits)).filter((one) => one === 1).length;
  };
  assert.deepEqual(await Promise.all([granted(local), granted(half), granted(allow)]), [10, 5, 12]);
  await assert.rejects(deny.acquire('a'), { code: 'ERR_TOOLOO_CONNECT', retryable: true });
  const probed = (limiter) => Array.from({ length: 12 }, () => limiter.isAllowed('b')).filter(Boolean).length;
  assert.deepEqual([local, half, allow, deny].map(probed), [10, 5, 12, 0]);
  await assert.rejects(local.peekStore('a'), { code: 'ERR_TOOLOO_CONNECT' });
  local.penalty('a', 1);
  assert.equal(await local.flush(), false);
  const { lastError } = local.getStats().store;
  assert.ok(typeof lastError === 'string' && !lastError.includes(String(gone.port)));
  // It comes back by itself.
  await gone.start();
  await until(async () => deny.acquire('a').then(() => true, () => false));
  await until(() => deny.isAllowed('b'));
  await gone.stop();
});

test('a cluster: clients lie all over it', { skip }, async (t) => {
  const cluster = await startCluster();
  t.after(() => cluster.stop());
  const limiter = make({ store: { url: cluster.url } });
  const grants = await Promise.all(Array.from({ length: 300 }, (_, index) => limiter.acquire(`client ${index % 100}`, 3)));
  assert.ok(grants.every(({ acquired }) => acquired));
  assert.equal((await limiter.peekStore('client 5')).remaining, 1);
  const sizes = await Promise.all(cluster.nodes.map((node) => node.command('DBSIZE')));
  assert.equal(sizes.reduce((sum, size) => sum + Number(size), 0), 100);
  assert.ok(sizes.every((size) => Number(size) > 0), sizes.join());
  assert.equal(limiter.getStats().store.failures, 0);
});

test('a limiter with a store keeps no process alive; a pending acquire does', { skip }, () => {
  const script = `import { RateLimiter } from ${JSON.stringify(MODULE.href)};
    const limiter = new RateLimiter({ rateLimit: 2, refillRate: 10, refillInterval: 100, store: { url: ${JSON.stringify(valkey.url)}, prefix: 'alive:' } });
    limiter.isAllowed('x'); limiter.block('y', 100);
    await limiter.acquire('a', 2); limiter.acquire('a').then(({ acquired }) => console.log('acquired', acquired));`;
  const { stdout, status, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000, encoding: 'utf8' });
  assert.deepEqual([status, stdout.trim()], [0, 'acquired true'], stderr);
});

test('a worker terminated in the middle of it ends cleanly, again and again', { skip }, async () => {
  const script = `import { RateLimiter } from ${JSON.stringify(MODULE.href)};
    const limiter = new RateLimiter({ rateLimit: 10, refillRate: 100, store: { url: ${JSON.stringify(valkey.url)}, prefix: 'worker:' } });
    for (let index = 0; index < 500; index += 1) { limiter.acquire('a' + index % 7).catch(() => {}); limiter.isAllowed('b' + index); }
    import('node:worker_threads').then(({ parentPort }) => parentPort.postMessage('busy'));`;
  for (let round = 0; round < 10; round += 1) {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`));
    worker.on('error', () => {});
    await Promise.race([new Promise((resolve) => worker.once('message', resolve)), sleep(5000)]);
    await sleep(round);
    await worker.terminate();
  }
});

test('odd settings of a store are refused by name, and never repeat an address', () => {
  const open = (store) => new RateLimiter({ rateLimit: 10, store });
  for (const store of [1, 'redis://u:pw-secret@h', true, () => {}, Symbol('s'), 1n]) {
    assert.throws(() => open(store), (error) => error instanceof TypeError && /"store"/.test(error.message) && !/secret/.test(error.message));
  }
  for (const url of [undefined, null, 5, {}, '', 'x', 'http://h', 'redis://u:pw-secret@', 'redis://h:pw-secret']) {
    assert.throws(() => open({ url }), (error) => error instanceof TypeError && /"url"/.test(error.message) && !/secret/.test(error.message), String(url));
  }
  for (const name of ['leaseTokens', 'leaseMs', 'insuranceShare', 'timeoutMs', 'connectTimeoutMs']) {
    for (const value of [-1, '5', {}, () => {}, true, 1n]) {
      assert.throws(() => open({ url: 'redis://127.0.0.1:1', [name]: value }), { message: new RegExp(`"store.${name}"`) }, `${name} ${String(value)}`);
    }
  }
  for (const insurance of ['maybe', 5, {}, true]) assert.throws(() => open({ url: 'redis://127.0.0.1:1', insurance }), /"store.insurance"/);
  for (const prefix of ['x'.repeat(200), 5, {}]) assert.throws(() => open({ url: 'redis://127.0.0.1:1', prefix }), /"store.prefix"/);
  assert.throws(() => open({ url: 'redis://127.0.0.1:1', insuranceShare: 2 }), RangeError);
  assert.throws(() => new RateLimiter({ store: { url: 'redis://127.0.0.1:1' }, globalLimit: { rateLimit: 1, refillRate: 1 } }), TypeError);
});
