// getOrSet and tags of MultiLayerCacheManager.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import Manager from '../src/js/lib/resilience/MultiLayerCacheManager.mjs';
import { deferred, never, sleep, survives } from './support/resilience.mjs';

const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-loading-'));
const open = [];
let count = 0;
const dbPath = () => path.join(home, `c${(count += 1)}`, 'cache.db');

function made(options = {}) {
  const cache = new Manager({ memory: { maxSize: 100, ttl: 5000 }, disk: { dbPath: dbPath() }, ...options });
  open.push(cache);
  return cache;
}

test.after(async () => {
  for (const cache of open) await cache.disk?.flush();
  for (const cache of open) cache.destroy();
  await sleep(20);
  fs.rmSync(home, { recursive: true, force: true });
});

test('a missing value is loaded once, whoever asks meanwhile, and all get the same', async () => {
  const cache = made();
  const gate = deferred();
  let loads = 0;
  const load = () => { loads += 1; return gate.promise; };
  const asked = Array.from({ length: 1000 }, () => cache.getOrSet('k', load));
  gate.resolve({ n: 1 });
  const values = await Promise.all(asked);
  assert.ok(values.every((value) => value === values[0]));
  assert.equal(await cache.getOrSet('k', load), values[0]);
  assert.equal(loads, 1);
  cache.memory.clear();
  assert.deepEqual([await cache.getOrSet('k', load), loads, cache.stats.diskHits], [{ n: 1 }, 1, 1]);
});

test('a load that fails fails for all who wait, and is tried again', async () => {
  const cache = made();
  const load = async () => { throw new Error('down'); };
  const answers = await Promise.allSettled([cache.getOrSet('k', load), cache.getOrSet('k', load)]);
  assert.deepEqual(answers.map(({ reason }) => reason.message), ['down', 'down']);
  assert.equal(await cache.getOrSet('k', () => 5), 5);
  await assert.rejects(cache.getOrSet('k2', () => { throw new Error('at once'); }), /at once/);
});

test('an expired value is served at once within its grace, and the new one after that', async () => {
  const cache = made();
  const options = { ttl: 1, graceMs: 60_000 };
  await cache.getOrSet('k', () => 'old', options);
  await sleep(10);
  assert.equal(await cache.get('k'), undefined);
  const gate = deferred();
  assert.equal(await cache.getOrSet('k', () => gate.promise, { ttl: 60_000, graceMs: 1 }), 'old');
  gate.resolve('new');
  while ((await cache.getOrSet('k', () => 'never asked', { ttl: 60_000 })) !== 'new') await sleep(1);
});

test('an expired value on disk stands in too, and when the load fails', async () => {
  const cache = made();
  await cache.getOrSet('k', () => 'old', { ttl: 1, graceMs: 60_000 });
  cache.memory.clear();
  await sleep(10);
  const fail = async () => { throw new Error('down'); };
  assert.equal(await cache.getOrSet('k', fail, { softTimeoutMs: 5000 }), 'old');
  assert.equal(await cache.getOrSet('k', fail), 'old');
});

test('a soft limit serves the expired value, a hard one rejects while the load goes on', async () => {
  const cache = made();
  await cache.getOrSet('soft', () => 'old', { ttl: 1, graceMs: 60_000 });
  await sleep(10);
  assert.equal(await cache.getOrSet('soft', never, { softTimeoutMs: 5 }), 'old');
  const quick = await cache.getOrSet('quick', () => 'q', { ttl: 1, graceMs: 60_000 });
  assert.equal(quick, 'q');
  await sleep(10);
  assert.equal(await cache.getOrSet('quick', async () => 'fresh', { softTimeoutMs: 60_000 }), 'fresh');
  const gate = deferred();
  await assert.rejects(cache.getOrSet('hard', () => gate.promise, { hardTimeoutMs: 5 }), { code: 'ERR_TOOLOO_TIMEOUT' });
  gate.resolve('late');
  while ((await cache.get('hard')) !== 'late') await sleep(1);
});

test('a signal gives up for its caller; the load hears when nobody waits any more', async () => {
  const cache = made();
  let heard;
  const load = (key, { signal }) => new Promise(() => { heard = signal; });
  const [one, two] = [new AbortController(), new AbortController()];
  const answers = [cache.getOrSet('k', load, { signal: one.signal }), cache.getOrSet('k', load, { signal: two.signal })];
  answers.forEach((answer) => answer.catch(() => {}));
  while (heard === undefined) await sleep(1);
  one.abort(new Error('first'));
  await assert.rejects(answers[0], /first/);
  assert.equal(heard.aborted, false);
  two.abort(new Error('second'));
  await assert.rejects(answers[1], /second/);
  assert.equal(heard.aborted, true);
  await assert.rejects(cache.getOrSet('other', load, { signal: AbortSignal.abort(new Error('before')) }), /before/);
});

test('what is set or invalidated during a load is not overwritten by it', async () => {
  const cache = made();
  const gate = deferred();
  const loading = cache.getOrSet('k', () => gate.promise);
  await sleep(5);
  await cache.set('k', 'set');
  gate.resolve('loaded');
  assert.equal(await loading, 'loaded');
  assert.equal(await cache.get('k'), 'set');
  const again = deferred();
  const second = cache.getOrSet('gone', () => again.promise);
  await sleep(5);
  await cache.invalidate('gone');
  again.resolve('loaded');
  await second;
  assert.equal(await cache.has('gone'), false);
});

test('the lifetime may come from the value; nothing is remembered where that is asked for', async () => {
  const cache = made();
  await cache.getOrSet('short', () => ({ life: 1 }), { ttl: (value) => value.life });
  await sleep(10);
  assert.equal(await cache.has('short'), false);
  let loads = 0;
  const nothing = () => { loads += 1; return undefined; };
  await cache.getOrSet('n', nothing);
  await cache.getOrSet('n', nothing);
  assert.equal(loads, 2);
  await cache.getOrSet('n', nothing, { negativeTtlMs: 60_000 });
  await cache.getOrSet('n', nothing, { negativeTtlMs: 60_000 });
  assert.equal(loads, 3);
  await cache.getOrSet('null', () => null, { negativeTtlMs: 1, ttl: 60_000 });
  await sleep(10);
  assert.equal(await cache.getOrSet('null', () => 'found'), 'found');
});

test('a value is loaded anew before it expires, when that is asked for', async () => {
  const cache = made({ disk: false });
  let loads = 0;
  const load = async () => { await sleep(20); loads += 1; return loads; };
  await cache.getOrSet('k', load, { ttl: 60_000 });
  for (let index = 0; index < 50; index += 1) await cache.getOrSet('k', load, { ttl: 60_000, earlyRefresh: true });
  assert.equal(loads, 1);
  // So eager that a minute is near.
  while (loads < 2) {
    await cache.getOrSet('k', load, { ttl: 60_000, earlyRefresh: 1000 });
    await sleep(1);
  }
});

test('a tag makes everything old that was stored with it, in both layers, and nothing else', async () => {
  const cache = made();
  for (let index = 0; index < 20; index += 1) await cache.set(`user:${index}`, index, 60_000, undefined, { tags: ['users', `u${index % 2}`] });
  await cache.getOrSet('page', () => 'p', { ttl: 60_000, tags: new Set(['users']) });
  await cache.set('other', 1, 60_000, undefined, { tags: ['x]]y'] });
  await cache.invalidateTag('u0');
  assert.deepEqual([await cache.get('user:0'), await cache.get('user:1'), await cache.get('page')], [undefined, 1, 'p']);
  await cache.invalidateTag('users');
  cache.memory.clear();
  assert.deepEqual([await cache.get('user:1'), await cache.has('user:3'), await cache.get('page'), await cache.get('other')], [undefined, false, undefined, 1]);
  await cache.set('user:1', 'again', 60_000, undefined, { tags: ['users'] });
  assert.equal(await cache.get('user:1'), 'again');
  cache.memory.clear();
  assert.equal(await cache.get('user:1'), 'again');
  await assert.rejects(cache.invalidateTag(5), TypeError);
});

test('a tag holds across processes and restarts', async () => {
  const at = dbPath();
  const cache = made({ disk: { dbPath: at } });
  await cache.set('a', 1, 60_000, undefined, { tags: ['t'] });
  await cache.disk.flush();
  const file = createRequire(import.meta.url).resolve('../src/js/lib/resilience/MultiLayerCacheManager.cjs');
  const script = `const { MultiLayerCacheManager } = require(${JSON.stringify(file)});
    const cache = new MultiLayerCacheManager({ disk: { dbPath: ${JSON.stringify(at)} } });
    cache.get('a').then(async (value) => { await cache.invalidateTag('t'); console.log(value); });`;
  assert.equal(execFileSync(process.execPath, ['-e', script], { timeout: 60_000 }).toString().trim(), '1');
  cache.memory.clear();
  assert.equal(await cache.get('a'), undefined);
});

test('a load under way when its tag is invalidated is not stored', async () => {
  const cache = made();
  const gate = deferred();
  const loading = cache.getOrSet('k', () => gate.promise, { tags: ['t'] });
  await sleep(5);
  await cache.invalidateTag('t');
  gate.resolve('old');
  await loading;
  assert.equal(await cache.has('k'), false);
});

test('bad options name the option; forty odd values are answered', async () => {
  const cache = made();
  await assert.rejects(cache.getOrSet('a', 5), TypeError);
  await assert.rejects(cache.getOrSet('a', () => 1, { hardTimeoutMs: -1 }), /hardTimeoutMs/);
  await assert.rejects(cache.getOrSet('a', () => 1, { graceMs: 'long' }), /graceMs/);
  await assert.rejects(cache.getOrSet('a', () => 1, { tags: [5] }), /tags/);
  assert.equal(await survives((value) => cache.getOrSet(value, () => value, { hardTimeoutMs: 500 })), 40);
  assert.equal(await survives((value) => cache.getOrSet('b', () => 1, value)), 40);
  assert.equal(await survives((value) => cache.getOrSet(`c${count += 1}`, () => 1, { ttl: value, tags: value, signal: value, hardTimeoutMs: 500 })), 40);
});
