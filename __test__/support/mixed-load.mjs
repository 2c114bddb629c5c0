// One of several processes under mixed load. The parent is the database: it knows the version of every key, and is told what
// was read and what was invalidated, with times of this machine's one clock.
import { MultiLayerCacheManager } from '../../src/js/index.mjs';

const KEYS = 40;
const WORKERS = 4;
const now = () => performance.timeOrigin + performance.now();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const waiting = new Map();
let [last, running] = [0, true];

/** Asks the database. */
const ask = (what, key) => new Promise((resolve) => {
  last += 1;
  waiting.set(last, resolve);
  process.send({ id: last, what, key });
});

const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(String(error?.stack ?? error)));
process.on('uncaughtException', (error) => unhandled.push(String(error?.stack ?? error)));

let cache;
/** Every tenth key expires soon and may stand in for a while. */
const optionsOf = (index) => (index % 10 === 0 ? { ttl: 1500, graceMs: 10_000 } : { ttl: 600_000 });

async function load(key) {
  const version = await ask('begin', key);
  await sleep(Math.random() * 15);
  await ask('end', key);
  return version;
}

async function step(counts, reads, removals) {
  const index = Math.floor(Math.random() ** 2 * KEYS);
  const key = `k${index}`;
  const dice = Math.random();
  const began = now();
  if (dice < 0.04) {
    const version = await ask('write', key);
    const sent = now();
    const told = index % 4 === 3 && dice < 0.02 ? await cache.invalidateTag(`t${index}`) : await cache.invalidate(key);
    removals.push({ key, version, told, at: now() });
    await ask('told', key);
    counts.slowest = Math.max(counts.slowest, now() - sent);
    return;
  }
  const lock = 'distributed';
  const tags = index % 4 === 3 ? [`t${index}`] : undefined;
  const version = dice < 0.2 ? await cache.get(key) : await cache.getOrSet(key, load, { ...optionsOf(index), lock, tags });
  const took = now() - began;
  counts.reads += 1;
  counts.slowest = Math.max(counts.slowest, took);
  // What says nothing about bounds is only counted.
  if (version !== undefined) reads.push({ key, version, at: began });
}

async function work(report) {
  while (running) {
    await step(report.counts, report.reads, report.removals);
    await sleep(Math.random() * 8);
  }
}

process.on('message', async (message) => {
  if (message.id !== undefined) {
    waiting.get(message.id)(message.version);
    waiting.delete(message.id);
  } else if (message.open !== undefined) {
    cache = new MultiLayerCacheManager(message.open);
    process.send({ opened: true });
  } else if (message.run) {
    const report = { counts: { reads: 0, slowest: 0 }, reads: [], removals: [] };
    const flush = () => process.send({ report: { ...report, reads: report.reads.splice(0), removals: report.removals.splice(0), unhandled } });
    const timer = setInterval(flush, 500);
    await Promise.all(Array.from({ length: WORKERS }, () => work(report)));
    clearInterval(timer);
    flush();
    process.send({ done: true, stats: await cache.getStats() });
  } else if (message.stop) {
    running = false;
  } else if (message.look) {
    const found = {};
    for (let index = 0; index < KEYS; index += 1) found[`k${index}`] = await cache.getOrSet(`k${index}`, load, { ttl: 600_000 });
    process.send({ looked: found });
  }
});
process.send({ ready: true });
