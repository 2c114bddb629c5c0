'use strict';
// Caches of all kinds: which tier answered, and how much is kept where. Never a key or a value.

const { Latest } = require('./latest.cjs');
const { Rates } = require('./rate.cjs');

/** Measuring a folder takes longer than reading counters. */
const SIZE_EVERY_MS = 5000;

/** Hits by tier, the fastest first, of the statistics of PersistentCache, the layers or their manager. */
function tiersOf(stats) {
  const layered = Object.keys(stats).filter((key) => /^(memory|disk|remote|cdn)Hits$/.test(key));
  if (stats.memoryHits !== undefined)
    return Object.fromEntries(layered.map((key) => [key.slice(0, -'Hits'.length), stats[key]]));
  const { hits = 0, reads, sharedHits = 0, remoteHits } = stats;
  if (stats.currentEntries !== undefined) return { disk: hits };
  if (stats.memorySize === undefined || reads === undefined) return { memory: hits };
  const here = { memory: Math.max(hits - reads - (remoteHits ?? 0), 0), shared: sharedHits, disk: Math.max(reads - sharedHits, 0) };
  return remoteHits === undefined ? here : { ...here, remote: remoteHits };
}

const numbers = (object) => Object.fromEntries(Object.entries(object).filter(([, value]) => Number.isFinite(value)));

class CacheReader {
  #cache;
  #stats = new Latest();
  #size = new Latest();
  #rates = new Rates();

  constructor(cache) {
    this.#cache = cache;
  }

  read(now) {
    const asked = this.#cache.getStats();
    const stats = typeof asked?.then === 'function' ? this.#stats.ask(() => asked, now) : asked;
    if (stats === undefined || stats === null) return { pending: true };
    const tiers = tiersOf(stats);
    const hits = Object.values(tiers).reduce((sum, each) => sum + each, 0);
    const { misses = 0 } = stats;
    const rates = this.#rates.next({ hits, misses }, now);
    const lookups = rates.hits === null ? null : rates.hits + rates.misses;
    return {
      kind: this.#cache.constructor?.name,
      tiers,
      misses,
      hitRate: hits + misses > 0 ? hits / (hits + misses) : null,
      lookupsPerSecond: lookups,
      ...this.#use(stats, now),
      points: { hitRate: lookups > 0 ? rates.hits / lookups : NaN, lookups },
    };
  }

  #use(stats, now) {
    const memory = stats.memory ?? stats;
    const disk = stats.disk ?? (stats.currentEntries === undefined ? {} : stats);
    const measured =
      typeof this.#cache.getSize === 'function'
        ? this.#size.ask(() => this.#cache.getSize(), now, SIZE_EVERY_MS)
        : undefined;
    return numbers({
      memoryItems: stats.memorySize ?? (disk === stats ? undefined : memory.currentSize),
      memoryMost: stats.maxMemory ?? this.#cache.maxSize ?? this.#cache.memory?.maxSize,
      diskBytes: measured ?? disk.currentSize,
      diskItems: disk.currentEntries,
      writes: stats.writes,
      evictions: stats.evictions ?? memory.evictions,
      pendingWrites: stats.pendingWrites,
    });
  }
}

module.exports = { CacheReader };
