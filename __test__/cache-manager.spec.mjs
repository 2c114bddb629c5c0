import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test, { beforeEach } from 'node:test';
import cache, { cacheManager } from '../src/js/lib/cache-manager.mjs';
import { sleep, survives } from './support/resilience.mjs';

beforeEach(() => cache.clear());

test('CM-K1: the default export is one object for import and require', () => {
  assert.equal(createRequire(import.meta.url)('../src/js/lib/cache-manager.cjs').default, cache);
  assert.equal(cacheManager, cache);
});

test('CM-K1: lifetimes are seconds, and a miss is null', async () => {
  assert.equal(cache.get('k'), null);
  assert.equal(cache.set('k', 'v'), 'v');
  assert.equal(cache.get('k'), 'v');
  cache.set('short', 1, 0.005);
  await sleep(20);
  assert.deepEqual(cache.stats(), { activeKeys: 1, expiredKeys: 1, totalSize: 2 });
  assert.equal(cache.get('short'), null);
  assert.equal(cache.stats().totalSize, 1);
});

test('methods work when taken off the object', () => {
  const { set, get, key, clear, stats, prune } = cache;
  set(key('a', 0, '', null, undefined), 1);
  assert.equal(get('a:0:'), 1);
  prune();
  assert.equal(stats().activeKeys, 1);
  clear();
  assert.equal(stats().totalSize, 0);
});

test('clear deletes the keys that contain the pattern, all of them without one', () => {
  for (const each of ['user:1', 'user:2', 'team:1']) cache.set(each, 1);
  cache.clear('user');
  assert.deepEqual([cache.get('user:1'), cache.get('team:1')], [null, 1]);
  cache.clear('');
  assert.equal(cache.stats().totalSize, 0);
});

test('CM-D1: the cache is bounded, the least recently used go first, and what has expired goes by itself', async () => {
  for (let index = 0; index < 10_000; index += 1) cache.set(index, index);
  assert.equal(cache.get(0), 0);
  cache.set('one more', 1);
  assert.ok(cache.stats().totalSize <= 10_000);
  assert.deepEqual([cache.get(0), cache.get(1), cache.get('one more')], [0, null, 1]);
  cache.clear();
  for (let index = 0; index < 500; index += 1) cache.set(`short ${index}`, 1, 0.001);
  await sleep(20);
  for (let index = 0; index < 1000; index += 1) cache.set('k', 1);
  assert.equal(cache.stats().totalSize, 1);
});

test('CM-D2: a key that is no text does not make clear throw', () => {
  cache.set(Symbol('s'), 1);
  cache.set(42, 1);
  cache.clear('4');
  assert.equal(cache.stats().totalSize, 1);
});

test('CM-D3: different parts give different keys, and a pattern still finds them', () => {
  assert.notEqual(cache.key('a:b', 'c'), cache.key('a', 'b:c'));
  assert.equal(cache.key('a', 'b', 'c'), 'a:b:c');
  cache.set(cache.key('a:b', 'c'), 1);
  cache.clear('a:b');
  assert.equal(cache.stats().totalSize, 0);
});

test('CM-D4: a lifetime that is no number is the default, Infinity is for ever, 0 keeps nothing', () => {
  for (const ttl of [NaN, 'soon', {}, null]) cache.set('k', 1, ttl);
  assert.equal(cache.get('k'), 1);
  cache.set('k', 1, 0);
  assert.equal(cache.get('k'), null);
  cache.set('k', 1, Infinity);
  assert.equal(cache.get('k'), 1);
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => {
    cache.set(value, value, value);
    cache.get(value);
    cache.key(value, value);
    cache.stats();
  }), 40);
  assert.equal(await survives((value) => cache.clear(value)), 40);
});
