'use strict';
// What has to go together: keys that depend on keys, and patterns of keys that an event of another one makes old.

const { wildcard } = require('../../cache/wildcard.cjs');
const { textOf } = require('../../resilience/text.cjs');

function add(map, key, value) {
  const known = map.get(key);
  if (known === undefined) map.set(key, new Set([value]));
  else known.add(value);
}

class CacheInvalidationStrategies {
  constructor(cacheManager) {
    this.cache = cacheManager;
    this.eventMap = new Map();
    this.dependencyGraph = new Map();
    this.reverseDependencyGraph = new Map();
    this.stats = { cascades: 0, patternMatches: 0, eventTriggered: 0 };
    const weak = new WeakRef(this);
    // What another process has triggered; the patterns that are mapped there too are done already.
    cacheManager?.onEvent?.((key, done) => weak.deref()?._trigger(key, new Set(done)));
  }

  registerDependency(key, dependsOnKey) {
    add(this.dependencyGraph, dependsOnKey, key);
    add(this.reverseDependencyGraph, key, dependsOnKey);
  }

  /** The key and what depends on it, here or at the cache, each once: how many were invalidated. */
  async invalidateWithDependents(key) {
    try {
      const chain = this._impactChain(key);
      this.stats.cascades += 1;
      if (typeof this.cache.invalidateAll === 'function') return await this.cache.invalidateAll(chain);
      const done = await Promise.all(chain.map(async (each) => (await this.cache.invalidate(each)) !== false));
      return done.filter(Boolean).length;
    } catch {
      return 0;
    }
  }

  registerEventMapping(sourcePattern, ...patterns) {
    for (const pattern of patterns) add(this.eventMap, sourcePattern, pattern);
    if (!this.eventMap.has(sourcePattern)) this.eventMap.set(sourcePattern, new Set());
  }

  /** How many patterns were invalidated; the statistics count the keys. */
  async triggerEventInvalidation(key) {
    try {
      const { targets, done } = await this._trigger(key, new Set());
      await this.cache.publishEvent?.(key, targets);
      return done;
    } catch {
      return 0;
    }
  }

  /** The patterns mapped to the event, without those that are `past`, and how many of them were invalidated. */
  async _trigger(key, past) {
    const targets = new Set();
    for (const [source, patterns] of this.eventMap) {
      if (this._matches(source, key)) for (const pattern of patterns) if (!past.has(pattern)) targets.add(pattern);
    }
    if (targets.size === 0) return { targets: [], done: 0 };
    this.stats.eventTriggered += 1;
    const done = await Promise.all([...targets].map((pattern) => this._invalidatePattern(pattern)));
    return { targets: [...targets], done: done.filter(Boolean).length };
  }

  setInvalidationListener(pattern, callback) {
    this.cache.setInvalidationListener(pattern, callback);
  }

  async batchInvalidate(keys) {
    try {
      const all = [...keys];
      await Promise.all(all.map((key) => this.cache.invalidate(key)));
      return all.length;
    } catch {
      return 0;
    }
  }

  analyzeDependencies(key) {
    return {
      key,
      directlyDependsOn: [...(this.reverseDependencyGraph.get(key) ?? [])],
      directlyDependents: [...(this.dependencyGraph.get(key) ?? [])],
      impactChain: this._impactChain(key),
    };
  }

  getStats() {
    const totalEventMappings = [...this.eventMap.values()].reduce((sum, patterns) => sum + patterns.size, 0);
    return { ...this.stats, totalDependencies: this.dependencyGraph.size, totalEventMappings };
  }

  /** Breadth-first; the cache's own dependencies count as much as those registered here. */
  _impactChain(key) {
    const chain = new Set([key]);
    const own = this.cache?.dependencies;
    for (const each of chain) {
      for (const dependent of this.dependencyGraph.get(each) ?? []) chain.add(dependent);
      if (own instanceof Map) for (const dependent of own.get(each) ?? []) chain.add(dependent);
    }
    return [...chain];
  }

  async _invalidatePattern(pattern) {
    if (typeof this.cache.invalidateMatching === 'function') {
      const count = await this.cache.invalidateMatching(pattern);
      this.stats.patternMatches += count;
      return true;
    }
    return (await this.cache.invalidatePattern(pattern)) !== false;
  }

  _matches(pattern, key) {
    try {
      return this._patternToRegex(pattern).test(textOf(key));
    } catch {
      return false;
    }
  }

  _patternToRegex(pattern) {
    return wildcard(pattern);
  }
}

exports.CacheInvalidationStrategies = CacheInvalidationStrategies;
exports.default = CacheInvalidationStrategies;
Object.defineProperty(exports, '__esModule', { value: true });
