'use strict';
// Memory over disk: what is found below comes up for the rest of its time; what is invalidated goes from both, with what
// depends on it.

const { native } = require('../../addon.cjs');
const { getOrSet } = require('../../cache/loading.cjs');
const { Tags } = require('../../cache/tags.cjs');
const { wildcard } = require('../../cache/wildcard.cjs');
const { steadyNow } = require('../../resilience/steady.cjs');
const { textOf } = require('../../resilience/text.cjs');
const { DiskCacheLayer } = require('./DiskCacheLayer.cjs');
const { MemoryCacheLayer } = require('./MemoryCacheLayer.cjs');

const MEMORY_SIZE = 500;
const MEMORY_TTL = 5000;
const LAYERS = ['memory', 'disk'];
const INNER = Symbol('MultiLayerCacheManager');

/** A key changed: what is being read for it from disk is old. */
function overtake(manager, key) {
  const { reads, loads } = manager[INNER];
  const load = loads.get(key);
  if (load !== undefined) {
    load.overtaken = true;
    loads.delete(key);
  }
  const read = reads.get(key);
  if (read === undefined) return;
  read.overtaken = true;
  reads.delete(key);
}

/** The key itself, and what depends on it in any way, nearest first. */
function chainOf(manager, key) {
  const chain = new Set([key]);
  for (const each of chain) for (const dependent of manager.dependencies.get(each) ?? []) chain.add(dependent);
  return [...chain];
}

async function remove(manager, key) {
  overtake(manager, key);
  const inMemory = manager.memory?.delete(key) ?? false;
  const onDisk = (await manager.disk?.has(key)) ?? false;
  await manager.disk?.delete(key);
  // A read that began meanwhile may have seen what is gone now.
  overtake(manager, key);
  if (inMemory || onDisk) manager.stats.deletes += 1;
}

/** Reads from disk and brings the value up; readers of one key share the read. */
function readBelow(manager, key) {
  const { reads } = manager[INNER];
  const known = reads.get(key);
  if (known !== undefined) return known.promise;
  const read = { overtaken: false, promise: undefined };
  read.promise = (async () => {
    try {
      const found = await manager.disk._read(key);
      if (found === undefined || read.overtaken) return found;
      const left = found.expiresAt - steadyNow();
      manager.memory?.set(key, found.value, Math.min(left, manager[INNER].ttl), found.more);
      if (manager.memory !== null) manager.stats.promotions += 1;
      return found;
    } finally {
      if (reads.get(key) === read) reads.delete(key);
    }
  })();
  reads.set(key, read);
  return read.promise;
}

class MultiLayerCacheManager {
  constructor(options = {}) {
    const { memory = {}, disk = {} } = options;
    const ttl = (memory && memory.ttl) || MEMORY_TTL;
    this.memory = memory === false ? null : new MemoryCacheLayer({ ...memory, maxSize: memory.maxSize || MEMORY_SIZE, defaultTTL: ttl });
    this.disk = disk === false ? null : new DiskCacheLayer(disk);
    this.dependencies = new Map();
    this.invalidationListeners = new Map();
    this.stats = { memoryHits: 0, diskHits: 0, misses: 0, writes: 0, deletes: 0, promotions: 0, invalidations: 0 };
    Object.defineProperty(this, INNER, { value: { ttl, reads: new Map(), loads: new Map(), tags: new Tags() } });
  }

  async set(key, value, ttl = this[INNER].ttl, layers = LAYERS, { tags, graceMs } = {}) {
    try {
      const wanted = typeof layers === 'string' ? [layers] : [...layers];
      const life = native.layerExpiry(ttl, this[INNER].ttl, 0);
      const lives = Number.isNaN(life) ? 0 : life;
      overtake(this, key);
      this.stats.writes += 1;
      // What an older write left in a layer that is not written now would come back.
      const more = this[INNER].tags.moreOf({ tags, graceMs, lives });
      if (wanted.includes('memory')) this.memory?.set(key, value, lives, more);
      else this.memory?.delete(key);
      if (wanted.includes('disk')) await this.disk?.set(key, value, lives, more);
      return true;
    } catch {
      return false;
    }
  }

  async get(key) {
    try {
      if (this.memory?.has(key) && this[INNER].tags.isAlive(this.memory, key)) {
        this.stats.memoryHits += 1;
        return this.memory.get(key);
      }
      // Counted there too.
      this.memory?.get(key);
      const found = this.disk === null ? undefined : await readBelow(this, key);
      if (this.disk !== null) this.disk.stats[found === undefined ? 'misses' : 'hits'] += 1;
      if (found === undefined) this.stats.misses += 1;
      else this.stats.diskHits += 1;
      return found?.value;
    } catch {
      this.stats.misses += 1;
      return undefined;
    }
  }

  async has(key) {
    try {
      if (this.memory?.has(key) && this[INNER].tags.isAlive(this.memory, key)) return true;
      return (await this.disk?.has(key)) ?? false;
    } catch {
      return false;
    }
  }

  /** Removes keys and what depends on them, each once: how many. */
  async invalidateAll(keys) {
    const all = new Set(keys);
    for (const each of all) for (const dependent of this.dependencies.get(each) ?? []) all.add(dependent);
    await Promise.all([...all].map((key) => remove(this, key)));
    for (const key of all) {
      this.stats.invalidations += 1;
      this._notifyInvalidationListeners(key);
    }
    return all.size;
  }

  async invalidate(key) {
    try {
      await remove(this, key);
      this.stats.invalidations += 1;
      this._notifyInvalidationListeners(key);
      await this._cascadeInvalidate(key);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * The value of a key, or what `loader` makes of it; one load at a time for a key. See MultiLayerCacheManager.d.cts for
   * the options.
   */
  getOrSet(key, loader, options) {
    return getOrSet(this, this[INNER], key, loader, options);
  }

  /** Makes everything old that was stored with the tag, in one step however much it is. */
  async invalidateTag(tag) {
    if (typeof tag !== 'string') throw new TypeError('a tag must be a string');
    const { loads, reads, tags } = this[INNER];
    const stamp = tags.invalidate(tag);
    // What is being read or loaded may belong to it.
    for (const key of [...loads.keys(), ...reads.keys()]) overtake(this, key);
    this.stats.invalidations += 1;
    await this.disk?._stampTag(tag, stamp);
  }

  /** Removes every key that matches, with what depends on it: true, or false for what is no pattern. */
  async invalidatePattern(pattern) {
    try {
      await this.invalidateMatching(pattern);
      return true;
    } catch {
      return false;
    }
  }

  /** As {@link invalidatePattern}; how many keys matched. Rejects for what is no pattern. */
  async invalidateMatching(pattern) {
    const regex = this._patternToRegex(pattern);
    const keys = new Set([...(this.memory?.cache.keys() ?? []), ...((await this.disk?.keys()) ?? [])]);
    const matching = [...keys].filter((key) => typeof key === 'string' && regex.test(key));
    await this.invalidateAll(matching);
    return matching.length;
  }

  registerDependency(dependentKey, independentKey) {
    const dependents = this.dependencies.get(independentKey);
    if (dependents === undefined) this.dependencies.set(independentKey, new Set([dependentKey]));
    else dependents.add(dependentKey);
  }

  setInvalidationListener(pattern, callback) {
    const callbacks = this.invalidationListeners.get(pattern);
    if (callbacks === undefined) this.invalidationListeners.set(pattern, new Set([callback]));
    else callbacks.add(callback);
  }

  removeInvalidationListener(pattern, callback) {
    const callbacks = this.invalidationListeners.get(pattern);
    callbacks?.delete(callback);
    if (callbacks?.size === 0) this.invalidationListeners.delete(pattern);
  }

  /** When the value of a key in memory was written, in milliseconds since 1970; undefined where that is not known. */
  writtenAt(key) {
    return this.memory?.cache.get(key)?.createdAt;
  }

  async getStats() {
    const { memoryHits, diskHits, misses } = this.stats;
    return {
      ...this.stats,
      memory: this.memory?.getStats() ?? null,
      disk: (await this.disk?.getStats()) ?? null,
      overallHitRate: native.layerHitRate(memoryHits + diskHits, misses),
    };
  }

  async optimize() {
    this.memory?._cleanup();
    await this.disk?.vacuum();
    return true;
  }

  destroy() {
    this.memory?.destroy();
    this.disk?.destroy();
  }

  async _cascadeInvalidate(key) {
    const [, ...dependents] = chainOf(this, key);
    await Promise.all(dependents.map((dependent) => remove(this, dependent)));
    for (const dependent of dependents) {
      this.stats.invalidations += 1;
      this._notifyInvalidationListeners(dependent);
    }
  }

  _notifyInvalidationListeners(key) {
    for (const [pattern, callbacks] of [...this.invalidationListeners]) {
      let matches = false;
      try {
        matches = pattern === key || this._patternToRegex(pattern).test(textOf(key));
      } catch {
        // No pattern: it matches nothing but itself.
      }
      if (!matches) continue;
      for (const callback of [...callbacks]) {
        try {
          Promise.resolve(callback(key)).catch((error) => warn(error));
        } catch (error) {
          warn(error);
        }
      }
    }
  }

  _patternToRegex(pattern) {
    return wildcard(pattern);
  }
}

const warn = (error) => process.emitWarning(`a listener for invalidations threw (${error?.name ?? typeof error})`);

exports.MultiLayerCacheManager = MultiLayerCacheManager;
exports.default = MultiLayerCacheManager;
Object.defineProperty(exports, '__esModule', { value: true });
