// What is on disk after every kind of end.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { pathToFileURL } from 'node:url';
import { test } from 'node:test';
import { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import { MODULE, files, inProcess, inWorker, temporary, until } from './support/cache.mjs';

const FILL = `
  const cache = new PersistentCache({ cacheDir: dir });
  for (let index = 0; index < 2000; index += 1) cache.set('key ' + index, { index, text: 'x'.repeat(100) });`;

/** How many of the 2,000 items of `FILL` another process would find. */
async function found(folder) {
  const cache = new PersistentCache({ cacheDir: folder });
  const values = await cache.getMany(Array.from({ length: 2000 }, (_, index) => `key ${index}`));
  return values.filter((value, index) => value?.index === index).length;
}

test('a process that ends by itself leaves every write on disk', async (t) => {
  const folder = temporary(t);
  const { code, stderr } = await inProcess(folder, FILL);
  assert.equal(code, 0, stderr);
  assert.equal(await found(folder), 2000);
});

test('process.exit() right after the sets leaves every write on disk', async (t) => {
  const folder = temporary(t);
  const { code } = await inProcess(folder, `${FILL} process.exit(3);`);
  assert.equal(code, 3);
  assert.equal(await found(folder), 2000);
});

test('an uncaught exception right after the sets leaves every write on disk', async (t) => {
  const folder = temporary(t);
  const { code } = await inProcess(folder, `${FILL} throw new Error('the end');`);
  assert.equal(code, 1);
  assert.equal(await found(folder), 2000);
});

test('PC-D2 exit right after an awaited set leaves the item', async (t) => {
  const folder = temporary(t);
  await inProcess(
    folder,
    `const cache = new PersistentCache({ cacheDir: dir }); await cache.set('k', 'v'); process.exit(0);`,
  );
  assert.equal(await new PersistentCache({ cacheDir: folder }).get('k'), 'v');
});

test('a process killed in the middle leaves no torn item, and nothing that was flushed is lost', async (t) => {
  const folder = temporary(t);
  const source = `
    import { PersistentCache } from ${JSON.stringify(pathToFileURL(MODULE).href)};
    const dir = ${JSON.stringify(folder)};
    const cache = new PersistentCache({ cacheDir: dir });
    for (let index = 0; index < 500; index += 1) cache.set('flushed ' + index, index);
    await cache.flush();
    console.log('flushed');
    for (let round = 0; ; round += 1) {
      for (let index = 0; index < 50; index += 1) cache.set('busy ' + index, 'x'.repeat((index * 7919 * round) % 30000));
      await new Promise(setImmediate);
    }`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', source], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  await new Promise((resolve) => setTimeout(resolve, 200));
  child.kill('SIGKILL');
  await once(child, 'exit');
  const cache = new PersistentCache({ cacheDir: folder });
  for (let index = 0; index < 500; index += 1) assert.equal(await cache.get(`flushed ${index}`), index);
  let items = 0;
  for (const name of files(folder)) {
    const item = await cache.readFromDisk(`${folder}/${name}`);
    assert.equal(cache.getFilePath(item.key), `${folder}/${name}`);
    items += 1;
  }
  assert.ok(items >= 500 && items <= 550);
});

test('a terminated worker loses nothing that it had set', async (t) => {
  const folder = temporary(t);
  const worker = inWorker(folder, `${FILL} parentPort.postMessage('set'); setInterval(() => {}, 1000);`);
  await once(worker, 'message');
  await worker.terminate();
  assert.equal(await found(folder), 2000);
  const cache = new PersistentCache({ cacheDir: folder });
  await cache.flush();
  assert.equal(files(folder).length, 2000);
});

test('workers terminated in the middle of reads and writes leave the process sound', async (t) => {
  const folder = temporary(t);
  const code = `
    const cache = new PersistentCache({ cacheDir: dir, sharedMemoryBytes: 1, maxMemoryItems: 2 });
    parentPort.postMessage('up');
    for (let index = 0; ; index += 1) {
      cache.set('key ' + (index % 100), index);
      cache.get('key ' + ((index * 7) % 100));
      if (index % 50 === 0) await cache.cleanup();
    }`;
  for (let round = 0; round < 6; round += 1) {
    const worker = inWorker(folder, code);
    await once(worker, 'message');
    await new Promise((resolve) => setTimeout(resolve, 15 * round));
    await worker.terminate();
  }
  const cache = new PersistentCache({ cacheDir: folder });
  await cache.set('k', 1);
  await cache.flush();
  assert.ok(fs.existsSync(cache.getFilePath('k')));
});

test('an idle cache does not keep a process alive, a promise that is waited for does', async (t) => {
  const { code, stdout } = await inProcess(
    temporary(t),
    `const cache = new PersistentCache({ cacheDir: dir });
     await cache.set('k', 1);
     cache.flush().then(() => console.log('flushed'));
     cache.getSize().then((size) => console.log(size > 0));`,
  );
  assert.equal(code, 0);
  assert.deepEqual(stdout.trim().split('\n').sort(), ['flushed', 'true']);
});

test('a burst of sets is bounded in memory and loses none', async (t) => {
  const folder = temporary(t);
  const { code, stdout, stderr } = await inProcess(
    folder,
    `const cache = new PersistentCache({ cacheDir: dir, maxMemoryItems: 100 });
     const text = 'x'.repeat(20_000);
     let most = 0;
     for (let index = 0; index < 3000; index += 1) {
       cache.set('key ' + index, text + index);
       most = Math.max(most, cache.getStats().pendingBytes);
     }
     console.log(most);`,
  );
  assert.equal(code, 0, stderr);
  assert.ok(Number(stdout) <= 17 << 20, `${stdout} bytes were waiting`);
  assert.equal(files(folder).length, 3000);
});

test('instances that are gone are freed, with what they still had to write', async (t) => {
  const folder = temporary(t);
  const { code, stdout, stderr } = await inProcess(
    folder,
    `import v8 from 'node:v8';
     import vm from 'node:vm';
     v8.setFlagsFromString('--expose-gc');
     const gc = vm.runInNewContext('gc');
     for (let index = 0; index < 300; index += 1) {
       new PersistentCache({ cacheDir: dir + '/' + (index % 7) }).set('key ' + index, index);
       if (index % 50 === 0) { gc(); await new Promise((resolve) => setTimeout(resolve, 5)); }
     }
     console.log('done');`,
  );
  assert.equal(code, 0, stderr);
  assert.equal(stdout.trim(), 'done');
  const count = Array.from({ length: 7 }, (_, index) => files(`${folder}/${index}`).length);
  assert.equal(count.reduce((sum, one) => sum + one, 0), 300);
  assert.ok(await until(() => true));
});
