'use strict';
// Memory over disk over a server that processes share: what is found below comes up for the rest of its time; what is
// invalidated goes from all of them, with what depends on it, and other processes hear of it.

const { native } = require('../../addon.cjs');
const { openCdn } = require('../../cache/cdn.cjs');
const { getOrSet } = require('../../cache/loading.cjs');
const { inMemory, overtake, readBelow } = require('../../cache/lookup.cjs');
const { nameOf } = require('../../cache/names.cjs');
const { openRemote } = require('../../cache/open-remote.cjs');
const { applyNotices, chainOf, matchingHere, removeKeys, stampTag } = require('../../cache/removal.cjs');
const { Tags } = require('../../cache/tags.cjs');
const { Waiters } = require('../../cache/waiters.cjs');
const { wildcard } = require('../../cache/wildcard.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { steadyNow } = require('../../resilience/steady.cjs');
const { textOf } = require('../../resilience/text.cjs');
const { DiskCacheLayer } = require('./DiskCacheLayer.cjs');
const { MemoryCacheLayer } = require('./MemoryCacheLayer.cjs');
const { observeReads } = require('../../trace/observed.cjs');

const MEMORY_SIZE = 500;
const MEMORY_TTL = 5000;
const LAYERS = ['memory', 'disk', 'remote'];
const INNER = Symbol('MultiLayerCacheManager');
const freed = new FinalizationRegistry((remote) => remote.close());

/** Removes what matches, here and everywhere: how many keys of this process, and whether all others know it. */
async function removeMatching(manager, { remote }, pattern) {
  const matching = await matchingHere(manager, pattern);
  await manager.invalidateAll(matching);
  return { count: matching.length, told: remote === null ? true : await remote.remove(['p', pattern]) };
}

class MultiLayerCacheManager {
  constructor(options = {}) {
    const { memory = {}, disk = {} } = options;
    const ttl = (memory && memory.ttl) || MEMORY_TTL;
    const weak = new WeakRef(this);
    const remote = openRemote(options, (pairs) => {
      const alive = weak.deref();
      if (alive !== undefined) applyNotices(alive, alive[INNER], pairs);
    });
    try {
      this.cdn = openCdn(options.cdn);
      this.memory = memory === false ? null : new MemoryCacheLayer({ ...memory, maxSize: memory.maxSize || MEMORY_SIZE, defaultTTL: ttl });
      this.disk = disk === false ? null : new DiskCacheLayer({ encryption: options.encryption, ...disk });
    } catch (error) {
      remote?.close();
      throw error;
    }
    this.dependencies = new Map();
    this.invalidationListeners = new Map();
    this.stats = { memoryHits: 0, diskHits: 0, misses: 0, writes: 0, deletes: 0, promotions: 0, invalidations: 0 };
    if (remote !== null) this.stats.remoteHits = 0;
    const inner = { ttl, remote, reads: new Map(), loads: new Map(), tags: new Tags(), waiters: new Waiters(), eventListeners: new Set() };
    inner.tags.always = remote !== null;
    Object.defineProperty(this, INNER, { value: inner });
    if (remote !== null) freed.register(this, remote, this);
    enroll('MultiLayerCacheManager', this, options, { stats: this.stats });
  }

  async set(key, value, ttl = this[INNER].ttl, layers = LAYERS, { tags, graceMs } = {}) {
    try {
      const inner = this[INNER];
      const wanted = typeof layers === 'string' ? [layers] : [...layers];
      const life = native.layerExpiry(ttl, inner.ttl, 0);
      const lives = Number.isNaN(life) ? 0 : life;
      overtake(inner, key);
      this.stats.writes += 1;
      // What an older write left in a layer that is not written now would come back.
      const more = inner.tags.moreOf({ tags, graceMs, lives });
      const below = inner.remote === null ? undefined : writeRemote(inner.remote, key, value, lives, more, wanted.includes('remote'));
      if (wanted.includes('memory')) this.memory?.set(key, value, lives, more);
      else this.memory?.delete(key);
      if (wanted.includes('disk')) await this.disk?.set(key, value, lives, more);
      if (below !== undefined) await below;
      return true;
    } catch {
      return false;
    }
  }

  async get(key) {
    try {
      const inner = this[INNER];
      if (this.memory?.has(key) && inMemory(this, inner, key) !== undefined) {
        this.stats.memoryHits += 1;
        return this.memory.get(key);
      }
      // Counted there too.
      if (this.memory !== null) this.memory.stats.misses += 1;
      if (this.disk === null && inner.remote === null) {
        this.stats.misses += 1;
        return undefined;
      }
      const { found, layer } = await readBelow(this, inner, key);
      const isHit = found !== undefined && steadyNow() <= found.expiresAt;
      if (this.disk !== null) this.disk.stats[isHit && layer === 'disk' ? 'hits' : 'misses'] += 1;
      if (isHit) this.stats[layer === 'disk' ? 'diskHits' : 'remoteHits'] += 1;
      else this.stats.misses += 1;
      return isHit ? found.value : undefined;
    } catch {
      this.stats.misses += 1;
      return undefined;
    }
  }

  async has(key) {
    try {
      const inner = this[INNER];
      if (this.memory?.has(key) && inMemory(this, inner, key) !== undefined) return true;
      if (inner.remote === null) return (await this.disk?.has(key)) ?? false;
      const { found } = await readBelow(this, inner, key);
      return found !== undefined && steadyNow() <= found.expiresAt;
    } catch {
      return false;
    }
  }

  /** Removes keys and what depends on them, each once: how many. */
  async invalidateAll(keys) {
    const all = chainOf(this, keys);
    await removeKeys(this, this[INNER], all);
    this.cdn?.forgetKeys(all);
    for (const key of all) {
      this.stats.invalidations += 1;
      this._notifyInvalidationListeners(key);
    }
    return all.size;
  }

  async invalidate(key) {
    try {
      const all = chainOf(this, [key]);
      const told = await removeKeys(this, this[INNER], all);
      this.cdn?.forgetKeys(all);
      for (const each of all) {
        this.stats.invalidations += 1;
        this._notifyInvalidationListeners(each);
      }
      return told;
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
    const inner = this[INNER];
    const told = inner.remote?.remove(['t', tag]);
    await stampTag(this, inner, tag);
    const done = (await told) ?? true;
    // Asked for meanwhile, it may have been the version before.
    inner.remote?.forgetTag(tag);
    // Last, so that what is fetched anew is made of what is new.
    this.cdn?.purge(tag);
    return done;
  }

  /** Removes every key that matches, with what depends on it. As {@link invalidate}; false also for what is no pattern. */
  async invalidatePattern(pattern) {
    try {
      const { told } = await removeMatching(this, this[INNER], pattern);
      return told;
    } catch {
      return false;
    }
  }

  /** As {@link invalidatePattern}; how many keys of this process matched. Rejects for what is no pattern. */
  async invalidateMatching(pattern) {
    const { count } = await removeMatching(this, this[INNER], pattern);
    return count;
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
    const { memoryHits, diskHits, remoteHits = 0, misses } = this.stats;
    const { remote } = this[INNER];
    return {
      ...this.stats,
      memory: this.memory?.getStats() ?? null,
      disk: (await this.disk?.getStats()) ?? null,
      ...(remote === null ? {} : { remote: remote.getStats() }),
      overallHitRate: native.layerHitRate(memoryHits + diskHits + remoteHits, misses),
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
    this.cdn?.release();
    const { remote } = this[INNER];
    if (remote === null) return;
    freed.unregister(this);
    remote.close();
  }

  /** Tells other processes of an event, with what was done about it here already. */
  publishEvent(key, done = []) {
    const { remote } = this[INNER];
    return remote === null ? Promise.resolve(true) : remote.publish(['e', JSON.stringify([textOf(key), done])]);
  }

  /** Calls back with the key of each event of another process, and what was done about it there. */
  onEvent(listener) {
    this[INNER].eventListeners.add(listener);
  }

  _hearEvent(text) {
    try {
      const [key, done] = JSON.parse(text);
      for (const listener of this[INNER].eventListeners) Promise.resolve(listener(key, done)).catch(warn);
    } catch (error) {
      warn(error);
    }
  }

  /** Removes what depends on a key. */
  async _cascadeInvalidate(key) {
    const [, ...dependents] = chainOf(this, [key]);
    await this.invalidateAll(dependents);
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

/** Writes a value, or removes the older one where there is nothing to write, and tells the others. */
async function writeRemote(remote, key, value, lives, more, isWanted) {
  const name = nameOf(key);
  if (name === undefined) return;
  let json;
  try {
    json = isWanted && lives > 0 && remote.keepsValues ? JSON.stringify(value) : undefined;
  } catch {
    // It has no JSON: it stays in this process.
  }
  const tagged = json === undefined ? null : await remote.tagged(more.tags);
  if (!remote.keepsValues) await remote.publish(['w', name]);
  else if (json === undefined || tagged === null) await remote.remove(['k', name]);
  else if (await remote.write(name, json, steadyNow() + lives, more, tagged)) await remote.publish(['w', name]);
}

const warn = (error) => process.emitWarning(`a listener for invalidations threw (${error?.name ?? typeof error})`);

observeReads(MultiLayerCacheManager);

exports.MultiLayerCacheManager = MultiLayerCacheManager;
exports.default = MultiLayerCacheManager;
Object.defineProperty(exports, '__esModule', { value: true });
