// MemoryCacheLayer, DiskCacheLayer, MultiLayerCacheManager and CacheInvalidationStrategies on real files.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import Strategies from '../src/js/lib/resilience/CacheInvalidationStrategies.mjs';
import Disk from '../src/js/lib/resilience/DiskCacheLayer.mjs';
import Memory from '../src/js/lib/resilience/MemoryCacheLayer.mjs';
import Manager from '../src/js/lib/resilience/MultiLayerCacheManager.mjs';
import { sleep, survives } from './support/resilience.mjs';

const require = createRequire(import.meta.url);
const { wildcard } = require('../src/js/cache/wildcard.cjs');
const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-layers-'));
const open = [];
let count = 0;
const dbPath = () => path.join(home, `c${(count += 1)}`, 'cache.db');
const keep = (layer) => { open.push(layer); return layer; };
const memory = (options) => keep(new Memory(options));
const disk = (options = {}) => keep(new Disk({ dbPath: dbPath(), ...options }));
const manager = (options = {}) => keep(new Manager({ memory: { maxSize: 100, ttl: 5000 }, disk: { dbPath: dbPath() }, ...options }));

test.after(async () => {
  for (const layer of open) await (layer.disk ?? layer).flush?.();
  for (const layer of open) layer.destroy();
  await sleep(20);
  fs.rmSync(home, { recursive: true, force: true });
});

test('import, require and the default export are one class; instances can be shown', () => {
  for (const name of ['MemoryCacheLayer', 'DiskCacheLayer', 'MultiLayerCacheManager', 'CacheInvalidationStrategies']) {
    const faces = require(`../src/js/lib/resilience/${name}.cjs`);
    assert.equal(faces.default, faces[name]);
    assert.equal(faces.default.name, name);
  }
  for (const layer of [memory(), disk(), manager(), new Strategies(manager())]) assert.ok(JSON.stringify({ ...layer }).length > 2 && JSON.stringify(layer));
  const { memory: above, disk: below } = manager();
  assert.ok(above instanceof Memory && below instanceof Disk);
});

test('MC-K1: what was not used for longest goes first, whether read or written', () => {
  const layer = memory({ maxSize: 3 });
  for (const key of ['a', 'b', 'c']) layer.set(key, key);
  layer.get('a');
  layer.set('b', 'B');
  layer.set('d', 'd');
  assert.deepEqual(['a', 'b', 'c', 'd'].map((key) => layer.get(key)), ['a', 'B', undefined, 'd']);
  assert.deepEqual([layer.head.key, layer.tail.key, layer.accessOrder.size], ['d', 'a', 3]);
  assert.equal(layer.stats.evictions, 1);
});

test('MC-K2, MC-K3: a miss is undefined, a stored undefined is a hit, values are the very same', () => {
  const layer = memory();
  const value = { a: 1 };
  layer.set('u', undefined);
  layer.set('n', null);
  layer.set('v', value);
  assert.deepEqual([layer.has('u'), layer.get('u'), layer.get('n'), layer.get('v') === value, layer.get('x')], [true, undefined, null, true, undefined]);
  assert.deepEqual([layer.stats.hits, layer.stats.misses, layer.getStats().hitRate], [3, 1, '75.00%']);
  assert.equal(memory().getStats().hitRate, 'N/A');
});

test('MC-K4: an update of a key at capacity evicts nothing', () => {
  const layer = memory({ maxSize: 2 });
  layer.set('a', 1);
  layer.set('b', 2);
  layer.set('a', 3);
  assert.deepEqual([layer.get('a'), layer.get('b'), layer.stats.evictions], [3, 2, 0]);
});

test('MC-D1: an instance keeps no process alive', () => {
  const file = require.resolve('../src/js/lib/resilience/MemoryCacheLayer.cjs');
  execFileSync(process.execPath, ['-e', `const { MemoryCacheLayer } = require(${JSON.stringify(file)}); new MemoryCacheLayer().set('a', 1);`], { timeout: 60_000 });
});

test('MC-D2, MC-D3: sizes are whole numbers from 0 on', () => {
  const layer = memory({ maxSize: 3 });
  for (const key of [1, 2, 3]) layer.set(key, key);
  layer.setMaxSize(1.9);
  assert.deepEqual([layer.cache.size, layer.get(3), layer.maxSize], [1, 3, 1]);
  layer.setMaxSize(-1);
  assert.deepEqual([layer.cache.size, layer.maxSize], [0, 0]);
  layer.set('a', 1);
  assert.equal(layer.has('a'), false);
  assert.throws(() => layer.setMaxSize(NaN), TypeError);
});

test('MC-D4: expired entries go before used ones', async () => {
  const layer = memory({ maxSize: 2 });
  layer.set('old', 1, 60_000);
  layer.set('short', 2, 1);
  await sleep(10);
  layer.set('new', 3);
  assert.deepEqual([layer.has('old'), layer.has('short'), layer.stats.evictions, layer.stats.expirations], [true, false, 0, 1]);
});

test('lifetimes: zero, null and less are none, Infinity for ever, anything else the default', async () => {
  const layer = memory({ defaultTTL: 10_000 });
  for (const [key, ttl] of [['zero', 0], ['null', null], ['less', -5], ['nan', NaN], ['text', '5'], ['ever', Infinity], ['short', 1]]) layer.set(key, key, ttl);
  await sleep(10);
  assert.deepEqual(['zero', 'null', 'less', 'nan', 'text', 'ever', 'short'].map((key) => layer.has(key)), [false, false, false, true, true, true, false]);
  layer.set('nan', 1, 0);
  assert.equal(layer.has('nan'), false);
  assert.equal(layer.delete('ever'), true);
  assert.equal(layer.delete('ever'), false);
  layer.clear();
  assert.equal(layer.getStats().currentSize, 0);
  layer.destroy();
  layer.destroy();
  layer.set('still', 1);
  assert.equal(layer.get('still'), 1);
  assert.equal(layer.cleanupInterval, null);
});

test('DC-K1, DC-K3: usable at once; texts come back as they were, objects as copies', async () => {
  const layer = disk();
  const value = { a: [1, null, 'x'] };
  layer.set('t', 'value1');
  await layer.set('o', value);
  assert.equal(await layer.get('t'), 'value1');
  assert.deepEqual(await layer.get('o'), value);
  assert.notEqual(await layer.get('o'), await layer.get('o'));
});

test('DC-K2: nothing rejects, whatever the value', async () => {
  const circular = {};
  circular.self = circular;
  const layer = disk();
  const warned = new Promise((resolve) => { process.once('warning', resolve); });
  for (const value of [undefined, 10n, circular, () => {}, Symbol('s')]) await layer.set('k', value);
  assert.match((await warned).message, /TypeError/);
  assert.equal(await layer.get('k'), undefined);
  assert.equal(layer.stats.writes, 5);
});

test('DC-D1: what is stored survives, and another instance on the path sees it', async () => {
  const at = dbPath();
  const first = disk({ dbPath: at });
  await first.set('a', { n: 1 });
  await first.flush();
  assert.deepEqual(await disk({ dbPath: at }).get('a'), { n: 1 });
  const file = require.resolve('../src/js/lib/resilience/DiskCacheLayer.cjs');
  const script = `const { DiskCacheLayer } = require(${JSON.stringify(file)});
    const layer = new DiskCacheLayer({ dbPath: ${JSON.stringify(at)} });
    layer.get('a').then((value) => { console.log(JSON.stringify(value)); layer.set('b', 2); });`;
  assert.equal(execFileSync(process.execPath, ['-e', script], { timeout: 60_000 }).toString().trim(), '{"n":1}');
  assert.equal(await disk({ dbPath: at }).get('b'), 2);
  first.destroy();
});

test('DC-D2, DC-D3, DC-D4: large values, texts that look like JSON, and hits that count', async () => {
  const layer = disk();
  const big = 'x'.repeat(5000);
  const values = [big, '123', 'true', 'null', '{"a":1}', null, 0, false, '', { big }];
  for (const [index, value] of values.entries()) await layer.set(index, value);
  for (const [index, value] of values.entries()) assert.deepEqual(await layer.get(index), value);
  const { hits, misses, compressions, hitRate, currentEntries } = await layer.getStats();
  assert.deepEqual([hits, misses, compressions, hitRate], [values.length, 0, 2, '100.00%']);
  await layer.flush();
  assert.equal((await layer.getStats()).currentEntries, values.length);
  assert.ok(currentEntries <= values.length);
});

test('DC-D5: a value is what it was when it was stored', async () => {
  const layer = disk();
  const value = { n: 1 };
  const stored = layer.set('k', value);
  value.n = 2;
  await stored;
  assert.deepEqual(await layer.get('k'), { n: 1 });
});

test('DC-D6: the size stays below its bound, and nothing keeps the process', async () => {
  const { randomBytes } = await import('node:crypto');
  const layer = disk({ maxDbSize: 20_000 });
  for (let index = 0; index < 40; index += 1) await layer.set(`k${index}`, randomBytes(1500).toString('base64'));
  await layer.flush();
  const { currentSize } = await layer.getStats();
  assert.ok(currentSize > 0 && currentSize <= 20_000, `${currentSize}`);
});

test('DC-D7: has is a boolean, deletes counts what was there, and so after destroy', async () => {
  const layer = disk();
  assert.equal(await layer.has('a'), false);
  assert.equal(await layer.delete('a'), true);
  await layer.set('a', 1);
  assert.equal(await layer.has('a'), true);
  assert.equal(await layer.delete('a'), true);
  assert.equal(layer.stats.deletes, 1);
  layer.destroy();
  layer.destroy();
  await layer.set('b', 1);
  assert.deepEqual([await layer.get('b'), await layer.has('b'), (await layer.getStats()).writes, layer.cleanupTimer], [undefined, false, 2, null]);
});

test('an expired value is a miss and is removed; a folder that cannot be is an error at once; a file in the way is stepped around', async () => {
  const layer = disk();
  await layer.set('k', 1, 1);
  await sleep(10);
  assert.equal(await layer.get('k'), undefined);
  await layer.vacuum();
  const file = path.join(home, 'file');
  fs.writeFileSync(file, 'x');
  assert.throws(() => new Disk({ dbPath: path.join(file, 'sub', 'x.db') }), { code: 'ENOTDIR' });
  const beside = disk({ dbPath: file });
  await beside.set('k', 1);
  assert.equal(await beside.get('k'), 1);
  assert.equal(fs.readFileSync(file, 'utf8'), 'x');
});

test('ML-K1, ML-K2, ML-K3: absent keys, references and copies, null', async () => {
  const cache = manager();
  assert.equal(await cache.invalidate('absent'), true);
  const value = { a: 1 };
  assert.equal(await cache.set('k', value), true);
  assert.equal(await cache.get('k'), value);
  cache.memory.clear();
  assert.deepEqual(await cache.get('k'), value);
  assert.notEqual(await cache.get('k'), value);
  await cache.set('n', null);
  assert.equal(await cache.get('n'), null);
  assert.equal(await cache.get('x'), undefined);
  const { memoryHits, diskHits, misses, promotions, overallHitRate } = await cache.getStats();
  assert.deepEqual([memoryHits, diskHits, misses, promotions, overallHitRate], [3, 1, 1, 1, '80.00%']);
  assert.equal((await manager().getStats()).overallHitRate, 'N/A');
});

test('ML-K4: nothing rejects', async () => {
  const cache = manager();
  assert.equal(await survives(async (value) => {
    assert.equal(typeof await cache.set(value, value, value), 'boolean');
    await cache.get(value);
    assert.equal(typeof await cache.has(value), 'boolean');
    assert.equal(typeof await cache.invalidate(value), 'boolean');
    assert.equal(typeof await cache.invalidatePattern(value), 'boolean');
  }), 40);
});

test('ML-D1: a pattern removes every key that matches, from both layers', async () => {
  const cache = manager();
  for (const key of ['user:1', 'user:2', 'order:1']) await cache.set(key, key, 60_000);
  cache.registerDependency('page', 'user:1');
  await cache.set('page', 'p', 60_000);
  const heard = [];
  cache.setInvalidationListener('*', (key) => heard.push(key));
  cache.memory.delete('user:2');
  assert.equal(await cache.invalidatePattern('user:*'), true);
  assert.deepEqual(await Promise.all(['user:1', 'user:2', 'page', 'order:1'].map((key) => cache.get(key))), [undefined, undefined, undefined, 'order:1']);
  assert.deepEqual(heard.sort(), ['page', 'user:1', 'user:2']);
  assert.equal(await cache.invalidateMatching('order:*'), 1);
  assert.equal(await cache.invalidatePattern(5), false);
});

test('ML-D2: a star is any run of characters, everything else is literal, and no key takes long', async () => {
  const matches = (pattern, key) => wildcard(pattern).test(key);
  for (const [pattern, key, result] of [
    ['user:*', 'user:1', true], ['user:*', 'xuser:1', false], ['*:1', 'user:1', true], ['a*b*c', 'aXbYc', true], ['a*b*c', 'acb', false], ['*', '', true],
    ['a.c', 'abc', false], ['a?c', 'abc', false], ['a(b', 'a(b', true], ['a**c', 'abbc', true], ['*a*a*', 'xa', false], ['a-b', 'a-b', true], ['a*', 'a\nb', true],
  ]) assert.equal(matches(pattern, key), result, `${pattern} ${key}`);
  assert.equal(matches('*a'.repeat(30) + 'b', 'a'.repeat(5000)), false);
  const cache = manager();
  cache.setInvalidationListener('*', () => { throw new Error('listener'); });
  cache.setInvalidationListener('(', () => {});
  assert.equal(await cache.invalidate('k'), true);
});

test('ML-D3, ML-D5: a cycle ends, and each key is counted and announced', async () => {
  const cache = manager();
  const heard = [];
  cache.setInvalidationListener('k*', (key) => heard.push(key));
  for (const [dependent, independent] of [['k2', 'k1'], ['k3', 'k2'], ['k1', 'k3']]) cache.registerDependency(dependent, independent);
  for (const key of ['k1', 'k2', 'k3']) await cache.set(key, key);
  assert.equal(await cache.invalidate('k1'), true);
  assert.deepEqual([heard, cache.stats.invalidations, cache.stats.deletes], [['k1', 'k2', 'k3'], 3, 3]);
  assert.equal(await cache.has('k3'), false);
});

test('ML-D4, ML-D6: what comes up keeps its remaining time; memory.ttl is the default', async () => {
  const cache = manager({ memory: { ttl: 30 } });
  await cache.set('long', 1, 60_000);
  await cache.set('default', 1);
  await cache.set('short', 1, 40, ['disk']);
  assert.equal(await cache.get('short'), 1);
  assert.equal(cache.disk.stats.reads, 1);
  await sleep(60);
  assert.deepEqual([await cache.get('long'), await cache.get('default'), await cache.get('short')], [1, undefined, undefined]);
});

test('ML-D7: what is invalidated during a read does not come back; readers share one read', async () => {
  const cache = manager();
  await cache.set('k', 'old', 60_000, ['disk']);
  const reads = [cache.get('k'), cache.get('k'), cache.get('k')];
  const gone = cache.invalidate('k');
  await Promise.all([...reads, gone]);
  assert.equal(cache.memory.has('k'), false);
  assert.equal(await cache.get('k'), undefined);
  assert.ok(cache.disk.stats.reads <= 3);
});

test('ML-D8: one layer by its name; a write past memory leaves nothing old in it', async () => {
  const cache = manager();
  await cache.set('k', 1, 5000, 'memory');
  assert.equal(await cache.disk.has('k'), false);
  await cache.set('k', 2, 5000, 'disk');
  assert.equal(await cache.get('k'), 2);
});

test('a layer can be left out', async () => {
  const above = manager({ disk: false });
  await above.set('k', 1);
  assert.deepEqual([await above.get('k'), await above.get('x'), await above.has('x'), (await above.getStats()).disk], [1, undefined, false, null]);
  const below = manager({ memory: false });
  await below.set('k', 1);
  assert.deepEqual([await below.get('k'), await below.invalidatePattern('k'), await below.get('k')], [1, true, undefined]);
  assert.equal(await below.optimize(), true);
});

test('IS-D2: dependencies of both graphs, each key once, cycles end', async () => {
  const cache = manager();
  const strategies = new Strategies(cache);
  strategies.registerDependency('b', 'a');
  strategies.registerDependency('c', 'b');
  strategies.registerDependency('a', 'c');
  cache.registerDependency('d', 'b');
  const heard = [];
  strategies.setInvalidationListener('*', (key) => heard.push(key));
  for (const key of ['a', 'b', 'c', 'd']) await cache.set(key, key);
  assert.deepEqual(strategies.analyzeDependencies('a'), { key: 'a', directlyDependsOn: ['c'], directlyDependents: ['b'], impactChain: ['a', 'b', 'c', 'd'] });
  assert.equal(await strategies.invalidateWithDependents('a'), 4);
  assert.deepEqual(heard, ['a', 'b', 'c', 'd']);
  assert.deepEqual(await Promise.all(['a', 'b', 'c', 'd'].map((key) => cache.has(key))), [false, false, false, false]);
  assert.deepEqual(strategies.getStats(), { cascades: 1, patternMatches: 0, eventTriggered: 0, totalDependencies: 3, totalEventMappings: 0 });
});

test('IS-D1, IS-D3: events by pattern, keys in the statistics; IS-D4: any iterable', async () => {
  const cache = manager();
  const strategies = new Strategies(cache);
  strategies.registerEventMapping('order:*', 'user:*', 'page:*');
  strategies.registerEventMapping('*', 'all');
  for (const key of ['user:1', 'user:2', 'page:1', 'all', 'other']) await cache.set(key, 1);
  assert.equal(await strategies.triggerEventInvalidation('order:7'), 3);
  assert.deepEqual(await Promise.all(['user:1', 'page:1', 'all', 'other'].map((key) => cache.has(key))), [false, false, false, true]);
  const { patternMatches, eventTriggered, totalEventMappings } = strategies.getStats();
  assert.deepEqual([patternMatches, eventTriggered, totalEventMappings], [4, 1, 3]);
  assert.equal(await new Strategies(cache).triggerEventInvalidation('x'), 0);
  assert.equal(await strategies.batchInvalidate(new Set(['a', 'b'])), 2);
  assert.equal(await strategies.batchInvalidate(5), 0);
});

test('strategies work on any cache that can invalidate, and survive one that cannot', async () => {
  const gone = [];
  const strategies = new Strategies({ invalidate: async (key) => { gone.push(key); return key !== 'b'; }, invalidatePattern: async () => true });
  strategies.registerDependency('b', 'a');
  assert.equal(await strategies.invalidateWithDependents('a'), 1);
  assert.deepEqual(gone, ['a', 'b']);
  assert.equal(await new Strategies().invalidateWithDependents('a'), 0);
  assert.equal(await survives(async (value) => {
    const odd = new Strategies(value);
    odd.registerDependency(value, value);
    odd.registerEventMapping(value, value);
    odd.analyzeDependencies(value);
    await odd.invalidateWithDependents(value);
    await odd.triggerEventInvalidation(value);
  }), 40);
});

test('forty odd values as options, keys, values and lifetimes', async () => {
  assert.equal(await survives((value) => { keep(new Memory(value)); }), 40);
  assert.equal(await survives((value) => { keep(new Memory({ maxSize: value, defaultTTL: value })); }), 40);
  const layer = memory();
  assert.equal(await survives((value) => { layer.set(value, value, value); layer.get(value); layer.setMaxSize(value); }), 40);
  const below = disk();
  assert.equal(await survives(async (value) => { await below.set(value, value, value); await below.get(value); await below.delete(value); }), 40);
  assert.equal(await survives((value) => { keep(new Disk({ dbPath: dbPath(), cleanupInterval: value, maxDbSize: value })); }), 40);
  assert.equal(await survives((value) => { keep(new Manager({ memory: value, disk: false })); }), 40);
});
