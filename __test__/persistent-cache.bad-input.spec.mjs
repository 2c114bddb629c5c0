// Never a crash, an abort or an unhandled rejection.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import { temporary, warnings } from './support/cache.mjs';

const unhandled = [];
const note = (reason) => unhandled.push(reason);
before(() => process.on('unhandledRejection', note));
after(() => process.off('unhandledRejection', note));

const throwing = {
  get ttl() { throw new Error('getter'); },
};
const hostile = new Proxy({}, {
  get() { throw new Error('proxy'); },
  ownKeys() { throw new Error('proxy'); },
});
const noText = { toString() { throw new Error('no text'); }, [Symbol.toPrimitive]() { throw new Error('no primitive'); } };
const revoked = () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
};

/** Constructing either works or throws an ordinary error. */
const OPTIONS = [
  null, 0, 'text', true, 7n, Symbol('o'), () => 1, [], throwing, hostile,
  { ttl: 'x' }, { ttl: Symbol('t') }, { ttl: 1n }, { ttl: -1e308 }, { ttl: noText },
  { maxMemoryItems: -1 }, { maxMemoryItems: 1e300 }, { maxMemoryItems: 0.5 }, { maxMemoryItems: '5' }, { maxMemoryItems: Infinity },
  { cacheDir: 5 }, { cacheDir: {} }, { cacheDir: 'a\0b' }, { cacheDir: noText }, { cacheDir: 'x'.repeat(100_000) },
  { maxMemoryBytes: -1 }, { maxDiskBytes: 'much' }, { maxDiskBytes: NaN }, { compressionLevel: 99 }, { compressionLevel: 2n },
  { namespace: Symbol('n') }, { namespace: '../../..' }, { namespace: '\0' }, { sharedMemoryBytes: -5 }, { sharedMemoryBytes: Infinity },
];

for (const [index, options] of OPTIONS.entries()) {
  test(`options ${index} are taken, or refused with an error that names them`, async (t) => {
    warnings(t);
    const dir = temporary(t);
    const here = process.cwd();
    process.chdir(dir);
    try {
      let cache;
      try {
        cache = new PersistentCache(options);
      } catch (error) {
        assert.ok(error instanceof Error);
        return;
      }
      await cache.set('k', 1);
      assert.equal(await cache.get('k'), typeof options?.ttl === 'number' && options.ttl < 0 ? null : 1);
      await cache.flush();
      await cache.get('absent');
      await cache.getSize();
    } finally {
      process.chdir(here);
    }
  });
}

const KEYS = [
  undefined, null, NaN, 0, -0, 1e308, 7n, true, Symbol('k'), Symbol.iterator, {}, [], () => 1, noText, hostile, revoked(),
  '', '\0', '\ud800', 'a\udc00b', '__proto__', 'constructor', '../../etc/passwd', '/', 'x'.repeat(1_000_000), '\u{1F600}'.repeat(70_000),
  new Date(NaN), new String('s'),
];

for (const [index, key] of KEYS.entries()) {
  test(`key ${index} can be set, read and deleted`, async (t) => {
    warnings(t);
    const cache = new PersistentCache({ cacheDir: temporary(t) });
    assert.equal(await cache.get(key), null);
    assert.equal(await cache.has(key), false);
    await cache.set(key, { v: 1 });
    assert.deepEqual(await cache.get(key), { v: 1 });
    assert.deepEqual(await cache.getMany([key]), [{ v: 1 }]);
    assert.deepEqual(await cache.getOrSet(key, () => 2), { v: 1 });
    await cache.flush();
    if (typeof key === 'string' && key.isWellFormed?.()) {
      assert.deepEqual(await new PersistentCache({ cacheDir: cache.cacheDir, sharedMemoryBytes: 1 }).get(key), { v: 1 });
    }
    await cache.delete(key);
    assert.equal(await cache.get(key), null);
    await cache.setMany([[key, 1]]);
    await cache.clear();
    assert.equal(await cache.get(key), null);
  });
}

test('two keys that differ in half a character are two keys', async (t) => {
  const cache = new PersistentCache({ cacheDir: temporary(t) });
  await cache.set('\ud800', 1);
  await cache.set('\ud801', 2);
  assert.deepEqual(await cache.getMany(['\ud800', '\ud801', '\ufffd']), [1, 2, null]);
});

const VALUES = [
  undefined, Symbol('v'), 1n, () => 1, noText, [hostile], { v: revoked() }, throwing,
  { toJSON() { throw new Error('toJSON'); } }, { toJSON() { return undefined; } }, { toJSON() { throw null; } },
  new Proxy([], {}), new Map([[{}, 1]]), new WeakMap(), Buffer.alloc(10), new Float64Array([NaN]), Object.create(null),
  '\ud800 half', 'x'.repeat(5_000_000), JSON.parse('{"__proto__":{"polluted":1}}'), [undefined, NaN, -0],
];

for (const [index, value] of VALUES.entries()) {
  test(`value ${index} can be stored`, async (t) => {
    warnings(t);
    const cache = new PersistentCache({ cacheDir: temporary(t) });
    await cache.set('k', value);
    assert.equal(await cache.get('k'), value);
    await cache.flush();
    await new PersistentCache({ cacheDir: cache.cacheDir, sharedMemoryBytes: 1 }).get('k');
    assert.equal({}.polluted, undefined);
  });
}

test('deeply nested values are too deep for JSON or round-trip', async (t) => {
  warnings(t);
  const cache = new PersistentCache({ cacheDir: temporary(t) });
  let deep = [];
  for (let index = 0; index < 100_000; index += 1) deep = [deep];
  await cache.set('k', deep);
  assert.equal(await cache.get('k'), deep);
  const { cacheDir } = cache;
  await cache.flush();
  await new PersistentCache({ cacheDir, sharedMemoryBytes: 1 }).get('k');
});

test('other arguments of the wrong kind are refused by an error or taken', async (t) => {
  warnings(t);
  const cache = new PersistentCache({ cacheDir: temporary(t) });
  for (const bad of [undefined, null, 5, {}, Symbol('x'), 'text', noText, hostile]) {
    await assert.rejects(cache.getOrSet('k', bad), TypeError);
    await cache.set('k', 1, 1000, bad === hostile ? undefined : bad);
    await cache.set('k', 1, bad);
    await cache.getOrSet('k', () => 1, bad === hostile ? undefined : bad);
    await cache.getOrSet('k', () => 1, { ttl: bad, graceMs: bad });
    await cache.readFromDisk(bad).then(() => assert.fail(), (error) => assert.ok(error instanceof Error));
    await cache.writeToDisk(bad, {}).catch((error) => assert.ok(error instanceof Error));
    await cache.writeToDisk('k', bad).catch((error) => assert.ok(error instanceof Error));
    await cache.getMany(bad).catch((error) => assert.ok(error instanceof Error));
    await cache.setMany(bad).catch((error) => assert.ok(error instanceof Error));
    try {
      cache.getFilePath(bad);
    } catch (error) {
      assert.ok(error instanceof TypeError);
    }
  }
  await cache.readFromDisk('a\0b').catch((error) => assert.ok(error instanceof Error));
  await cache.readFromDisk(cache.cacheDir).catch((error) => assert.ok(error instanceof Error));
});

test('fields that the app overwrote with nonsense do not end the process', async (t) => {
  warnings(t);
  const cache = new PersistentCache({ cacheDir: temporary(t), maxMemoryItems: 5 });
  for (const nonsense of [NaN, -1, 'x', null, 1n, {}]) {
    cache.ttl = nonsense;
    cache.maxMemoryItems = nonsense;
    cache.compress = nonsense;
    for (let index = 0; index < 10; index += 1) await cache.set(`k${index}`, index, 1000);
    assert.equal(await cache.get('k9'), 9);
    cache.getStats();
  }
  cache.memoryCache.set('odd', 5);
  cache.memoryCache.set('odder', {});
  await cache.get('odd');
  await cache.get('odder');
  await cache.cleanup();
  cache.memoryCache = new Map();
  await cache.set('k', 1);
  assert.equal(await cache.get('k'), 1);
});

test('files of every kind under the names of the cache are survived', async (t) => {
  warnings(t);
  const cacheDir = temporary(t);
  const cache = new PersistentCache({ cacheDir, sharedMemoryBytes: 1 });
  const contents = ['', '\x1f\x8b', '\x1f\x8b\x08\x04', 'null', '[', Buffer.alloc(3000, 0x1f), Buffer.alloc(100_000)];
  for (const [index, content] of contents.entries()) fs.writeFileSync(cache.getFilePath(`k${index}`), content);
  fs.mkdirSync(cache.getFilePath('folder'));
  for (let index = 0; index < contents.length; index += 1) assert.equal(await cache.get(`k${index}`), null);
  assert.equal(await cache.get('folder'), null);
  await cache.set('folder', 1);
  await cache.flush();
  assert.equal(await cache.get('folder'), 1);
  assert.equal(await cache.cleanup(), 0);
  await cache.getSize();
  await cache.clear();
  assert.deepEqual(fs.readdirSync(cacheDir), [path.basename(cache.getFilePath('folder'))]);
});

test('nothing of all this was an unhandled rejection', async () => {
  await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(unhandled, []);
});
