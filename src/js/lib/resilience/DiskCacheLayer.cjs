'use strict';
// A cache on disk: the files of PersistentCache, below a path of its own. A value is written as its JSON text, with its time
// in front, so that it comes back as it went and is never shared with whoever stored it.

const fs = require('node:fs');
const path = require('node:path');
const { native } = require('../../addon.cjs');
const { PersistentCache } = require('../persistent-cache.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { steadyNow } = require('../../resilience/steady.cjs');
const { nameOf } = require('../../cache/names.cjs');

const DEFAULT_PATH = './cache/default.db';
const DEFAULT_TTL = 3_600_000;
/** The store keeps values in memory by itself; this layer stands below another one that does. */
const MEMORY_ITEMS = 1;
const INNER = Symbol('DiskCacheLayer');

/** Where the files are: at the path, or beside it where a file is in the way. */
function folderFor(dbPath) {
  const folder = path.resolve(dbPath);
  try {
    return fs.statSync(folder).isDirectory() ? folder : `${folder}.d`;
  } catch {
    return folder;
  }
}

const tagOf = (tag) => `#${tag}`;
/** JSON has no Infinity. */
const toJson = (time) => (time === Infinity ? null : time);
const fromJson = (time) => time ?? Infinity;

function startCleanup(layer, interval) {
  const weak = new WeakRef(layer);
  const timer = setInterval(() => {
    const alive = weak.deref();
    if (alive === undefined) clearInterval(timer);
    else alive._cleanup().catch(() => {});
  }, interval);
  timer.unref?.();
  return timer;
}

class DiskCacheLayer {
  constructor(options = {}) {
    const cells = new Float64Array(3);
    native.layerDiskConfig(options, cells);
    this.dbPath = options.dbPath || DEFAULT_PATH;
    [this.compressionThreshold, this.cleanupInterval, this.maxDbSize] = cells;
    this.stats = { reads: 0, writes: 0, deletes: 0, cleanups: 0, compressions: 0, hits: 0, misses: 0, currentSize: 0 };
    this.memoryFallback = new Map();
    const inner = { store: null, timer: null, warned: false, encryption: options.encryption };
    Object.defineProperty(this, INNER, { value: inner });
    fs.mkdirSync(path.dirname(path.resolve(this.dbPath)), { recursive: true });
    this._initializeDatabase();
    inner.timer = startCleanup(this, this.cleanupInterval);
    enroll('DiskCacheLayer', this, options, { stats: this.stats });
  }

  /** The timer that removes expired entries; null once destroyed. */
  get cleanupTimer() {
    return this[INNER].timer;
  }

  _initializeDatabase() {
    const { encryption } = this[INNER];
    this[INNER].store = new PersistentCache({
      cacheDir: folderFor(this.dbPath), maxMemoryItems: MEMORY_ITEMS, ttl: DEFAULT_TTL, maxDiskBytes: this.maxDbSize, encryption,
      metrics: false,
    });
  }

  async set(key, value, ttl = DEFAULT_TTL, more = undefined) {
    this.stats.writes += 1;
    const { store } = this[INNER];
    const name = nameOf(key);
    if (store === null || name === undefined) return;
    try {
      const json = JSON.stringify(value);
      if (json === undefined) throw new TypeError('the value has no JSON');
      const expiresAt = native.layerExpiry(ttl, DEFAULT_TTL, steadyNow());
      if (Number.isNaN(expiresAt)) {
        await store.delete(name);
        return;
      }
      if (json.length > this.compressionThreshold) this.stats.compressions += 1;
      const staleUntil = Math.max(expiresAt, more?.staleUntil ?? 0);
      const head = [toJson(expiresAt), toJson(staleUntil), more?.took ?? 0, more?.stamp ?? 0, (more?.tags ?? []).map(encodeURIComponent)];
      await store.set(name, `${JSON.stringify(head)}${json}`, staleUntil - steadyNow());
    } catch (error) {
      this._warn(error);
    }
  }

  async get(key) {
    const { store } = this[INNER];
    if (store === null) return undefined;
    const found = await this._read(key);
    if (found === undefined) this.stats.misses += 1;
    else this.stats.hits += 1;
    return found?.value;
  }

  async has(key) {
    return (await this._read(key)) !== undefined;
  }

  async delete(key) {
    const { store } = this[INNER];
    const name = nameOf(key);
    if (store === null || name === undefined) return true;
    try {
      if (await store.has(name)) this.stats.deletes += 1;
      await store.delete(name);
      return true;
    } catch (error) {
      this._warn(error);
      return false;
    }
  }

  /** Remembers when a tag was last invalidated; for every process on the folder. */
  async _stampTag(tag, stamp) {
    await this[INNER].store?.set(tagOf(tag), stamp, Infinity);
  }

  /** Whether one of the entry's tags was invalidated since it was stored. */
  async _isDead({ stamp, tags }) {
    const { store } = this[INNER];
    for (const tag of tags) {
      if (((await store?.get(tagOf(tag))) ?? 0) > stamp) return true;
    }
    return false;
  }

  /** `{ value, expiresAt, more }`, or undefined. Counts as neither hit nor miss; `stale`: what has expired too. */
  async _read(key, { stale = false } = {}) {
    const { store } = this[INNER];
    const name = nameOf(key);
    if (store === null || name === undefined) return undefined;
    try {
      this.stats.reads += 1;
      const text = await store.get(name);
      if (typeof text !== 'string') return undefined;
      const end = text.indexOf(']]') + 2;
      const [expires, staleUntil, took, stamp, tags] = JSON.parse(text.slice(0, end));
      const [expiresAt, more] = [fromJson(expires), { staleUntil: fromJson(staleUntil), took, stamp, tags: tags.map(decodeURIComponent) }];
      const now = steadyNow();
      if (now > more.staleUntil || (tags.length > 0 && (await this._isDead(more)))) {
        this.stats.deletes += 1;
        await store.delete(name);
        return undefined;
      }
      if (now > expiresAt && !stale) return undefined;
      return { value: JSON.parse(text.slice(end)), expiresAt, more };
    } catch (error) {
      this._warn(error);
      return undefined;
    }
  }

  /** The keys that are there, those of texts only. */
  async keys() {
    const { store } = this[INNER];
    if (store === null) return [];
    await store.flush();
    const keys = [];
    for (const file of await this._files()) {
      try {
        const { key } = await store.readFromDisk(path.join(store.cacheDir, file));
        if (typeof key === 'string' && key.startsWith('=')) keys.push(key.slice(1));
      } catch {
        // Gone, or another program's.
      }
    }
    return keys;
  }

  async _files() {
    try {
      const names = await fs.promises.readdir(this[INNER].store.cacheDir);
      return names.filter((name) => !name.startsWith('.') && /\.json(\.gz)?$/.test(name));
    } catch {
      return [];
    }
  }

  async getStats() {
    const { store } = this[INNER];
    if (store !== null) this.stats.currentSize = await store.getSize();
    const currentEntries = store === null ? 0 : (await this._files()).length;
    return { ...this.stats, currentEntries, hitRate: native.layerHitRate(Number(this.stats.hits), Number(this.stats.misses)) };
  }

  async vacuum() {
    await this._cleanup();
  }

  async _cleanup() {
    this.stats.cleanups += 1;
    await this[INNER].store?.cleanup();
  }

  /** Resolves when everything accepted so far is in its file. */
  async flush() {
    await this[INNER].store?.flush();
  }

  destroy() {
    const inner = this[INNER];
    clearInterval(inner.timer);
    inner.timer = null;
    // What was accepted is still written.
    inner.store?.close().catch(() => {});
    inner.store = null;
  }

  /** Once for each layer: the cause is the same each time, and keys and values belong in no log. */
  _warn(error) {
    const inner = this[INNER];
    if (inner.warned) return;
    inner.warned = true;
    process.emitWarning(`the disk layer could not store or read a value (${error?.code ?? error?.name ?? 'error'})`);
  }
}

exports.DiskCacheLayer = DiskCacheLayer;
exports.default = DiskCacheLayer;
Object.defineProperty(exports, '__esModule', { value: true });
