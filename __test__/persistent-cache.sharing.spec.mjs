// Instances, worker threads and processes on one folder.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { once } from 'node:events';
import { test } from 'node:test';
import { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import { files, inProcess, inWorker, temporary, until } from './support/cache.mjs';

test('instances of a thread see the sets, deletes and clears of each other at once', async (t) => {
  const cacheDir = temporary(t);
  const [a, b] = [new PersistentCache({ cacheDir }), new PersistentCache({ cacheDir: path.join(cacheDir, '.') })];
  await a.set('k', 1);
  assert.equal(await b.get('k'), 1);
  a.set('k', 2);
  assert.equal(await b.get('k'), 2);
  b.delete('k');
  assert.equal(await a.get('k'), null);
  await a.set('k', 3);
  assert.equal(await b.get('k'), 3);
  a.clear();
  assert.equal(await b.get('k'), null);
  assert.equal(b.memoryCache.size, 0);
});

test('a symbolic link leads to the same cache', { skip: process.platform === 'win32' }, async (t) => {
  const cacheDir = temporary(t);
  const link = `${cacheDir}-link`;
  fs.symlinkSync(cacheDir, link);
  t.after(() => fs.unlinkSync(link));
  const [a, b] = [new PersistentCache({ cacheDir }), new PersistentCache({ cacheDir: link })];
  await b.get('k');
  await a.set('k', 1);
  await b.get('k');
  await a.set('k', 2);
  assert.equal(await b.get('k'), 2);
});

test('a value in flight is found by another instance without a file', async (t) => {
  const cacheDir = temporary(t);
  const [a, b] = [new PersistentCache({ cacheDir }), new PersistentCache({ cacheDir })];
  a.set('k', { deep: [1] });
  assert.deepEqual(await b.get('k'), { deep: [1] });
  assert.equal(b.getStats().sharedHits, 1);
});

test('instances of both modes share the items', async (t) => {
  const cacheDir = temporary(t);
  const [zipped, plain] = [true, false].map((compress) => new PersistentCache({ cacheDir, compress, sharedMemoryBytes: 1 }));
  await zipped.set('k', 'zipped');
  await zipped.flush();
  assert.equal(await plain.get('k'), 'zipped');
  await plain.set('k', 'plain');
  await plain.flush();
  assert.equal(await zipped.get('k'), 'plain');
  assert.equal(files(cacheDir).length, 1);
  await zipped.delete('k');
  assert.deepEqual(files(cacheDir), []);
});

test('worker threads and the main thread see the sets and deletes of each other', async (t) => {
  const cacheDir = temporary(t);
  const cache = new PersistentCache({ cacheDir });
  await cache.set('k', 'main');
  const worker = inWorker(
    cacheDir,
    `const cache = new PersistentCache({ cacheDir: dir });
     parentPort.on('message', async ([method, ...args]) => {
       const value = await cache[method](...args);
       parentPort.postMessage([value ?? null, cache.getStats().sharedHits]);
     });
     parentPort.postMessage('up');`,
  );
  t.after(() => worker.terminate());
  await once(worker, 'message');
  const ask = async (...call) => {
    worker.postMessage(call);
    return (await once(worker, 'message'))[0][0];
  };
  assert.equal(await ask('get', 'k'), 'main');
  await ask('set', 'k', 'worker');
  assert.ok(await until(async () => (await cache.get('k')) === 'worker'));
  await cache.set('k', 'main again');
  assert.ok(await until(async () => (await ask('get', 'k')) === 'main again'));
  await ask('delete', 'k');
  assert.ok(await until(async () => (await cache.get('k')) === null));
  await cache.set('x', 1);
  await ask('get', 'x');
  await cache.clear();
  assert.ok(await until(async () => (await ask('get', 'x')) === null));
});

test('many workers writing the same keys leave whole items', async (t) => {
  const cacheDir = temporary(t);
  const code = `
    const cache = new PersistentCache({ cacheDir: dir });
    for (let round = 0; round < 20; round += 1) {
      for (let index = 0; index < 20; index += 1) {
        cache.set('key ' + index, { index, text: 'x'.repeat(round * 37) });
        const found = await cache.get('key ' + ((index + 3) % 20));
        if (found !== null && found.index !== (index + 3) % 20) throw new Error('mixed up');
      }
    }
    await cache.flush();
    parentPort.postMessage('done');`;
  const workers = Array.from({ length: 4 }, () => inWorker(cacheDir, code));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  const cache = new PersistentCache({ cacheDir, sharedMemoryBytes: 1 });
  for (let index = 0; index < 20; index += 1) assert.equal((await cache.get(`key ${index}`)).text.length, 19 * 37);
  assert.equal(files(cacheDir).length, 20);
});

test('what another process writes, removes or damages is seen when memory has no value of its own', async (t) => {
  const cacheDir = temporary(t);
  const cache = new PersistentCache({ cacheDir });
  const other = (code) => inProcess(cacheDir, `const cache = new PersistentCache({ cacheDir: dir }); ${code}`);
  await cache.set('k', 'here');
  await cache.set('gone', 'here');
  await cache.flush();
  const { code, stdout } = await other(
    `console.log(await cache.get('k')); await cache.set('k', 'there'); await cache.delete('gone'); await cache.set('new', 1);`,
  );
  assert.equal(code, 0);
  assert.equal(stdout.trim(), 'here');
  assert.equal(await cache.get('k'), 'here');
  // A second instance has nothing in its own memory; the shared bytes are checked against the file.
  const fresh = new PersistentCache({ cacheDir });
  assert.equal(await fresh.get('k'), 'there');
  assert.equal(await fresh.get('gone'), null);
  assert.equal(await fresh.get('new'), 1);
});

test('removing the folder from outside empties the cache for a new instance', async (t) => {
  const cacheDir = temporary(t);
  const cache = new PersistentCache({ cacheDir });
  await cache.set('k', 1);
  await cache.flush();
  fs.rmSync(cacheDir, { recursive: true });
  assert.equal(await new PersistentCache({ cacheDir }).get('k'), null);
});

test('several processes write one folder at the same time', async (t) => {
  const cacheDir = temporary(t);
  const code = `
    const cache = new PersistentCache({ cacheDir: dir, sharedMemoryBytes: 1, maxMemoryItems: 1 });
    for (let round = 0; round < 300; round += 1) {
      const index = (round * 7) % 30;
      cache.set('key ' + index, { index, text: 'x'.repeat(round * 11) });
      const found = await cache.get('key ' + ((round * 3) % 30));
      if (found !== null && found.index !== (round * 3) % 30) throw new Error('mixed up');
    }`;
  const ends = await Promise.all(Array.from({ length: 3 }, () => inProcess(cacheDir, code)));
  assert.deepEqual(ends.map((end) => end.code), [0, 0, 0], ends.map((end) => end.stderr).join());
  const cache = new PersistentCache({ cacheDir });
  for (let index = 0; index < 30; index += 1) assert.equal((await cache.get(`key ${index}`)).index, index);
  assert.deepEqual(fs.readdirSync(cacheDir).filter((name) => name.startsWith('.')), []);
});
