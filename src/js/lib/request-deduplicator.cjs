'use strict';
// One run for all who ask for the same key at the same time, and its result for those who ask later.

const { native } = require('../addon.cjs');
const { Deadline } = require('../resilience/deadlines.cjs');
const { digest } = require('../resilience/digest.cjs');
const { evictOldest } = require('../resilience/evict.cjs');
const { enroll } = require('../metrics/members.cjs');
const { steadyNow } = require('../resilience/steady.cjs');
const { textOf } = require('../resilience/text.cjs');
const { FallbackResult } = require('./circuit-breaker.cjs').CircuitBreaker;

const CLEAN_EVERY = 60000;
const HASH_DIGITS = 16;
/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('RequestDeduplicator');

/** A result that is kept. */
class Entry {
  constructor(result, until, stale, used) {
    this.result = result;
    /** Milliseconds since the epoch, on a clock that never goes back. */
    this.until = until;
    /** How long beyond `until` it may be served while it is refreshed. */
    this.stale = stale;
    /** The stamp of its last use. */
    this.used = used;
  }
}

/** One run under way. */
class Flight extends Deadline {
  constructor(owner, key, ttl, stale, timeout) {
    super();
    this.owner = owner;
    this.key = key;
    this.ttl = ttl;
    this.stale = stale;
    this.timeout = timeout;
    this.controller = null;
    this.done = false;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
  }

  /** Whether the outcome still counts: neither cleared nor given up. A newer run of the key is left alone. */
  end() {
    this.done = true;
    this.stop();
    const { pending } = this.owner;
    return pending.get(this.key) === this.promise && pending.delete(this.key);
  }

  fulfilled(value) {
    if (this.done) return;
    try {
      if (this.end() && this.ttl > 0 && !(value instanceof FallbackResult)) {
        this.owner.setCache(this.key, value, this.ttl, this.stale);
      }
    } catch (error) {
      this.reject(error);
      return;
    }
    this.resolve(value);
  }

  rejected(error) {
    if (this.done) return;
    this.end();
    this.reject(error);
  }

  expired() {
    const error = native.resilienceTimeoutError(textOf(this.timeout));
    this.rejected(error);
    this.controller?.abort(error);
  }
}

const either = (asked, otherwise) => (asked === undefined ? otherwise : native.resilienceLifetime(asked, otherwise));

/** Starts a run that later callers join. */
function lead(owner, key, fn, options) {
  const inner = owner[INNER];
  const ttl = native.dedupLifetime(options.cacheTTL, options.ttlMs, owner.cacheTTL);
  const stale = either(options.staleWhileRevalidateMs, inner.stale);
  const flight = new Flight(owner, key, ttl, stale, either(options.timeoutMs, inner.timeout));
  owner.pending.set(key, flight.promise);
  try {
    if (flight.timeout > 0) flight.start(flight.timeout);
    if (fn.length > 0) flight.controller = new AbortController();
    const result = flight.controller === null ? fn() : fn(flight.controller.signal);
    Promise.resolve(result).then(
      (value) => flight.fulfilled(value),
      (error) => flight.rejected(error),
    );
  } catch (error) {
    flight.rejected(error);
  }
  return flight.promise;
}

/** An expired result that may still be served. */
function staleEntry(cache, key) {
  const entry = cache.get(key);
  return entry !== undefined && entry.result !== null && steadyNow() <= entry.until + (entry.stale || 0) ? entry : undefined;
}

/** Cleans up while the instance is in use; holds neither the process nor the instance. */
function startCleaning(instance) {
  const reference = new WeakRef(instance);
  const timer = setInterval(() => {
    const alive = reference.deref();
    if (alive === undefined) clearInterval(timer);
    else alive.cleanExpiredCache();
  }, CLEAN_EVERY);
  return timer.unref();
}

class RequestDeduplicator {
  constructor(options = {}) {
    const cells = new Float64Array(5);
    native.dedupConfig(options, cells);
    const [cacheTTL, maxConcurrency, maxEntries, timeout, stale] = cells;
    this.pending = new Map();
    this.cache = new Map();
    this.cacheTTL = cacheTTL;
    this.maxConcurrency = maxConcurrency;
    this.metrics = { totalRequests: 0, dedupHits: 0, cacheHits: 0, cacheMisses: 0, staleHits: 0, evictions: 0 };
    Object.defineProperty(this, INNER, { value: { maxEntries, timeout, stale, stamp: 0 } });
    enroll('RequestDeduplicator', this, options, { stats: this.metrics });
    Object.defineProperty(this, 'cleanupTimer', { value: startCleaning(this), writable: true, configurable: true });
  }

  // Not an `async` function: that would put another promise around the one there is.
  deduplicate(key, fn, options = {}) {
    try {
      const { metrics } = this;
      metrics.totalRequests += 1;
      const cached = this.getFromCache(key);
      if (cached !== null) {
        metrics.cacheHits += 1;
        return Promise.resolve(cached);
      }
      const stale = staleEntry(this.cache, key);
      if (stale !== undefined) {
        metrics.cacheHits += 1;
        metrics.staleHits += 1;
        // A refresh that fails leaves the stale result where it is.
        if (!this.pending.has(key)) lead(this, key, fn, options).catch(() => {});
        return Promise.resolve(stale.result);
      }
      const running = this.pending.get(key);
      if (running !== undefined) {
        metrics.dedupHits += 1;
        return running;
      }
      metrics.cacheMisses += 1;
      return lead(this, key, fn, options);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  getHash(text, context = '') {
    return digest([text, context], HASH_DIGITS);
  }

  getFromCache(key) {
    const entry = this.cache.get(key);
    if (entry === undefined) return null;
    const now = steadyNow();
    if (now > entry.until) {
      if (now > entry.until + (entry.stale || 0)) this.cache.delete(key);
      return null;
    }
    entry.used = ++this[INNER].stamp;
    return entry.result;
  }

  setCache(key, result, ttlMs, staleMs = this[INNER].stale) {
    const inner = this[INNER];
    const ttl = native.resilienceLifetime(ttlMs, this.cacheTTL);
    if (!(ttl > 0)) {
      this.cache.delete(key);
      return;
    }
    this.cache.set(key, new Entry(result, steadyNow() + ttl, staleMs, ++inner.stamp));
    if (this.cache.size > inner.maxEntries) this.metrics.evictions += evictOldest(this.cache, inner.maxEntries);
  }

  cleanExpiredCache() {
    const now = steadyNow();
    for (const [key, entry] of this.cache) if (now > entry.until + (entry.stale || 0)) this.cache.delete(key);
  }

  /** Forgets everything; a run under way still answers its callers, and its result is not kept. */
  clear() {
    this.pending.clear();
    this.cache.clear();
  }

  getState() {
    const { metrics } = this;
    return {
      pendingRequests: this.pending.size,
      cachedEntries: this.cache.size,
      cacheSize: this.cache.size,
      deduplicationHitRate: native.dedupHitRate(metrics.dedupHits + metrics.cacheHits, metrics.totalRequests),
      metrics,
    };
  }

  /** Stops the cleaning and forgets everything. It still answers afterwards. */
  destroy() {
    clearInterval(this.cleanupTimer);
    this.cleanupTimer = null;
    this.clear();
  }
}

exports.RequestDeduplicator = RequestDeduplicator;
exports.default = RequestDeduplicator;
Object.defineProperty(exports, '__esModule', { value: true });
