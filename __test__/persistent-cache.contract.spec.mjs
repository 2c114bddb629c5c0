import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { test } from 'node:test';
import zlib from 'node:zlib';
import byDefault, { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import { files, pause, temporary, until, warnings } from './support/cache.mjs';

const open = (t, options = {}) => new PersistentCache({ cacheDir: temporary(t), ...options });

test('the class is the named and the default export, for import and require', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/persistent-cache.cjs');
  assert.equal(byDefault, PersistentCache);
  assert.equal(required.PersistentCache, PersistentCache);
  assert.equal(required.default, PersistentCache);
  assert.equal(required.__esModule, true);
  assert.equal(PersistentCache.name, 'PersistentCache');
});

test('options that are falsy or missing mean the defaults', (t) => {
  const cache = open(t, { ttl: 0, maxMemoryItems: 0, compress: null, compression: true, memoryLimit: 5 });
  assert.equal(cache.ttl, 3_600_000);
  assert.equal(cache.maxMemoryItems, 1000);
  assert.equal(cache.compress, true);
  assert.equal(open(t, { compress: false }).compress, false);
  assert.throws(() => new PersistentCache(null), TypeError);
});

test('without a cacheDir the files are in data/cache of the working directory', async (t) => {
  const before = process.cwd();
  const folder = fs.realpathSync(temporary(t));
  process.chdir(folder);
  t.after(() => process.chdir(before));
  for (const cache of [new PersistentCache(), new PersistentCache({ cacheDir: '' })]) {
    assert.equal(cache.cacheDir, path.join(folder, 'data', 'cache'));
    // The folder is made by a thread, and is removed with the test.
    await cache.init();
  }
  process.chdir(before);
});

test('the fields of the original are there', async (t) => {
  const cache = open(t, { ttl: 500 });
  await cache.set('k', { a: 1 });
  const item = cache.memoryCache.get('k');
  assert.deepEqual(Object.keys(item), ['key', 'value', 'expiresAt', 'createdAt']);
  assert.deepEqual(item, { key: 'k', value: { a: 1 }, expiresAt: item.createdAt + 500, createdAt: item.createdAt });
  assert.deepEqual(cache.stats, { hits: 0, misses: 0, writes: 1, reads: 0 });
  assert.deepEqual(Object.keys({ ...cache }), ['cacheDir', 'ttl', 'compress', 'memoryCache', 'maxMemoryItems', 'stats']);
  assert.equal(JSON.parse(JSON.stringify(cache)).ttl, 500);
});

test('init makes the folder, its parents too, and only warns when it cannot', async (t) => {
  const lines = warnings(t);
  const folder = path.join(temporary(t), 'a', 'b');
  const cache = new PersistentCache({ cacheDir: folder });
  assert.equal(await cache.init(), undefined);
  assert.ok(fs.statSync(folder).isDirectory());
  const file = path.join(folder, 'file');
  fs.writeFileSync(file, '');
  const broken = new PersistentCache({ cacheDir: path.join(file, 'below') });
  assert.equal(await broken.init(), undefined);
  await broken.set('k', 1);
  assert.equal(await broken.get('k'), 1);
  await broken.flush();
  assert.equal(await broken.get('absent'), null);
  assert.equal(await broken.getSize(), 0);
  assert.equal(await broken.cleanup(), 0);
  assert.equal(await broken.clear(), undefined);
  assert.ok(lines.length > 0);
});

test('set, get and delete resolve as the original does, and writes are counted', async (t) => {
  const cache = open(t);
  assert.equal(await cache.set('k', 'v'), undefined);
  assert.equal(await cache.get('k'), 'v');
  assert.equal(await cache.delete('k'), undefined);
  assert.equal(await cache.delete('k'), undefined);
  assert.equal(await cache.get('k'), null);
  assert.deepEqual(cache.stats, { hits: 1, misses: 1, writes: 1, reads: 0 });
});

test('clear empties memory and folder', async (t) => {
  const cache = open(t);
  for (let index = 0; index < 20; index += 1) await cache.set(`k${index}`, index);
  await cache.flush();
  assert.equal(files(cache.cacheDir).length, 20);
  assert.equal(await cache.clear(), undefined);
  assert.equal(files(cache.cacheDir).length, 0);
  assert.equal(cache.memoryCache.size, 0);
  assert.equal(await cache.get('k1'), null);
  await cache.set('k1', 'again');
  assert.equal(await cache.get('k1'), 'again');
});

test('cleanup counts expired items in memory and on disk, each for itself', async (t) => {
  const cache = open(t);
  await cache.set('short', 1, 20);
  await cache.set('long', 2);
  await cache.flush();
  await pause(40);
  assert.equal(await cache.cleanup(), 2);
  assert.deepEqual([...cache.memoryCache.keys()], ['long']);
  assert.equal(files(cache.cacheDir).length, 1);
  assert.equal(await cache.cleanup(), 0);
});

test('getSize is the sum of the files', async (t) => {
  const cache = open(t);
  assert.equal(await cache.getSize(), 0);
  await cache.set('a', 'x'.repeat(10_000));
  await cache.set('b', 2);
  const size = await cache.getSize();
  const sum = files(cache.cacheDir).reduce((total, name) => total + fs.statSync(path.join(cache.cacheDir, name)).size, 0);
  assert.equal(size, sum);
  assert.ok(size > 0 && size < 1000);
});

test('getStats has every key of the original, and only more', async (t) => {
  const cache = open(t, { maxMemoryItems: 7 });
  assert.equal(cache.getStats().hitRate, '0%');
  await cache.set('k', 1);
  await cache.get('k');
  await cache.get('absent');
  const { hits, misses, hitRate, writes, reads, memorySize, maxMemory, ...more } = cache.getStats();
  assert.deepEqual(
    { hits, misses, hitRate, writes, reads, memorySize, maxMemory },
    { hits: 1, misses: 1, hitRate: '50.00%', writes: 1, reads: 0, memorySize: 1, maxMemory: 7 },
  );
  assert.deepEqual(Object.keys(more), ['sharedHits', 'evictions', 'pendingWrites', 'pendingBytes']);
  await cache.get('k');
  assert.equal(cache.getStats().hitRate, '66.67%');
});

test('resetStats puts a new object of zeros', async (t) => {
  const cache = open(t);
  await cache.get('k');
  const before = cache.stats;
  assert.equal(cache.resetStats(), undefined);
  assert.deepEqual(cache.stats, { hits: 0, misses: 0, writes: 0, reads: 0 });
  assert.notEqual(cache.stats, before);
});

test('getFilePath lies in cacheDir and has the extension of the mode', (t) => {
  const cache = open(t);
  assert.equal(path.dirname(cache.getFilePath('k')), cache.cacheDir);
  assert.match(path.basename(cache.getFilePath('k')), /^[0-9a-f]{32}\.json\.gz$/);
  assert.match(path.basename(open(t, { compress: false }).getFilePath('k')), /^[0-9a-f]{32}\.json$/);
});

test('readFromDisk gives the item, counts a read, and rejects without a file or with a torn one', async (t) => {
  const cache = open(t);
  await cache.set('k', [1]);
  const item = await cache.readFromDisk(cache.getFilePath('k'));
  assert.deepEqual(item, cache.memoryCache.get('k'));
  assert.equal(cache.stats.reads, 1);
  await assert.rejects(cache.readFromDisk(cache.getFilePath('absent')), { code: 'ENOENT' });
  fs.writeFileSync(cache.getFilePath('torn'), fs.readFileSync(cache.getFilePath('k')).subarray(0, 60));
  await assert.rejects(cache.readFromDisk(cache.getFilePath('torn')));
  assert.equal(cache.stats.reads, 1);
});

test('writeToDisk writes an item that get finds, and rejects what cannot be written', async (t) => {
  const cache = open(t);
  const now = Date.now();
  const item = { key: 'k', value: 'v', expiresAt: now + 10_000, createdAt: now };
  assert.equal(await cache.writeToDisk('k', item), undefined);
  assert.deepEqual(JSON.parse(zlib.gunzipSync(fs.readFileSync(cache.getFilePath('k')))), item);
  assert.equal(await cache.get('k'), 'v');
  await assert.rejects(cache.writeToDisk('k', { ...item, value: 1n }));
  const blocked = new PersistentCache({ cacheDir: cache.getFilePath('k') });
  warnings(t);
  await assert.rejects(blocked.writeToDisk('k', item), (error) => error instanceof Error && error.code === 'ERR_TOOLOO_IO');
});

test('isExpired is truthy strictly after expiresAt and falsy without one', (t) => {
  const cache = open(t);
  assert.ok(cache.isExpired({ expiresAt: Date.now() - 5 }));
  for (const expiresAt of [Date.now() + 1000, null, undefined, NaN, 0, Infinity]) assert.ok(!cache.isExpired({ expiresAt }));
});

test('the hooks take effect from a subclass, the instance and the prototype', async (t) => {
  const calls = [];
  class Hooked extends PersistentCache {
    init() {
      calls.push('init');
      return super.init();
    }
    getFilePath(key) {
      calls.push('path');
      return path.join(this.cacheDir, `own-${key}.json.gz`);
    }
    async readFromDisk(file) {
      calls.push('read');
      return super.readFromDisk(file);
    }
    async writeToDisk(key, item) {
      calls.push('write');
      await super.writeToDisk(key, item);
    }
    isExpired(item) {
      calls.push('expired');
      return super.isExpired(item);
    }
  }
  const folder = temporary(t);
  const cache = new Hooked({ cacheDir: folder });
  assert.deepEqual(calls, ['init']);
  await cache.set('k', { a: 1 });
  await cache.flush();
  assert.deepEqual(files(folder), ['own-k.json.gz']);
  const again = new Hooked({ cacheDir: folder });
  assert.deepEqual(await again.get('k'), { a: 1 });
  assert.deepEqual([...new Set(calls)].sort(), ['expired', 'init', 'path', 'read', 'write']);
  await again.delete('k');
  assert.deepEqual(files(folder), []);

  const instance = open(t);
  const written = [];
  instance.writeToDisk = async (key, item) => written.push([key, item.value]);
  await instance.set('k', 1);
  assert.ok(await until(() => written.length === 1));
  assert.deepEqual(written, [['k', 1]]);

  t.mock.method(PersistentCache.prototype, 'readFromDisk', async () => ({ key: 'p', value: 'patched', expiresAt: null }));
  assert.equal(await open(t).get('p'), 'patched');
});

test('an overridden isExpired decides about values in memory, on disk and in cleanup', async (t) => {
  const folder = temporary(t);
  class Patient extends PersistentCache {
    isExpired() {
      return this.over === true;
    }
  }
  const cache = new Patient({ cacheDir: folder });
  await cache.set('k', 1, 5);
  await cache.flush();
  await pause(15);
  assert.equal(await cache.get('k'), 1);
  assert.equal(await new Patient({ cacheDir: folder, sharedMemoryBytes: 1 }).get('k'), 1);
  cache.over = true;
  assert.equal(await cache.cleanup(), 2);
  assert.equal(await cache.get('k'), null);
  assert.deepEqual(files(folder), []);
});

test('PC-K1 get is a promise, a miss is null, and a stored null or falsy value is a hit', async (t) => {
  const cache = open(t);
  assert.ok(cache.get('k') instanceof Promise);
  assert.equal(await cache.get('k'), null);
  for (const value of [null, 0, '', false]) {
    await cache.set('k', value);
    assert.equal(await cache.get('k'), value);
  }
  assert.equal(cache.stats.hits, 4);
});

test('PC-K2 memory gives the very object, another instance a JSON copy', async (t) => {
  const cache = open(t);
  const value = { at: new Date(0), map: new Map([[1, 2]]), nan: NaN, nested: { list: [1, , 3] } };
  await cache.set('k', value);
  assert.equal(await cache.get('k'), value);
  const copy = await new PersistentCache({ cacheDir: cache.cacheDir }).get('k');
  assert.deepEqual(copy, JSON.parse(JSON.stringify(value)));
});

test('PC-K3 what JSON cannot hold stays usable in memory, with a warning, and so do keys that are no strings', async (t) => {
  const lines = warnings(t);
  const cache = open(t);
  const circular = {};
  circular.self = circular;
  const values = [circular, 10n, () => 1, Symbol('s'), undefined, { big: 1n }];
  for (const [index, value] of values.entries()) {
    await cache.set(`k${index}`, value);
    assert.equal(await cache.get(`k${index}`), value);
  }
  assert.equal(lines.length, values.length);
  for (const key of [7, undefined, null, NaN, Symbol('key'), {}, 5n]) {
    await cache.set(key, 'v');
    assert.equal(await cache.get(key), 'v');
    await cache.delete(key);
    assert.equal(await cache.get(key), null);
  }
  await cache.flush();
  assert.deepEqual(files(cache.cacheDir), []);
});

test('PC-K3 a value that JSON cannot hold takes the older one from disk', async (t) => {
  warnings(t);
  const cache = open(t);
  await cache.set('k', 'old');
  await cache.set('k', () => 'new');
  await cache.flush();
  assert.equal(await new PersistentCache({ cacheDir: cache.cacheDir }).get('k'), null);
});

test('PC-K4 files hold the item as the original wrote it, null for no expiry', async (t) => {
  for (const compress of [true, false]) {
    const cache = open(t, { compress });
    await cache.set('k"ü', { v: 'ä\u2028' }, Infinity);
    await cache.flush();
    const bytes = fs.readFileSync(cache.getFilePath('k"ü'));
    const item = JSON.parse(compress ? zlib.gunzipSync(bytes) : bytes);
    assert.deepEqual(Object.keys(item), ['key', 'value', 'expiresAt', 'createdAt']);
    assert.deepEqual(item, { key: 'k"ü', value: { v: 'ä\u2028' }, expiresAt: null, createdAt: item.createdAt });
  }
});

test('PC-K4 files of the original are counted and cleaned, and not served to another key', async (t) => {
  const cache = open(t);
  const legacy = (key, item, compress = true) => {
    const stem = Buffer.from(key).toString('base64').replace(/[/+=]/g, '-');
    const json = JSON.stringify(item);
    const name = `${stem}.json${compress ? '.gz' : ''}`;
    fs.writeFileSync(path.join(cache.cacheDir, name), compress ? zlib.gzipSync(json) : json);
    return name;
  };
  const [past, future] = [Date.now() - 1000, Date.now() + 60_000];
  legacy('a', { key: 'a', value: 'x'.repeat(5000), expiresAt: past, createdAt: 1 });
  legacy('b', { key: 'b', value: 1, expiresAt: past, createdAt: 1 }, false);
  const kept = [
    legacy('>>>', { key: '>>>', value: 1, expiresAt: future, createdAt: 1 }),
    legacy('n', { key: 'n', value: 1, expiresAt: null, createdAt: 1 }),
  ];
  assert.ok((await cache.getSize()) > 0);
  assert.equal(await cache.get('>>?'), null);
  assert.equal(await cache.cleanup(), 2);
  assert.deepEqual(files(cache.cacheDir), kept.sort());
  await cache.clear();
  assert.deepEqual(files(cache.cacheDir), []);
});

test('PC-K5 whichever of memory and disk is valid wins, memory first', async (t) => {
  const cache = open(t);
  await cache.set('k', 'disk');
  await cache.flush();
  cache.memoryCache.get('k').expiresAt = Date.now() - 1;
  assert.equal(await cache.get('k'), 'disk');
  cache.memoryCache.set('m', { key: 'm', value: 'memory', expiresAt: Date.now() + 1000, createdAt: 1 });
  assert.equal(await cache.get('m'), 'memory');
});

test('the consumer: a time to live of 100 ms is over after 150', async (t) => {
  const cache = open(t, { compression: true });
  await cache.set('temp', { data: 1 }, 100);
  assert.deepEqual(await cache.get('temp'), { data: 1 });
  await pause(150);
  assert.equal(await cache.get('temp'), null);
  assert.equal(typeof (await cache.cleanup()), 'number');
});

test('the consumer: a thousand awaited sets and gets take less than 10 ms each', async (t) => {
  const cache = open(t);
  const start = performance.now();
  for (let index = 0; index < 1000; index += 1) {
    await cache.set(`perf-${index}`, { index, text: 'x'.repeat(100) });
    assert.equal((await cache.get(`perf-${index}`)).index, index);
  }
  assert.ok((performance.now() - start) / 1000 < 10);
});
