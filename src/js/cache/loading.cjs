'use strict';
// Values that are made when they are missing: one load for a key, expired values that stand in while it runs or when it
// fails, limits to how long a caller waits. The load itself goes on whatever its callers do, unless all have given it up.

const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { limited } = require('../resilience/attempt.cjs');
const { steadyNow } = require('../resilience/steady.cjs');
const { leased } = require('./leasing.cjs');
const { inMemory, isCovered, overtake, readBelow } = require('./lookup.cjs');
const { nameOf } = require('./names.cjs');

const cells = new Float64Array(5);

function settingsOf(options) {
  native.layerLoadConfig(options, cells);
  const [graceMs, softTimeout, hardTimeout, negativeTtl, earlyRefresh] = cells;
  const { lock = 'local' } = options;
  if (lock !== 'local' && lock !== 'distributed') throw new TypeError('option "lock" must be "local" or "distributed"');
  return { graceMs, softTimeout, hardTimeout, negativeTtl, earlyRefresh, lock };
}

/** One load under way, and how many wait for it. */
class Load {
  overtaken = false;
  /** Overtaken by what may have been before it: what it finds is not kept here, but offered to the server, which knows. */
  inDoubt = false;
  waiting = 0;
  controller = new AbortController();
  promise = undefined;
  /** The version of the key on the server when the load began; undefined when that is not known. */
  seen = undefined;
  /** Its tags; and each with the version it had when the load began, where that is known. */
  tags = [];
  tagged = undefined;
  /** Tags and versions in turn that became old while that was not known yet. */
  early = [];
  /** The lease of the key, where there is one. */
  token = '';

  /** `begun`: from when on what it finds is right. */
  constructor(begun) {
    this.begun = begun;
  }

  /** Whether the tag makes it old; not if it began when the tag had that version already, or a later one: they grow. */
  belongsTo(tag, version) {
    if (!this.tags.includes(tag)) return false;
    if (version === undefined) return true;
    if (this.tagged === undefined) this.early.push(tag, version);
    return this.tagged !== undefined && !(this.tagged.get(tag) >= version);
  }

  /** It begins when its tags have these versions (in turn with their names; null when they are not known): false if one is old. */
  begin(tagged) {
    this.tagged = new Map();
    for (let index = 0; index < (tagged?.length ?? 0); index += 2) this.tagged.set(tagged[index], Number(tagged[index + 1]));
    const { early } = this;
    return !early.some((tag, index) => index % 2 === 0 && this.belongsTo(tag, early[index + 1]));
  }

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
function loadOf(manager, inner, key, loader, options, settings, seen) {
  const known = inner.loads.get(key);
  if (known !== undefined && isCovered(inner, known.begun)) return known;
  const load = new Load(inner.tags.now());
  load.seen = seen;
  if (options.tags !== undefined) load.tags = [...options.tags];
  load.promise = run(manager, inner, key, loader, options, settings, load).finally(() => {
    if (inner.loads.get(key) === load) inner.loads.delete(key);
  });
  // Whoever waits hears of a failure; where nobody does, nobody has to.
  load.promise.catch(() => {});
  inner.loads.set(key, load);
  return load;
}

async function run(manager, inner, key, loader, options, settings, load) {
  const { remote } = inner;
  const name = remote?.keepsValues ? nameOf(key) : undefined;
  const make = async () => {
    // Before it begins, so that what is invalidated while it runs is newer.
    const tagged = name === undefined ? [] : await remote.tagged(load.tags);
    if (!load.begin(tagged)) overtake(inner, key);
    const began = performance.now();
    load.begun = inner.tags.now();
    const context = { signal: load.controller.signal };
    if (load.token !== '') context.fencingToken = load.token;
    const value = await loader(key, context);
    if (!load.overtaken || load.inDoubt) await store(manager, inner, key, value, { took: performance.now() - began, options, settings, load, name, tagged });
    return value;
  };
  if (name === undefined) return make();
  if (load.seen === undefined) load.seen = (await remote.read(name))?.version;
  if (settings.lock !== 'distributed') return make();
  return leased(manager, inner, key, name, load, make);
}

async function store(manager, inner, key, value, { took, options: { ttl, tags }, settings: { graceMs, negativeTtl }, load, name, tagged }) {
  const isNothing = value === undefined || value === null;
  if (value === undefined && !(negativeTtl > 0)) return;
  const wanted = isNothing && negativeTtl > 0 ? negativeTtl : typeof ttl === 'function' ? ttl(value) : ttl;
  const life = native.layerExpiry(wanted, inner.ttl, 0);
  const lives = Number.isNaN(life) ? 0 : life;
  const more = inner.tags.moreOf({ tags, graceMs, lives, took, stamp: load.begun });
  if (more !== undefined && load.seen !== undefined) more.seen = load.seen;
  manager.stats.writes += 1;
  if (!load.overtaken) manager.memory?.set(key, value, lives, more);
  // JSON has no undefined: that there is nothing is remembered in memory alone.
  if (value === undefined) return;
  if (name !== undefined && load.seen !== undefined && tagged !== null && lives > 0) {
    const shared = share(manager, inner, key, value, lives, more, load, name, tagged);
    // Who waits for the lease elsewhere waits for this; who waits here need not.
    if (load.token !== '') await shared;
  }
  if (load.overtaken) return;
  await manager.disk?.set(key, value, lives, more);
  // Invalidated while it was being written.
  if (load.overtaken) await manager.disk?.delete(key);
}

/** Stores a loaded value on the server, unless the key has changed there since the load began: then it is old here too. */
async function share(manager, inner, key, value, lives, more, load, name, tagged) {
  const json = JSON.stringify(value);
  if (json === undefined) return;
  const { remote } = inner;
  const stored = await remote.writeLoaded(name, json, steadyNow() + lives, more, tagged, load.seen, load.token);
  if (stored !== false) return;
  if (manager.memory?.cache.get(key)?.more === more) manager.memory.delete(key);
  const onDisk = await manager.disk?._read(key, { stale: true });
  if (onDisk?.more.stamp === more.stamp) await manager.disk.delete(key);
}

/** Loads anew beside what is served. */
function refresh(manager, inner, key, loader, options, settings) {
  loadOf(manager, inner, key, loader, options, settings);
}

const stands = (found) => found !== undefined && (found.more?.staleUntil ?? found.expiresAt) >= steadyNow();

async function slowly(manager, inner, key, loader, options) {
  const settings = settingsOf(options);
  const { signal } = options;
  signal?.throwIfAborted();
  const entry = inMemory(manager, inner, key);
  let [found, seen] = [stands(entry) ? entry : undefined, undefined];
  // What another process has loaded meanwhile is better than what has expired here.
  if (found === undefined || inner.remote !== null) {
    const read = await readBelow(manager, inner, key);
    seen = read.version;
    if (read.found !== undefined || (seen !== undefined && seen !== 0)) found = read.found;
    if (found !== undefined && steadyNow() <= found.expiresAt) {
      manager.stats[read.layer === 'remote' ? 'remoteHits' : 'diskHits'] += 1;
      if (native.layerRefreshesEarly(steadyNow(), found.expiresAt, found.more?.took ?? 0, settings.earlyRefresh, Math.random())) {
        refresh(manager, inner, key, loader, options, settings);
      }
      return found.value;
    }
  }
  manager.stats.misses += 1;
  const load = loadOf(manager, inner, key, loader, options, settings, seen);
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
    const entry = inMemory(manager, inner, key);
    if (entry !== undefined && steadyNow() <= entry.expiresAt) {
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
