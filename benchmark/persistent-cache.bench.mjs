// PersistentCache. Folders are fresh for every round and removed at the end: on some file systems deleting between
// rounds slows the making of files down for minutes.
import { spawnSync } from 'node:child_process';
import zlib from 'node:zlib';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import { PersistentCache as Baseline } from './baseline/persistent-cache.mjs';
import { timeAwaited } from './harness.mjs';

const small = { id: 7, name: 'provider', ok: true };
/** 5 KB: a report of 36 rows. */
const large = {
  rows: Array.from({ length: 36 }, (_, index) => ({
    id: `call-${index * 7919}`,
    provider: ['openai', 'anthropic', 'mistral'][index % 3],
    summary: `The answer took ${index * 13 % 97} steps and was accepted by reviewer ${index * 31 % 53}.`,
    tokens: index * 97,
  })),
};

let root;
let number = 0;
const folder = () => path.join(root, String((number += 1)));
const done = async (cache) => (cache.flush ? cache.flush() : cache.written);

/** Deterministic pseudo-random numbers in [0, 1). */
function random(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** What `count` sets cost the event loop, up to the last file, in ns a set. */
async function setTime(Cache, value, count = 500) {
  const cache = new Cache({ cacheDir: folder() });
  await cache.init();
  const before = performance.eventLoopUtilization();
  for (let index = 0; index < count; index += 1) await cache.set(`key:${index}`, value);
  await done(cache);
  await new Promise((resolve) => setTimeout(resolve, 20));
  const { active } = performance.eventLoopUtilization(before);
  return (active * 1e6) / count;
}

async function filled(Cache, count, value, options) {
  const cache = new Cache({ cacheDir: folder(), ...options });
  await cache.init();
  for (let index = 0; index < count; index += 1) {
    await cache.set(`key:${index}`, value);
    if (index % 100 === 0) await done(cache);
  }
  await done(cache);
  await new Promise((resolve) => setTimeout(resolve, 50));
  return cache;
}

/** `full`: the memory holds as many items as it may, so that every hit counts for the policy. */
async function memoryHits(table, keys, full) {
  const names = Array.from({ length: keys }, (_, index) => `key:${index}`);
  const next = random(keys);
  const order = Array.from({ length: 200_000 }, () => names[Math.floor(next() * keys)]);
  const maxMemoryItems = full ? keys : 200_000;
  const baseline = new Baseline({ cacheDir: folder(), maxMemoryItems });
  // Its own `set` fills it, so that its objects lie in memory as they would; only the files are left out.
  baseline.writeToDisk = async (key, item) => zlib.gzipSync(JSON.stringify(item));
  for (const key of names) await baseline.set(key, { ...small });
  const ours = new PersistentCache({ cacheDir: folder(), maxMemoryItems });
  for (const key of names) await ours.set(key, { ...small });
  await ours.flush();
  const round = (cache) => () => timeAwaited(order.length, (index) => cache.get(order[index]));
  const title = `memory hit, awaited, ${keys.toLocaleString('en')} keys${full ? ', memory full' : ''}`;
  await table.compare({ title, goal: 1, baseline: round(baseline), ours: round(ours), rounds: 9 });
}

async function zipfMisses(capacity) {
  const cache = new PersistentCache({ cacheDir: folder(), maxMemoryItems: capacity });
  const items = 10_000;
  const sums = [];
  let sum = 0;
  for (let rank = 1; rank <= items; rank += 1) sums.push((sum += 1 / rank));
  for (let index = 0; index < items; index += 1) await cache.set(`item ${index}`, index);
  await cache.flush();
  const next = random(42);
  const accesses = 600_000;
  let misses = 0;
  for (let access = 0; access < accesses; access += 1) {
    const wanted = next() * sum;
    let [low, high] = [0, items - 1];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (sums[middle] < wanted) low = middle + 1;
      else high = middle;
    }
    const key = `item ${(low * 7919) % items}`;
    if (!cache.memoryCache.has(key)) misses += 1;
    await cache.get(key);
  }
  return (misses / accesses) * 100;
}

/** ns for each of `count` gets, `inFlight` at a time. */
async function belowMemory(cache, count, inFlight) {
  let index = 0;
  const start = process.hrtime.bigint();
  const lane = async () => {
    while (index < count) {
      const value = await cache.get(`key:${index++}`);
      if (value === null) throw new Error('a miss');
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return Number(process.hrtime.bigint() - start) / count;
}

function emptied(cache, count, inFlight) {
  return () => {
    cache.memoryCache.clear();
    return belowMemory(cache, count, inFlight);
  };
}

async function longestPause(body) {
  let [longest, last, running] = [0, performance.now(), true];
  const look = () => {
    const now = performance.now();
    longest = Math.max(longest, now - last);
    last = now;
    if (running) setImmediate(look);
  };
  setImmediate(look);
  await body();
  running = false;
  return longest;
}

const BURST = `
import { PersistentCache } from ${JSON.stringify(new URL('../src/js/lib/persistent-cache.mjs', import.meta.url).href)};
const cache = new PersistentCache({ cacheDir: process.argv[1], maxMemoryItems: 100_000 });
for (let index = 0; index < 100_000; index += 1) cache.set('key ' + index, String(index).padEnd(1000, 'abcdefghij'));
process.on('exit', () => console.log(process.resourceUsage().maxRSS / 1024));
`;

/** Megabytes that 100,000 sets in one loop take at most; infinite when a file is missing. */
function burst() {
  const target = folder();
  const child = spawnSync(process.execPath, ['--input-type=module', '-e', BURST, target], { encoding: 'utf8' });
  const whole = child.status === 0 && fs.readdirSync(target).length === 100_000;
  return whole ? Number(child.stdout) : Infinity;
}

export async function run(table) {
  root = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-bench-'));
  try {
    for (const [title, value, goal] of [['small', small, 20], ['5 KB', large, 3]]) {
      await table.compare({
        title: `set, event-loop time, ${title}`,
        goal,
        baseline: () => setTime(Baseline, value),
        ours: () => setTime(PersistentCache, value),
      });
    }
    for (const full of [false, true]) {
      for (const keys of [10, 1000, 100_000]) await memoryHits(table, keys, full);
    }
    for (const [capacity, limit] of [[100, 49], [1000, 25.5]]) {
      const title = `misses in memory, Zipf 1.0 over 10,000, capacity ${capacity / 100} %`;
      await table.limit({ title, limit, unit: '%', ours: () => zipfMisses(capacity) });
    }
    const count = 2000;
    const disk = { maxMemoryItems: 1, sharedMemoryBytes: 1 };
    const old = await filled(Baseline, count, small);
    const bytes = await filled(PersistentCache, count, small, { maxMemoryItems: 1 });
    await table.compare({
      title: 'hit in the shared byte tier against a disk hit, small',
      goal: 20,
      baseline: emptied(old, count, 1),
      ours: emptied(bytes, count, 1),
    });
    for (const [title, value, goal] of [['small', small, 6], ['5 KB', large, 3.5]]) {
      await table.compare({
        title: `disk hit, 16 in flight, ${title}`,
        goal,
        baseline: emptied(await filled(Baseline, count, value), count, 16),
        ours: emptied(await filled(PersistentCache, count, value, disk), count, 16),
      });
    }
    const [before, after] = [await filled(Baseline, 3000, small), await filled(PersistentCache, 3000, small)];
    const milliseconds = async (cache) => {
      const start = performance.now();
      await cache.cleanup();
      return performance.now() - start;
    };
    await table.compare({
      title: 'cleanup, 3,000 live files',
      goal: 20,
      unit: 'ms',
      baseline: () => milliseconds(before),
      ours: () => milliseconds(after),
    });
    const title = 'longest event-loop pause in that cleanup';
    await table.limit({ title, limit: 5, unit: 'ms', ours: () => longestPause(() => after.cleanup()) });
    await table.limit({ title: 'RSS, 100,000 sets of 1 KB in one loop', limit: 400, unit: 'MB', ours: burst });
  } finally {
    fs.rmSync(root, { recursive: true, force: true });
  }
}

