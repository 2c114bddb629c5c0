'use strict';
// Values that are made when they are missing: one load for a key, expired values that stand in while it runs or when it
// fails, limits to how long a caller waits. The load itself goes on whatever its callers do, unless all have given it up.

const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { limited } = require('../resilience/attempt.cjs');
const { steadyNow } = require('../resilience/steady.cjs');

const cells = new Float64Array(5);

function settingsOf(options) {
  native.layerLoadConfig(options, cells);
  const [graceMs, softTimeout, hardTimeout, negativeTtl, earlyRefresh] = cells;
  return { graceMs, softTimeout, hardTimeout, negativeTtl, earlyRefresh };
}

/** One load under way, and how many wait for it. */
class Load {
  overtaken = false;
  waiting = 0;
  controller = new AbortController();
  promise = undefined;

  /** Waits for it, at most so long; `signal` gives up for this caller alone. */
  async wait(timeout, signal) {
    this.waiting += 1;
    try {
      return await (timeout === Infinity && signal === undefined ? this.promise : limited(() => this.promise, timeout, signal));
    } finally {
      this.waiting -= 1;
      if (this.waiting === 0 && signal?.aborted) this.controller.abort(signal.reason);
    }
  }
}

/** The load of a key: the one that is under way, or a new one. */
function loadOf(manager, inner, key, loader, options, settings) {
  const known = inner.loads.get(key);
  if (known !== undefined) return known;
  const load = new Load();
  load.promise = (async () => {
    const began = performance.now();
    try {
      const value = await loader(key, { signal: load.controller.signal });
      if (!load.overtaken) await store(manager, inner, key, value, performance.now() - began, options, settings, load);
      return value;
    } finally {
      if (inner.loads.get(key) === load) inner.loads.delete(key);
    }
  })();
  // Whoever waits hears of a failure; where nobody does, nobody has to.
  load.promise.catch(() => {});
  inner.loads.set(key, load);
  return load;
}

async function store(manager, inner, key, value, took, { ttl, tags }, { graceMs, negativeTtl }, load) {
  const isNothing = value === undefined || value === null;
  if (value === undefined && !(negativeTtl > 0)) return;
  const wanted = isNothing && negativeTtl > 0 ? negativeTtl : typeof ttl === 'function' ? ttl(value) : ttl;
  const life = native.layerExpiry(wanted, inner.ttl, 0);
  const lives = Number.isNaN(life) ? 0 : life;
  const more = inner.tags.moreOf({ tags, graceMs, lives, took });
  manager.stats.writes += 1;
  manager.memory?.set(key, value, lives, more);
  // JSON has no undefined: that there is nothing is remembered in memory alone.
  if (value === undefined) return;
  await manager.disk?.set(key, value, lives, more);
  // Invalidated while it was being written.
  if (load.overtaken) await manager.disk?.delete(key);
}

/** `{ value, expiresAt, more }` of a layer, expired or not; undefined where there is nothing that could be served. */
async function find(manager, inner, key) {
  const entry = manager.memory?.cache.get(key);
  if (entry !== undefined && entry.staleUntil >= steadyNow() && inner.tags.isAlive(manager.memory, key)) return entry;
  return manager.disk?._read(key, { stale: true });
}

/** Loads anew beside what is served. */
function refresh(manager, inner, key, loader, options, settings) {
  loadOf(manager, inner, key, loader, options, settings);
}

async function slowly(manager, inner, key, loader, options) {
  const settings = settingsOf(options);
  const { signal } = options;
  signal?.throwIfAborted();
  const found = await find(manager, inner, key);
  const now = steadyNow();
  if (found !== undefined && now <= found.expiresAt) {
    manager.stats.diskHits += 1;
    const took = found.more?.took ?? 0;
    manager.memory?.set(key, found.value, Math.min(found.expiresAt - now, inner.ttl), found.more);
    if (native.layerRefreshesEarly(now, found.expiresAt, took, settings.earlyRefresh, Math.random())) {
      refresh(manager, inner, key, loader, options, settings);
    }
    return found.value;
  }
  manager.stats.misses += 1;
  const load = loadOf(manager, inner, key, loader, options, settings);
  if (found === undefined) return load.wait(settings.hardTimeout, signal);
  // It may stand in, also for somebody who grants no grace any more.
  if (settings.softTimeout === 0) return found.value;
  try {
    return await load.wait(Math.min(settings.softTimeout, settings.hardTimeout), signal);
  } catch (error) {
    if (signal?.aborted) throw error;
    return found.value;
  }
}

/** See `MultiLayerCacheManager.getOrSet`. A hit in memory makes no native call. */
function getOrSet(manager, inner, key, loader, options = {}) {
  if (typeof loader !== 'function') return Promise.reject(new TypeError('loader must be a function'));
  try {
    const { memory } = manager;
    const entry = memory?.cache.get(key);
    if (entry !== undefined && steadyNow() <= entry.expiresAt && inner.tags.isAlive(memory, key)) {
      memory.get(key);
      manager.stats.memoryHits += 1;
      const { earlyRefresh } = options;
      if (earlyRefresh) {
        const settings = settingsOf(options);
        const took = entry.more?.took ?? 0;
        const early = native.layerRefreshesEarly(steadyNow(), entry.expiresAt, took, settings.earlyRefresh, Math.random());
        if (early) refresh(manager, inner, key, loader, options, settings);
      }
      return Promise.resolve(entry.value);
    }
  } catch (error) {
    return Promise.reject(error);
  }
  return slowly(manager, inner, key, loader, options);
}

exports.getOrSet = getOrSet;
