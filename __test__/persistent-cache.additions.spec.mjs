// What the original does not have.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import { files, pause, temporary, until } from './support/cache.mjs';

const open = (t, options = {}) => new PersistentCache({ cacheDir: temporary(t), ...options });

test('has says whether get would find a value, and counts nothing', async (t) => {
  const cache = open(t);
  await cache.set('null', null);
  await cache.set('short', 1, 10);
  await pause(20);
  const { hits, misses } = cache.stats;
  assert.deepEqual([await cache.has('null'), await cache.has('short'), await cache.has('absent')], [true, false, false]);
  assert.deepEqual([cache.stats.hits, cache.stats.misses], [hits, misses]);
  assert.equal(await new PersistentCache({ cacheDir: cache.cacheDir }).has('null'), true);
});

test('getMany answers in the order of the keys, null for a miss', async (t) => {
  const cache = open(t);
  await cache.setMany([['a', 1], ['b', null], ['c', 'x']]);
  assert.deepEqual(await cache.getMany(['c', 'absent', 'a', 'b', 'a']), ['x', null, 1, null, 1]);
  assert.deepEqual(await cache.getMany(new Set(['a'])), [1]);
  assert.deepEqual(await cache.getMany([]), []);
});

test('setMany takes pairs, a Map or an object, and a time to live', async (t) => {
  const cache = open(t);
  assert.equal(await cache.setMany(new Map([['m', 1]]), 50), undefined);
  await cache.setMany({ o: 2 });
  assert.deepEqual(await cache.getMany(['m', 'o']), [1, 2]);
  const { expiresAt, createdAt } = cache.memoryCache.get('m');
  assert.equal(expiresAt - createdAt, 50);
});

test('getOrSet loads once for all who ask at the same time, in every instance of the thread', async (t) => {
  const cacheDir = temporary(t);
  const [a, b] = [new PersistentCache({ cacheDir }), new PersistentCache({ cacheDir })];
  let calls = 0;
  const loader = async (key) => {
    calls += 1;
    await pause(20);
    return { key, calls };
  };
  const values = await Promise.all(Array.from({ length: 100 }, (_, index) => (index % 2 ? a : b).getOrSet('k', loader)));
  assert.equal(calls, 1);
  assert.ok(values.every((value) => value.key === 'k' && value.calls === 1));
  assert.deepEqual(await b.getOrSet('k', loader), { key: 'k', calls: 1 });
  assert.equal(calls, 1);
});

test('getOrSet keeps a stored null, and does not store undefined', async (t) => {
  const cache = open(t);
  assert.equal(await cache.getOrSet('null', () => null), null);
  assert.equal(await cache.getOrSet('null', () => 1), null);
  assert.equal(await cache.getOrSet('none', () => undefined), undefined);
  assert.equal(await cache.getOrSet('none', () => 1, { ttl: 10 }), 1);
  await pause(20);
  assert.equal(await cache.getOrSet('none', () => 2), 2);
});

test('getOrSet rejects with the error of the loader when there is nothing to serve, and tries again next time', async (t) => {
  const cache = open(t);
  const error = new Error('offline');
  await assert.rejects(cache.getOrSet('k', () => Promise.reject(error)), (caught) => caught === error);
  await assert.rejects(cache.getOrSet('k', () => { throw error; }), (caught) => caught === error);
  assert.equal(await cache.getOrSet('k', () => 'online'), 'online');
});

test('within its grace an expired value is served at once while one loader refreshes it', async (t) => {
  const cache = open(t);
  const options = { ttl: 20, graceMs: 60_000 };
  await cache.getOrSet('k', () => 'first', options);
  await pause(30);
  assert.equal(await cache.get('k'), null);
  let calls = 0;
  const slow = async () => {
    calls += 1;
    await pause(30);
    return 'second';
  };
  const stale = await Promise.all([1, 2, 3].map(() => cache.getOrSet('k', slow, { ttl: 60_000, graceMs: 1000 })));
  assert.deepEqual(stale, ['first', 'first', 'first']);
  assert.ok(await until(async () => (await cache.get('k')) === 'second'));
  assert.equal(calls, 1);
});

test('within its grace an expired value is served when the loader fails, after a restart too', async (t) => {
  for (const compress of [true, false]) {
    const cacheDir = temporary(t);
    const options = { cacheDir, compress, sharedMemoryBytes: 1 };
    const cache = new PersistentCache(options);
    await cache.getOrSet('k', () => ({ price: 7 }), { ttl: 10, graceMs: 60_000 });
    await cache.flush();
    await pause(20);
    assert.equal(await cache.cleanup(), 0);
    const later = new PersistentCache(options);
    const offline = () => Promise.reject(new Error('offline'));
    assert.equal(await later.get('k'), null);
    assert.deepEqual(await later.getOrSet('k', offline), { price: 7 });
    assert.deepEqual(await later.getOrSet('k', offline), { price: 7 });
    assert.equal(files(cacheDir).length, 1);
  }
});

test('past its grace an expired value is not served', async (t) => {
  const cache = open(t);
  await cache.getOrSet('k', () => 1, { ttl: 10, graceMs: 10 });
  await pause(40);
  await assert.rejects(cache.getOrSet('k', () => Promise.reject(new Error('offline'))), /offline/);
  await cache.flush();
  assert.ok(await until(() => files(cache.cacheDir).length === 0));
});

test('a set or delete while a loader runs is newer than what is loaded', async (t) => {
  const cache = open(t);
  const loading = cache.getOrSet('k', () => pause(30).then(() => 'loaded'));
  await pause(5);
  await cache.set('k', 'set');
  assert.equal(await loading, 'loaded');
  assert.equal(await cache.get('k'), 'set');
  const again = cache.getOrSet('d', () => pause(30).then(() => 'loaded'));
  await pause(5);
  await cache.delete('d');
  await again;
  assert.equal(await cache.get('d'), null);
});

test('maxMemoryBytes bounds what memory stands for, and the rest is found below it', async (t) => {
  const cache = open(t, { maxMemoryBytes: 10_000 });
  for (let index = 0; index < 100; index += 1) await cache.set(`k${index}`, 'x'.repeat(1000));
  assert.ok(cache.memoryCache.size <= 10 && cache.memoryCache.size >= 5, `${cache.memoryCache.size} values`);
  await cache.set('giant', 'x'.repeat(20_000));
  assert.equal(cache.memoryCache.has('giant'), false);
  assert.equal((await cache.get('giant')).length, 20_000);
  assert.equal((await cache.get('k0')).length, 1000);
  await cache.set('k99', 'y'.repeat(9000));
  const held = [...cache.memoryCache.values()].reduce((sum, item) => sum + JSON.stringify(item.value).length, 0);
  assert.ok(held <= 10_000);
});

test('maxDiskBytes removes the files used longest ago', async (t) => {
  const cacheDir = temporary(t);
  const options = { cacheDir, compress: false, maxDiskBytes: 50_000, maxMemoryItems: 1, sharedMemoryBytes: 1 };
  const cache = new PersistentCache(options);
  for (let index = 0; index < 30; index += 1) {
    await cache.set(`k${index}`, 'x'.repeat(1000));
    await cache.flush();
    const old = new Date(Date.now() - (1000 - index) * 1000);
    fs.utimesSync(cache.getFilePath(`k${index}`), old, old);
  }
  assert.equal((await cache.get('k0')).length, 1000);
  for (let index = 30; index < 60; index += 1) await cache.set(`k${index}`, 'x'.repeat(1000));
  assert.ok((await cache.getSize()) <= 50_000);
  assert.ok(fs.existsSync(cache.getFilePath('k0')), 'used a moment ago');
  assert.ok(!fs.existsSync(cache.getFilePath('k1')), 'not used for long');
  assert.ok(fs.existsSync(cache.getFilePath('k59')), 'just written');
});

test('a higher compressionLevel makes smaller files', async (t) => {
  const value = Array.from({ length: 2000 }, (_, index) => `row ${(index * 7919) % 613} of ${index % 37}`);
  const sizes = [];
  for (const compressionLevel of [1, 9]) {
    const cache = open(t, { compressionLevel });
    await cache.set('k', value);
    sizes.push(await cache.getSize());
    assert.deepEqual(await new PersistentCache({ cacheDir: cache.cacheDir, sharedMemoryBytes: 1 }).get('k'), value);
  }
  assert.ok(sizes[1] < sizes[0]);
});

test('flush resolves when every file is there, at whatever number', async (t) => {
  const cache = open(t);
  for (let index = 0; index < 500; index += 1) cache.set(`k${index}`, index);
  assert.ok(cache.getStats().pendingWrites > 0);
  assert.equal(await cache.flush(), undefined);
  assert.equal(files(cache.cacheDir).length, 500);
  assert.deepEqual([cache.getStats().pendingWrites, cache.getStats().pendingBytes], [0, 0]);
});

test('sets of one key that wait become one write', async (t) => {
  const cache = open(t);
  for (let index = 0; index < 1000; index += 1) cache.set('k', index);
  assert.ok(cache.getStats().pendingWrites <= 1);
  await cache.flush();
  assert.equal(await new PersistentCache({ cacheDir: cache.cacheDir, sharedMemoryBytes: 1 }).get('k'), 999);
});

test('close flushes, and afterwards nothing is found, stored or rejected', async (t) => {
  const cache = open(t);
  cache.set('k', 1);
  assert.equal(await cache.close(), undefined);
  assert.equal(files(cache.cacheDir).length, 1);
  await cache.set('k', 2);
  assert.equal(await cache.get('k'), null);
  assert.equal(await cache.has('k'), false);
  assert.equal(await cache.getOrSet('k', () => 'loaded'), 'loaded');
  await cache.delete('other');
  assert.equal(await cache.cleanup(), 0);
  assert.ok((await cache.getSize()) > 0);
  assert.equal(cache.getStats().memorySize, 0);
  await cache.close();
  assert.equal(await new PersistentCache({ cacheDir: cache.cacheDir }).get('k'), 1);
});

test('asyncDispose closes', async (t) => {
  const cache = open(t);
  await cache.set('k', 1);
  await cache[Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]();
  assert.equal(await cache.get('k'), null);
  assert.equal(files(cache.cacheDir).length, 1);
});

test('hooks see the sets and deletes of a key in their order', async (t) => {
  const cache = open(t);
  const seen = [];
  cache.writeToDisk = async (key, item) => {
    await pause(item.value === 1 ? 20 : 0);
    seen.push(item.value);
  };
  for (const value of [1, 2, 3]) cache.set('k', value);
  await cache.flush();
  assert.deepEqual(seen, [1, 2, 3]);
  cache.writeToDisk = () => { throw new Error('full'); };
  t.mock.method(console, 'warn', () => {});
  await cache.set('k', 4);
  await cache.flush();
  assert.equal(await cache.get('k'), 4);
});

test('a cleanup of a large memory gives the event loop its turn', async (t) => {
  const cache = open(t, { maxMemoryItems: 20_000 });
  for (let index = 0; index < 10_000; index += 1) cache.memoryCache.set(`k${index}`, { key: `k${index}`, value: 1, expiresAt: 1 });
  let turns = 0;
  const timer = setInterval(() => (turns += 1), 0);
  const counted = setImmediate(function again() { turns += 1; setImmediate(again).unref(); });
  assert.equal(await cache.cleanup(), 10_000);
  clearInterval(timer);
  clearImmediate(counted);
  assert.ok(turns >= 5);
});
