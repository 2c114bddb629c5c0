'use strict';
// A cache in memory that forgets what was not used for longest. Every operation takes the same short time: the entries are
// the nodes of the list that keeps their order.

const { native } = require('../../addon.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { steadyNow } = require('../../resilience/steady.cjs');

const CLEANUP_MS = 60_000;
const INNER = Symbol('MemoryCacheLayer');

class Entry {
  constructor(key, value, expiresAt, ttl, more) {
    this.key = key;
    this.value = value;
    this.expiresAt = expiresAt;
    this.ttl = ttl;
    this.createdAt = steadyNow();
    /** Until when it may stand in for a new value that is being loaded. */
    this.staleUntil = Math.max(expiresAt, more?.staleUntil ?? 0);
    /** For who loads and tags values. */
    this.more = more;
    this.prev = null;
    this.next = null;
  }

  toJSON() {
    const { key, value, expiresAt, ttl } = this;
    return { key, value, expiresAt, ttl };
  }
}

/** Removes expired entries now and then; holds neither the process nor a layer that nobody has any more. */
function startCleanup(layer) {
  const weak = new WeakRef(layer);
  const timer = setInterval(() => {
    const alive = weak.deref();
    if (alive === undefined) clearInterval(timer);
    else alive._cleanup();
  }, CLEANUP_MS);
  timer.unref?.();
  return timer;
}

class MemoryCacheLayer {
  constructor(options = {}) {
    const cells = new Float64Array(2);
    native.layerMemoryConfig(options, cells);
    [this.maxSize, this.defaultTTL] = cells;
    this.cache = new Map();
    this.head = null;
    this.tail = null;
    this.stats = { hits: 0, misses: 0, evictions: 0, writes: 0, deletes: 0, expirations: 0, currentSize: 0 };
    // No entry expires before it: a full layer looks for expired ones only when there can be any.
    Object.defineProperty(this, INNER, { value: { timer: startCleanup(this), soonest: Infinity } });
    for (const end of ['head', 'tail']) Object.defineProperty(this, end, { enumerable: false, writable: true });
    enroll('MemoryCacheLayer', this, options, { stats: this.stats });
  }

  /** Key → node of the list of uses; the entries themselves. */
  get accessOrder() {
    return this.cache;
  }

  /** The timer that removes expired entries; null once destroyed. */
  get cleanupInterval() {
    return this[INNER].timer;
  }

  set(key, value, ttl = this.defaultTTL, more = undefined) {
    const expiresAt = native.layerExpiry(ttl, this.defaultTTL, steadyNow());
    this.stats.writes += 1;
    const known = this.cache.get(key);
    if (known !== undefined) this._removeLRUNode(key);
    if (Number.isNaN(expiresAt) || this.maxSize === 0) {
      this.stats.currentSize = this.cache.size;
      return;
    }
    if (this.cache.size >= this.maxSize && steadyNow() > this[INNER].soonest) this._cleanup();
    while (this.cache.size >= this.maxSize) this._evictLRU();
    this[INNER].soonest = Math.min(this[INNER].soonest, Math.max(expiresAt, more?.staleUntil ?? 0));
    this._addToLRU(key, new Entry(key, value, expiresAt, ttl, more));
    this.stats.currentSize = this.cache.size;
  }

  get(key) {
    const entry = this.cache.get(key);
    if (entry === undefined || this._hasExpired(entry)) {
      this.stats.misses += 1;
      return undefined;
    }
    if (this.head !== entry) this._moveLRUNodeToHead(key);
    this.stats.hits += 1;
    return entry.value;
  }

  has(key) {
    const entry = this.cache.get(key);
    return entry !== undefined && !this._hasExpired(entry);
  }

  delete(key) {
    if (!this.cache.has(key)) return false;
    this._removeLRUNode(key);
    this.stats.deletes += 1;
    this.stats.currentSize = this.cache.size;
    return true;
  }

  clear() {
    this.cache.clear();
    this.head = null;
    this.tail = null;
    this[INNER].soonest = Infinity;
    this.stats.currentSize = 0;
  }

  getStats() {
    return { ...this.stats, hitRate: native.layerHitRate(Number(this.stats.hits), Number(this.stats.misses)) };
  }

  setMaxSize(size) {
    const wanted = native.layerSize(Number(size));
    if (Number.isNaN(wanted)) throw new TypeError(`maxSize must be a number, got ${typeof size}`);
    this.maxSize = wanted;
    if (this.cache.size > wanted) this._cleanup();
    while (this.cache.size > wanted) this._evictLRU();
    this.stats.currentSize = this.cache.size;
  }

  destroy() {
    clearInterval(this[INNER].timer);
    this[INNER].timer = null;
    this.clear();
  }

  /** Whether an entry's time is over; drops it where it may not stand in for a new value either. */
  _hasExpired(entry) {
    const now = steadyNow();
    if (now <= entry.expiresAt) return false;
    if (now <= entry.staleUntil) return true;
    this._removeLRUNode(entry.key);
    this.stats.expirations += 1;
    this.stats.currentSize = this.cache.size;
    return true;
  }

  _addToLRU(key, entry) {
    entry.prev = null;
    entry.next = this.head;
    if (this.head !== null) this.head.prev = entry;
    else this.tail = entry;
    this.head = entry;
    this.cache.set(key, entry);
  }

  _moveLRUNodeToHead(key) {
    const entry = this.cache.get(key);
    if (entry === undefined || this.head === entry) return;
    entry.prev.next = entry.next;
    if (entry.next !== null) entry.next.prev = entry.prev;
    else this.tail = entry.prev;
    entry.prev = null;
    entry.next = this.head;
    this.head.prev = entry;
    this.head = entry;
  }

  _removeLRUNode(key) {
    const entry = this.cache.get(key);
    if (entry === undefined) return;
    this.cache.delete(key);
    if (entry.prev !== null) entry.prev.next = entry.next;
    else this.head = entry.next;
    if (entry.next !== null) entry.next.prev = entry.prev;
    else this.tail = entry.prev;
  }

  _evictLRU() {
    if (this.tail === null) return;
    this._removeLRUNode(this.tail.key);
    this.stats.evictions += 1;
    this.stats.currentSize = this.cache.size;
  }

  _cleanup() {
    const now = steadyNow();
    let soonest = Infinity;
    for (const entry of this.cache.values()) {
      if (now > entry.staleUntil) this._hasExpired(entry);
      else soonest = Math.min(soonest, entry.staleUntil);
    }
    this[INNER].soonest = soonest;
  }
}

exports.MemoryCacheLayer = MemoryCacheLayer;
exports.default = MemoryCacheLayer;
Object.defineProperty(exports, '__esModule', { value: true });
