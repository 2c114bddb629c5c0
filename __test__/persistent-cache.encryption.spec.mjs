// Files that nobody reads without the key.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import DiskCacheLayer from '../src/js/lib/resilience/DiskCacheLayer.mjs';
import { files, inProcess, temporary } from './support/cache.mjs';

const KEY = randomBytes(32);
const PROMPT = 'what did the patient say about the tumour';
const ANSWER = { text: 'that it had grown', tokens: 7 };

async function written(t, options) {
  const cache = new PersistentCache({ cacheDir: temporary(t), ...options });
  await cache.set(PROMPT, ANSWER);
  await cache.close();
  return cache.cacheDir;
}

/** A process without anything in memory, which has to read the file. */
async function readElsewhere(dir, encryption) {
  const { stdout, stderr } = await inProcess(dir, `
    const cache = new PersistentCache({ cacheDir: dir, encryption: ${JSON.stringify(encryption)} });
    console.log(JSON.stringify([await cache.get(${JSON.stringify(PROMPT)}), await cache.cleanup()]));`);
  assert.equal(stderr, '');
  return JSON.parse(stdout);
}

const hex = (key) => key.toString('hex');

for (const algorithm of ['aes-256-gcm', 'chacha20-poly1305']) {
  for (const compress of [true, false]) {
    test(`${algorithm}${compress ? '' : ', not compressed'}: another process with the key reads it, the file shows nothing`, async (t) => {
      const dir = await written(t, { compress, encryption: { algorithm, key: KEY } });
      const [name] = files(dir);
      const bytes = fs.readFileSync(path.join(dir, name));
      for (const secret of [PROMPT, ANSWER.text, 'tokens', 'value', hex(KEY)]) {
        assert.ok(!bytes.includes(secret) && !name.includes(secret), secret);
      }
      assert.deepEqual(await readElsewhere(dir, { algorithm, key: hex(KEY) }), [ANSWER, 0]);
    });
  }
}

test('a new key in front of the list seals, the one behind it still opens', async (t) => {
  const [old, fresh] = [randomBytes(32), randomBytes(32)];
  const dir = await written(t, { encryption: { key: old } });
  const before = fs.readFileSync(path.join(dir, files(dir)[0]));
  const both = new PersistentCache({ cacheDir: dir, encryption: { keys: [fresh, old.toString('base64')] } });
  assert.deepEqual(await both.get(PROMPT), ANSWER);
  await both.set(PROMPT, ANSWER);
  await both.close();
  assert.notDeepEqual(fs.readFileSync(path.join(dir, files(dir)[0])), before);
  assert.deepEqual(await readElsewhere(dir, { key: hex(fresh) }), [ANSWER, 0]);
  assert.deepEqual(await readElsewhere(dir, { key: hex(old) }), [null, 0]);
});

test('a file that another key sealed is a miss and stays where it is', async (t) => {
  const dir = await written(t, { encryption: { key: KEY } });
  assert.deepEqual(await readElsewhere(dir, { key: hex(randomBytes(32)) }), [null, 0]);
  assert.deepEqual(await readElsewhere(dir, undefined), [null, 0]);
  assert.deepEqual(await readElsewhere(dir, { key: hex(KEY) }), [ANSWER, 0]);
});

test('a file that was put there without the key is not served', async (t) => {
  const dir = await written(t, {});
  assert.deepEqual(await readElsewhere(dir, { key: hex(KEY) }), [null, 0]);
});

test('a changed file is a miss and is removed; so is one moved to the place of another key', async (t) => {
  const encryption = { key: KEY };
  const dir = await written(t, { encryption });
  const file = path.join(dir, files(dir)[0]);
  const bytes = fs.readFileSync(file);
  const other = new PersistentCache({ cacheDir: dir, encryption }).getFilePath('another key');
  fs.writeFileSync(other, bytes);
  bytes[bytes.length - 1] ^= 1;
  fs.writeFileSync(file, bytes);
  const { stdout } = await inProcess(dir, `
    const cache = new PersistentCache({ cacheDir: dir, encryption: { key: '${hex(KEY)}' } });
    console.log(await cache.get(${JSON.stringify(PROMPT)}), await cache.get('another key'));
    await cache.flush();`);
  assert.equal(stdout, 'null null\n');
  assert.deepEqual(files(dir), []);
});

test('expired files are cleaned without the key', async (t) => {
  for (const compress of [true, false]) {
    const cache = new PersistentCache({ cacheDir: temporary(t), compress, encryption: { key: KEY } });
    await cache.set('short', 'gone', 500);
    await cache.set('long', 'there');
    await cache.flush();
    assert.equal(files(cache.cacheDir).length, 2);
    await new Promise((resolve) => setTimeout(resolve, 510));
    const { stdout } = await inProcess(cache.cacheDir, `
      const cache = new PersistentCache({ cacheDir: dir });
      console.log(await cache.cleanup());`);
    assert.equal(stdout, '1\n');
    assert.equal(files(cache.cacheDir).length, 1);
  }
});

test('readFromDisk and writeToDisk go through the same encryption', async (t) => {
  const cache = new PersistentCache({ cacheDir: temporary(t), encryption: { key: KEY } });
  const item = { key: 'k', value: [1], expiresAt: null, createdAt: 5 };
  await cache.writeToDisk('k', item);
  assert.deepEqual(await cache.readFromDisk(cache.getFilePath('k')), item);
  await cache.writeToDisk('k', { ...item, note: 'a member of its own' });
  assert.equal((await cache.readFromDisk(cache.getFilePath('k'))).note, 'a member of its own');
  assert.ok(!fs.readFileSync(cache.getFilePath('k')).includes('member'));
});

test('DiskCacheLayer takes the same option', async (t) => {
  const dbPath = path.join(temporary(t), 'layer');
  const layer = new DiskCacheLayer({ dbPath, encryption: { key: KEY } });
  await layer.set(PROMPT, ANSWER);
  assert.deepEqual(await layer.get(PROMPT), ANSWER);
  // What is answered from memory is not on disk by that.
  await layer.flush();
  await layer.destroy();
  const other = new DiskCacheLayer({ dbPath, encryption: { key: KEY } });
  assert.deepEqual(await other.get(PROMPT), ANSWER);
  await other.destroy();
  for (const name of files(dbPath)) assert.ok(!fs.readFileSync(path.join(dbPath, name)).includes(ANSWER.text));
});

test('bad input: 40 wrong encryptions are refused by name, and no error shows a key', (t) => {
  const cacheDir = temporary(t);
  const good = hex(KEY);
  const wrong = [
    true, 1, 'secret', Symbol('s'), () => {}, {}, [], { key: '' }, { key: 'secret' }, { key: good.slice(1) }, { key: `${good}00` },
    { key: `${good.slice(2)}zz` }, { key: 5 }, { key: {} }, { key: null }, { key: Buffer.alloc(31) }, { key: Buffer.alloc(33) },
    { key: new Uint8Array() }, { key: [] }, { key: Symbol('s') }, { keys: [] }, { keys: {} }, { keys: good }, { keys: [good, 'x'] },
    { keys: [good, null] }, { keys: [undefined] }, { keys: [[good]] }, { keys: 7 }, { keys: true }, { keys: () => {} },
    { keys: [Symbol('s')] }, { keys: new Map() }, { algorithm: 'rot13', key: good }, { algorithm: 5, key: good },
    { algorithm: {}, key: good }, { algorithm: 'AES-256-GCM', key: good }, { algorithm: Symbol('s'), key: good },
    { algorithm: true, key: good }, { algorithm: 'aes-128-gcm', key: good }, { algorithm: 'chacha20-poly1305' },
  ];
  assert.equal(wrong.length, 40);
  for (const encryption of wrong) {
    assert.throws(() => new PersistentCache({ cacheDir, encryption }), (error) => {
      assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
      assert.match(error.message, /encryption/);
      assert.ok(!error.message.includes(good.slice(2, 40)) && !error.message.includes('secret'), error.message);
      return true;
    });
  }
});
