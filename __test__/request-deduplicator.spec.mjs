import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import named, { RequestDeduplicator } from '../src/js/lib/request-deduplicator.mjs';
import { CircuitBreaker } from '../src/js/lib/circuit-breaker.mjs';
import { deferred, fails, never, sleep, survives } from './support/resilience.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const made = (options) => {
  const dedup = new RequestDeduplicator(options);
  return dedup;
};
const until = async (holds) => {
  for (const end = Date.now() + 20_000; !holds(); ) {
    if (Date.now() > end) throw new Error('what was waited for did not happen');
    await sleep(5);
  }
};

test('import, require and the default export are one class', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/request-deduplicator.cjs');
  assert.equal(named, RequestDeduplicator);
  assert.equal(required.RequestDeduplicator, RequestDeduplicator);
  assert.equal(required.default, RequestDeduplicator);
});

test('a new deduplicator has the defaults, readable as fields', () => {
  const dedup = made();
  assert.deepEqual([dedup.cacheTTL, dedup.maxConcurrency, dedup.pending.size, dedup.cache.size], [3_600_000, 100, 0, 0]);
  assert.equal(made({ cacheTTL: 0, maxConcurrency: 0 }).cacheTTL, 3_600_000);
  assert.ok(JSON.stringify(dedup).includes('cacheTTL'));
});

test('RD-K1: a thousand sharers of one flight get one object', async () => {
  const dedup = made();
  const gate = deferred();
  let runs = 0;
  const calls = Array.from({ length: 1000 }, () => dedup.deduplicate('k', () => { runs += 1; return gate.promise; }));
  const result = { a: 1 };
  gate.resolve(result);
  const results = await Promise.all(calls);
  assert.equal(runs, 1);
  assert.ok(results.every((each) => each === result));
  assert.equal(await dedup.deduplicate('k', fails()), result);
  const { dedupHits, cacheHits, cacheMisses, totalRequests } = dedup.metrics;
  assert.deepEqual([totalRequests, dedupHits, cacheHits, cacheMisses], [1001, 999, 1, 1]);
});

test('RD-K2: falsy results are served from the cache, null runs each time', async () => {
  const dedup = made();
  for (const value of [0, '', false, undefined]) {
    await dedup.deduplicate(`k ${value}`, () => value);
    assert.equal(await dedup.deduplicate(`k ${value}`, fails()), value);
  }
  let runs = 0;
  const nothing = () => { runs += 1; return null; };
  await dedup.deduplicate('null', nothing);
  await dedup.deduplicate('null', nothing);
  assert.equal(runs, 2);
  assert.equal(dedup.cache.has('null'), true);
});

test('RD-K3: misses count leaders only, and the rate is a text', async () => {
  const dedup = made();
  assert.equal(dedup.getState().deduplicationHitRate, '0%');
  for (let index = 0; index < 3; index += 1) await dedup.deduplicate('k', () => 1);
  const state = dedup.getState();
  assert.equal(state.deduplicationHitRate, '66.67%');
  assert.equal(state.metrics, dedup.metrics);
  assert.deepEqual([state.pendingRequests, state.cachedEntries, state.cacheSize], [0, 1, 1]);
});

test('every sharer gets the same error, and a failure is not kept', async () => {
  const dedup = made();
  const error = new Error('down');
  const calls = [dedup.deduplicate('k', fails(error)), dedup.deduplicate('k', () => 1)];
  for (const each of await Promise.allSettled(calls)) assert.equal(each.reason, error);
  assert.equal(await dedup.deduplicate('k', () => 2), 2);
});

test('RD-D1: an idle deduplicator holds neither the process nor, after destroy, a timer', () => {
  const code = `import { RequestDeduplicator } from ${JSON.stringify(new URL('../src/js/lib/request-deduplicator.mjs', import.meta.url).href)};
    const d = new RequestDeduplicator(); await d.deduplicate('k', async () => 1); console.log(d.cache.size);`;
  const { status, stdout } = spawnSync(process.execPath, ['--input-type=module', '-e', code], { cwd: ROOT, timeout: 60_000, encoding: 'utf8' });
  assert.deepEqual([status, stdout.trim()], [0, '1']);
  const dedup = made();
  assert.equal(dedup.cleanupTimer.hasRef(), false);
  dedup.destroy();
  dedup.destroy();
  assert.equal(dedup.cleanupTimer, null);
});

test('RD-D2: ttlMs is the lifetime, a negative one keeps nothing, and what is no number means the default', async () => {
  const dedup = made();
  await dedup.deduplicate('short', () => 1, { ttlMs: 5 });
  await until(() => dedup.getFromCache('short') === null);
  assert.equal(dedup.cache.has('short'), false);
  await dedup.deduplicate('none', () => 1, { cacheTTL: -1 });
  assert.equal(dedup.cache.has('none'), false);
  for (const ttl of [NaN, Infinity, 0, 'soon', {}]) {
    await dedup.deduplicate(ttl, () => 1, { ttlMs: ttl });
    const left = dedup.cache.get(ttl).until - Date.now();
    assert.ok(left > 3_000_000 && left < 4_000_000, `${left}`);
  }
  assert.equal(made({ ttlMs: 50 }).cacheTTL, 50);
});

test('RD-D3: a run that was cleared keeps no result and leaves a newer run of its key alone', async () => {
  const dedup = made();
  const [old, newer] = [deferred(), deferred()];
  const first = dedup.deduplicate('k', () => old.promise);
  dedup.clear();
  const second = dedup.deduplicate('k', () => newer.promise);
  old.resolve('old');
  assert.equal(await first, 'old');
  assert.equal(dedup.pending.size, 1);
  assert.equal(dedup.cache.size, 0);
  newer.resolve('new');
  assert.equal(await second, 'new');
  assert.equal(dedup.getFromCache('k'), 'new');
});

test('RD-D4: a function may return a plain value or throw', async () => {
  const dedup = made();
  assert.equal(await dedup.deduplicate('k', () => 7), 7);
  await assert.rejects(dedup.deduplicate('t', () => { throw new Error('now'); }), /now/);
  assert.equal(dedup.pending.size, 0);
  await assert.rejects(dedup.deduplicate('n', 5), TypeError);
});

test('RD-D5: a run that never ends is given up after timeoutMs, and its signal is aborted', async () => {
  const dedup = made({ timeoutMs: 20 });
  let signal;
  const late = deferred();
  await assert.rejects(dedup.deduplicate('k', (given) => { signal = given; return late.promise; }), /^Error: Timeout after 20ms$/);
  assert.equal(signal.aborted, true);
  late.resolve('late');
  await sleep(1);
  assert.equal(dedup.cache.size, 0);
  await assert.rejects(dedup.deduplicate('k', never, { timeoutMs: 5 }), { code: 'ERR_TOOLOO_TIMEOUT' });
  assert.equal(await dedup.deduplicate('k', () => 'again'), 'again');
});

test('RD-D5: the results kept are bounded, and the least recently used go first', async () => {
  const dedup = made({ maxEntries: 100 });
  for (let index = 0; index < 100; index += 1) dedup.setCache(index, index);
  for (let index = 0; index < 5; index += 1) assert.equal(dedup.getFromCache(index), index);
  dedup.setCache('one more', 1);
  assert.ok(dedup.cache.size <= 100 && dedup.cache.size >= 90, `${dedup.cache.size}`);
  for (let index = 0; index < 5; index += 1) assert.equal(dedup.getFromCache(index), index);
  assert.equal(dedup.getFromCache(5), null);
  assert.equal(dedup.getFromCache('one more'), 1);
  assert.equal(dedup.metrics.evictions, 101 - dedup.cache.size);
});

test('RD-D6: hashes have 16 digits, tell parts apart and do not depend on the order of members', () => {
  const dedup = made();
  assert.match(dedup.getHash('text'), /^[0-9a-f]{16}$/);
  assert.equal(dedup.getHash('a', 'b'), dedup.getHash('a', 'b'));
  assert.notEqual(dedup.getHash('a:b', 'c'), dedup.getHash('a', 'b:c'));
  assert.notEqual(dedup.getHash({ a: 1 }), dedup.getHash({ a: 2 }));
  assert.equal(dedup.getHash({ a: 1, b: [2] }), dedup.getHash({ b: [2], a: 1 }));
  const cycle = {};
  cycle.self = cycle;
  assert.match(dedup.getHash(cycle), /^[0-9a-f]{16}$/);
});

test('an expired result is served while it is refreshed once, and stays when the refresh fails', async () => {
  const dedup = made({ cacheTTL: 5, staleWhileRevalidateMs: 60_000 });
  await dedup.deduplicate('k', () => 'old');
  await until(() => dedup.getFromCache('k') === null);
  assert.equal(await dedup.deduplicate('k', fails()), 'old');
  await until(() => dedup.pending.size === 0);
  const gate = deferred();
  let runs = 0;
  const refresh = () => { runs += 1; return gate.promise; };
  assert.deepEqual(await Promise.all([dedup.deduplicate('k', refresh, { ttlMs: 60_000 }), dedup.deduplicate('k', refresh)]), ['old', 'old']);
  gate.resolve('new');
  await until(() => dedup.getFromCache('k') === 'new');
  assert.equal(runs, 1);
  assert.equal(dedup.metrics.staleHits, 3);
});

test('what stood in for a result while a circuit was open is not kept', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 1, useFallback: true });
  await assert.rejects(breaker.execute(fails()));
  const dedup = made();
  const given = await dedup.deduplicate('k', () => breaker.execute(() => 1, { fallback: 'spare' }));
  assert.equal(given.isFallback, true);
  assert.equal(dedup.cache.size, 0);
});

test('cleanExpiredCache forgets what has expired and nothing else', async () => {
  const dedup = made();
  dedup.setCache('gone', 1, 1);
  dedup.setCache('there', 2);
  await sleep(10);
  dedup.cleanExpiredCache();
  assert.deepEqual([...dedup.cache.keys()], ['there']);
});

test('overriding a method takes effect', async () => {
  class Mine extends RequestDeduplicator {
    getFromCache() { return 'mine'; }
  }
  assert.equal(await new Mine().deduplicate('k', fails()), 'mine');
  const dedup = made();
  const kept = [];
  dedup.setCache = (...args) => kept.push(args.slice(0, 3));
  await dedup.deduplicate('k', () => 1, { ttlMs: 9 });
  assert.deepEqual(kept, [['k', 1, 9]]);
});

test('a bad option is named with its value', () => {
  assert.throws(() => made({ maxEntries: -1 }), { name: 'RangeError', message: /"maxEntries".*-1/ });
  assert.throws(() => made({ timeoutMs: 'soon' }), { name: 'TypeError', message: /"timeoutMs".*"soon"/ });
  assert.throws(() => made(null), TypeError);
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => new RequestDeduplicator(value)), 40);
  assert.equal(await survives(async (value) => {
    const dedup = made({ timeoutMs: 50 });
    await dedup.deduplicate(value, () => value, value ?? undefined);
    dedup.setCache(value, value, value);
    dedup.getFromCache(value);
    dedup.getState();
  }), 40);
  assert.equal(await survives((value) => made().deduplicate('k', value)), 40);
  assert.equal(await survives((value) => made().getHash(value, value)), 40);
});
