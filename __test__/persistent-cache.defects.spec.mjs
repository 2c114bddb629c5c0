// The defects of the original, each fixed.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import zlib from 'node:zlib';
import { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import { files, inProcess, pause, temporary, until, warnings } from './support/cache.mjs';

/** Without the tier of bytes, so that the disk has to answer. */
const open = (cacheDir, options = {}) => new PersistentCache({ cacheDir, sharedMemoryBytes: 1, ...options });
/** What another instance finds once all writes are done. */
async function onDisk(cache, key) {
  await cache.flush();
  return open(cache.cacheDir).get(key);
}

test('PC-D1 the first sets in a new folder are persisted, even when the folder goes away', async (t) => {
  const lines = warnings(t);
  const folder = path.join(temporary(t), 'deep', 'new');
  const cache = open(folder);
  for (let index = 0; index < 5; index += 1) cache.set(`k${index}`, index);
  await cache.flush();
  assert.equal(files(folder).length, 5);
  fs.rmSync(folder, { recursive: true });
  await cache.set('after', 1);
  await cache.flush();
  assert.equal(files(folder).length, 1);
  assert.deepEqual(lines, []);
});

test('PC-D2 a torn or empty file is a miss and is removed on read', async (t) => {
  const folder = temporary(t);
  for (const compress of [true, false]) {
    const cache = open(folder, { compress });
    for (const cut of [0, 1, 5, 40, 90]) {
      const key = `k${compress}${cut}`;
      await cache.set(key, 'a value of some length');
      await cache.flush();
      const file = cache.getFilePath(key);
      fs.truncateSync(file, Math.min(cut, fs.statSync(file).size - 1));
      assert.equal(await open(folder, { compress }).get(key), null);
      assert.ok(await until(() => !fs.existsSync(file)), `${key} is still there`);
    }
  }
});

test('PC-D2 a flipped bit is never served', async (t) => {
  const folder = temporary(t);
  const cache = open(folder);
  const value = { text: 'abcdefghij'.repeat(5) };
  await cache.set('k', value);
  await cache.flush();
  const file = cache.getFilePath('k');
  const whole = fs.readFileSync(file);
  let missed = 0;
  for (let at = 16; at < whole.length; at += 3) {
    const bytes = Buffer.from(whole);
    bytes[at] ^= 0x10;
    fs.writeFileSync(file, bytes);
    const found = await open(folder).get('k');
    // Bits that carry nothing, such as padding, may flip: what passes the checksum is the value itself.
    if (found !== null) assert.deepEqual(found, value, `byte ${at}`);
    else missed += 1;
    await cache.flush();
  }
  assert.ok(missed > whole.length / 4);
});

test('PC-D3 of quick sets of one key the last wins, whatever their sizes', async (t) => {
  const folder = temporary(t);
  const cache = open(folder);
  for (let index = 0; index < 100; index += 1) {
    cache.set(`k${index}`, 'x'.repeat(20_000));
    cache.set(`k${index}`, `small ${index}`);
  }
  await cache.flush();
  const other = open(folder);
  for (let index = 0; index < 100; index += 1) assert.equal(await other.get(`k${index}`), `small ${index}`);
});

test('PC-D4 a key deleted right after its set stays deleted', async (t) => {
  const folder = temporary(t);
  const cache = open(folder);
  for (let index = 0; index < 200; index += 1) {
    cache.set(`k${index}`, index);
    cache.delete(`k${index}`);
  }
  await cache.flush();
  assert.deepEqual(files(folder), []);
  for (let index = 0; index < 200; index += 1) cache.set(`k${index}`, index);
  const cleared = cache.clear();
  cache.set('after', 'clear');
  await cleared;
  await cache.flush();
  assert.equal(files(folder).length, 1);
  assert.equal(await onDisk(cache, 'after'), 'clear');
  assert.equal(await onDisk(cache, 'k1'), null);
});

test('PC-D5 a read under way neither undoes a set nor a delete', async (t) => {
  const folder = temporary(t);
  const first = open(folder);
  await first.set('k', 'old');
  await first.set('gone', 'old');
  await first.flush();
  for (let round = 0; round < 50; round += 1) {
    const cache = open(folder);
    const reads = [cache.get('k'), cache.get('gone')];
    cache.set('k', `new ${round}`);
    const deleted = cache.delete('gone');
    await reads[0];
    assert.equal(await reads[1], null);
    assert.equal(await cache.get('k'), `new ${round}`);
    assert.equal(await cache.get('gone'), null);
    await deleted;
    await cache.set('gone', 'old');
    await cache.flush();
  }
});

test('PC-D5 misses of one key at one time share one read', async (t) => {
  const folder = temporary(t);
  await open(folder).set('k', { a: 1 });
  await open(folder).flush();
  const cache = open(folder);
  const values = await Promise.all(Array.from({ length: 50 }, () => cache.get('k')));
  assert.ok(values.every((value) => value === values[0]));
  assert.equal(cache.stats.reads, 1);
  assert.equal(cache.stats.hits, 50);
});

test('PC-D6 keys that the original mixed up have files of their own', async (t) => {
  const folder = temporary(t);
  const cache = open(folder);
  for (const key of ['>>>', '>>?', '???', 'Key', 'key', 'KEY']) await cache.set(key, `of ${key}`);
  for (const key of ['>>>', '>>?', '???', 'Key', 'key', 'KEY']) assert.equal(await onDisk(cache, key), `of ${key}`);
  assert.equal(new Set(files(folder).map((name) => name.toLowerCase())).size, 6);
});

test('PC-D6 a file that holds another key is not served', async (t) => {
  const folder = temporary(t);
  for (const compress of [true, false]) {
    const cache = open(folder, { compress });
    await cache.set('mine', 1);
    await cache.flush();
    fs.copyFileSync(cache.getFilePath('mine'), cache.getFilePath('yours'));
    assert.equal(await open(folder, { compress }).get('yours'), null);
  }
});

test('PC-D7 long keys are persisted', async (t) => {
  const folder = temporary(t);
  const cache = open(folder);
  for (const length of [184, 256, 5000, 65_000, 70_000, 300_000]) {
    await cache.set('p'.repeat(length), length);
    await cache.set(`${'p'.repeat(length - 1)}q`, -length);
    assert.equal(await onDisk(cache, 'p'.repeat(length)), length);
    assert.equal(await onDisk(cache, `${'p'.repeat(length - 1)}q`), -length);
  }
  assert.ok(files(folder).every((name) => name.length === 40));
});

test('PC-D8 a Symbol as a key neither rejects nor ends the process', async (t) => {
  const { code, stderr } = await inProcess(
    temporary(t),
    `const cache = new PersistentCache({ cacheDir: dir });
     await cache.set(Symbol('secret'), 1);
     cache.set(Symbol('secret'), 1n);
     await cache.get(Symbol('other'));
     await cache.delete(Symbol('third'));`,
  );
  assert.equal(code, 0, stderr);
  assert.ok(!stderr.includes('secret'));
});

test('PC-D9 an expired item leaves memory and disk when a get reports the miss', async (t) => {
  const folder = temporary(t);
  const cache = open(folder);
  await cache.set('k', 1, 15);
  await cache.flush();
  await pause(30);
  assert.equal(await cache.get('k'), null);
  assert.equal(cache.memoryCache.size, 0);
  assert.ok(await until(() => files(folder).length === 0));
});

test('PC-D10 the bound on memory holds on every insert, from disk too, and what is used stays', async (t) => {
  const folder = temporary(t);
  const cache = open(folder, { maxMemoryItems: 10 });
  for (let index = 0; index < 10; index += 1) await cache.set(`k${index}`, index);
  const hot = await Promise.all(Array.from({ length: 300 }, () => cache.get('k9')));
  assert.equal(hot.length, 300);
  for (let index = 10; index < 100; index += 1) {
    await cache.set(`k${index}`, index);
    assert.ok(cache.memoryCache.size <= 10);
    assert.ok(cache.memoryCache.has(`k${index}`));
  }
  assert.ok(cache.memoryCache.has('k9'));
  await cache.flush();
  for (let index = 0; index < 100; index += 1) {
    assert.equal(await cache.get(`k${index}`), index);
    assert.ok(cache.getStats().memorySize <= 10);
  }
});

test('PC-D10 a bound changed later and values put into the Map by hand are kept to', async (t) => {
  const cache = open(temporary(t), { maxMemoryItems: 50 });
  for (let index = 0; index < 50; index += 1) await cache.set(`k${index}`, index);
  cache.maxMemoryItems = 5;
  await cache.set('one', 1);
  assert.ok(cache.memoryCache.size <= 5);
  for (let index = 0; index < 20; index += 1) cache.memoryCache.set(`m${index}`, { key: `m${index}`, value: 1, expiresAt: null });
  await cache.set('two', 2);
  assert.ok(cache.memoryCache.size <= 5);
  cache.memoryCache.clear();
  for (let index = 0; index < 20; index += 1) await cache.set(`n${index}`, index);
  assert.ok(cache.memoryCache.size <= 5 && cache.memoryCache.size > 0);
});

test('PC-D11 foreign files, sub-folders and the other mode stop neither cleanup nor clear nor getSize', async (t) => {
  const folder = temporary(t);
  const [zipped, plain] = [open(folder), open(folder, { compress: false })];
  fs.writeFileSync(path.join(folder, 'notes.txt'), 'mine');
  fs.writeFileSync(path.join(folder, 'broken.json'), '{');
  fs.writeFileSync(path.join(folder, 'broken.json.gz'), 'no gzip');
  fs.writeFileSync(path.join(folder, 'config.json'), '{"expiresAt":1}');
  fs.mkdirSync(path.join(folder, 'sub.json'));
  fs.writeFileSync(path.join(folder, 'sub.json', 'inner.json'), '{}');
  await zipped.set('a', 1, 10);
  await plain.set('b', 2, 10);
  await zipped.set('c', 3);
  await zipped.flush();
  await pause(25);
  assert.equal(await open(folder).cleanup(), 2);
  assert.ok((await zipped.getSize()) > 0);
  assert.ok(fs.existsSync(path.join(folder, 'config.json')));
  await zipped.clear();
  assert.deepEqual(files(folder), ['notes.txt', 'sub.json']);
  assert.ok(fs.existsSync(path.join(folder, 'sub.json', 'inner.json')));
});

test('PC-D11 unfinished files of a dead process are swept, those of a living one are not', async (t) => {
  const folder = temporary(t);
  const cache = open(folder);
  await cache.init();
  const [stale, fresh] = ['.tooloo-dead-1', '.tooloo-live-1'].map((name) => path.join(folder, name));
  [stale, fresh].forEach((file) => fs.writeFileSync(file, 'half'));
  fs.utimesSync(stale, new Date(0), new Date(0));
  assert.equal(await cache.cleanup(), 0);
  assert.ok(await until(() => !fs.existsSync(stale)));
  assert.ok(fs.existsSync(fresh));
});

test('PC-D12 a file without an item is a miss', async (t) => {
  const folder = temporary(t);
  const cache = open(folder);
  for (const text of ['{}', 'null', '[]', '7', '"text"', '{"key":"k"}', '{"key":"k","value":}']) {
    for (const compress of [true, false]) {
      const reader = open(folder, { compress });
      fs.writeFileSync(reader.getFilePath('k'), compress ? zlib.gzipSync(text) : text);
      assert.equal(await reader.get('k'), null, text);
    }
  }
  cache.readFromDisk = async () => ({});
  assert.equal(await cache.get('other'), null);
});

test('PC-D13 a namespace keeps keys, clear and size apart', async (t) => {
  const folder = temporary(t);
  const [a, b, c] = ['budget', 'reports', 'Über/../x'].map((namespace) => open(folder, { namespace }));
  await Promise.all([a.set('k', 'a'), b.set('k', 'b'), c.set('k', 'c')]);
  await Promise.all([a.flush(), b.flush(), c.flush()]);
  await a.clear();
  assert.equal(await open(folder, { namespace: 'budget' }).get('k'), null);
  assert.equal(await open(folder, { namespace: 'reports' }).get('k'), 'b');
  assert.equal(await open(folder, { namespace: 'Über/../x' }).get('k'), 'c');
  assert.equal(fs.readdirSync(folder).length, 3);
  assert.ok(b.getFilePath('k').startsWith(path.join(folder, 'ns-reports')));
});

test('PC-D14 neither a large write nor a large read holds the event loop for the time of gzip', async (t) => {
  const folder = temporary(t);
  const cache = open(folder, { compressionLevel: 9 });
  const value = Array.from({ length: 400_000 }, (_, index) => (index * 7919) % 1000).join();
  const own = process.hrtime.bigint();
  JSON.stringify(value);
  const stringify = Number(process.hrtime.bigint() - own);
  const gzip = process.hrtime.bigint();
  zlib.gzipSync(JSON.stringify(value), { level: 9 });
  const baseline = Number(process.hrtime.bigint() - gzip);
  const start = process.hrtime.bigint();
  cache.set('k', value);
  const spent = Number(process.hrtime.bigint() - start);
  assert.ok(spent < baseline / 2 + stringify * 10, `${spent} of ${baseline} ns`);
  assert.equal(await onDisk(cache, 'k'), value);
});

test('PC-D15 names and warnings tell nothing about keys, and only the owner reads the files', async (t) => {
  const lines = warnings(t);
  const folder = temporary(t);
  const cache = open(folder);
  const prompt = 'a confidential prompt';
  await cache.set(prompt, 1);
  await cache.set(prompt, 1n);
  await cache.set(prompt, 2);
  await cache.flush();
  const [name] = files(folder);
  assert.match(name, /^[0-9a-f]{32}\.json\.gz$/);
  if (process.platform !== 'win32') assert.equal(fs.statSync(path.join(folder, name)).mode & 0o777, 0o600);
  assert.ok(lines.length > 0 && lines.every((line) => !line.includes('confidential')));
});

test('PC-D16 a time to live that is no number means the default', async (t) => {
  const cache = open(temporary(t), { ttl: 5000 });
  for (const ttl of [NaN, '10', 'soon', {}, [], true, undefined, () => 1, Symbol('t'), 10n]) {
    await cache.set('k', 1, ttl);
    const { expiresAt, createdAt } = cache.memoryCache.get('k');
    assert.equal(expiresAt - createdAt, 5000);
  }
  for (const ttl of ['500', 'x', {}, NaN]) assert.equal(open(temporary(t), { ttl }).ttl, 3_600_000);
});

test('PC-D16 zero, null and less remove a key, Infinity keeps it for ever', async (t) => {
  const cache = open(temporary(t));
  for (const ttl of [0, null, -1, -Infinity]) {
    await cache.set('k', 'before');
    await cache.set('k', 'after', ttl);
    assert.equal(await cache.get('k'), null);
    assert.equal(await onDisk(cache, 'k'), null);
  }
  await cache.set('k', 'kept', Infinity);
  assert.equal(await onDisk(cache, 'k'), 'kept');
  assert.equal(await cache.cleanup(), 0);
});
