'use strict';
// PersistentCache: values in memory, serialized bytes shared by the process below them, files at the bottom.

const path = require('node:path');
const { native, request } = require('../addon.cjs');
const { encryptionOf } = require('../cache/encryption.cjs');
const { isStorable } = require('../cache/memory.cjs');
const { Tiers, makeItem } = require('../cache/tiers.cjs');
const { cleanFiles } = require('../cache/hooked.cjs');
const { observeReads } = require('../trace/observed.cjs');
const { dropFile, sharedItems } = require('../cache/shared-items.cjs');
const { enroll } = require('../metrics/members.cjs');

const TIERS = Symbol('tiers');
/** The memory of the tiers, one step nearer for hits. */
const MEMORY = Symbol('memory');
/** The server that processes share; null without one. */
const SHARED = Symbol('shared');
/** Entries of a large memory looked at before the event loop gets its turn. */
const SLICE = 1000;
const turn = () => new Promise((resolve) => setImmediate(resolve));

class PersistentCache {
  constructor(options = {}) {
    const given = typeof options === 'object' ? options : {};
    const [handle, folder, ttl, compress, maxMemoryItems, shared, weighed] = native.cacheOpen(given, ...encryptionOf(given));
    this.cacheDir = given.namespace ? folder : given.cacheDir || folder;
    this.ttl = ttl;
    this.compress = compress;
    this.memoryCache = new Map();
    this.maxMemoryItems = maxMemoryItems;
    this.stats = { hits: 0, misses: 0, writes: 0, reads: 0 };
    const tiers = new Tiers(this, handle, shared, maxMemoryItems, weighed);
    Object.defineProperty(this, TIERS, { value: tiers });
    Object.defineProperty(this, MEMORY, { value: tiers.memory });
    const forgetHere = (cache, name) => {
      forget(cache, name);
      dropFile(cache[TIERS].handle, name);
    };
    Object.defineProperty(this, SHARED, { value: sharedItems(this, given, forgetHere, (cache) => cache[TIERS].forgetAll()) });
    const { name = given.namespace, metrics } = given;
    enroll('PersistentCache', this, { name, metrics }, { stats: this.stats, counts: tiers.counts, evicted: 0, handle });
    tiers.ready = (async () => this.init())().catch(() => warn('initialisation failed'));
  }

  async init() {
    try {
      await request((number) => native.cacheMakeFolder(this[TIERS].handle, number));
    } catch (error) {
      warn(`the cache folder could not be made (${error.code})`);
    }
  }

  async get(key) {
    const item = this.memoryCache.get(key);
    if (item !== undefined && !this.isExpired(item) && isCovered(this, item)) {
      this.stats.hits += 1;
      this[MEMORY].touch(item);
      return item.value;
    }
    return getBelow(this, key);
  }

  async set(key, value, ttl = this.ttl, options) {
    this.stats.writes += 1;
    const item = store(this, key, value, ttl, options?.graceMs);
    const shared = this[SHARED];
    if (shared !== null) await (item === undefined ? shared.remove(key) : shared.write(item));
  }

  async delete(key) {
    const tiers = this[TIERS];
    forget(this, key);
    // Both begin now, so that a set after this call is not undone.
    await Promise.all([
      isStorable(key) && request((number) => native.cacheDelete(tiers.handle, key, number)),
      isHooked(this) && tiers.chain(key, () => removeHooked(this, key)),
      this[SHARED]?.remove(key),
    ]);
  }

  async clear() {
    const tiers = this[TIERS];
    const told = this[SHARED]?.removeAll();
    tiers.map = this.memoryCache;
    tiers.forgetAll();
    tiers.group.forgetAll(tiers.member);
    const empty = () => request((number) => native.cacheClear(tiers.handle, number));
    const hooked = [...tiers.writes.values()];
    if (hooked.length === 0) {
      await Promise.all([empty(), told]);
      return;
    }
    // Behind the writes through hooks that were before it, and before those to come.
    tiers.writes.clear();
    tiers.ready = Promise.all(hooked).then(empty);
    await Promise.all([tiers.ready, told]);
  }

  async cleanup() {
    const tiers = this[TIERS];
    let [cleaned, seen] = [0, 0];
    for (const [key, item] of this.memoryCache) {
      if (this.isExpired(item) && !mayStandIn(item)) {
        tiers.memory.drop(this.memoryCache, key);
        cleaned += 1;
      }
      seen += 1;
      if (seen % SLICE === 0) await turn();
    }
    await Promise.all(tiers.writes.values());
    try {
      const own = this.isExpired === OWN.isExpired && this.readFromDisk === OWN.readFromDisk;
      cleaned += await (own ? request((number) => native.cacheCleanup(tiers.handle, number)) : cleanFiles(this));
    } catch {
      // What could be cleaned is cleaned.
    }
    return cleaned;
  }

  async getSize() {
    try {
      await Promise.all(this[TIERS].writes.values());
      return await request((number) => native.cacheSize(this[TIERS].handle, number));
    } catch {
      return 0;
    }
  }

  getStats() {
    const { hits, misses, writes, reads } = this.stats;
    const { handle, memory, counts } = this[TIERS];
    const [pendingWrites, pendingBytes] = native.cachePending(handle);
    return {
      hits,
      misses,
      hitRate: native.cacheHitRate(Number(hits), Number(misses)),
      writes,
      reads,
      memorySize: this.memoryCache.size,
      maxMemory: this.maxMemoryItems,
      sharedHits: counts.shared,
      evictions: memory.evictions,
      pendingWrites,
      pendingBytes,
      ...(this[SHARED] === null ? {} : { remoteHits: counts.remote, remote: this[SHARED].remote.getStats() }),
    };
  }

  resetStats() {
    this.stats = { hits: 0, misses: 0, writes: 0, reads: 0 };
    Object.assign(this[TIERS].counts, { shared: 0, disk: 0, remote: 0, lower: 0 });
    this[TIERS].memory.evictions = 0;
  }

  getFilePath(key) {
    if (typeof key !== 'string') throw new TypeError('a key must be a string to have a file');
    return path.join(this.cacheDir, native.cacheFileName(key, this.compress !== false));
  }

  async readFromDisk(filePath) {
    const text = await request((number) => native.cacheReadFile(this[TIERS].handle, number, filePath));
    const item = JSON.parse(text);
    this.stats.reads += 1;
    return item;
  }

  async writeToDisk(key, item) {
    if (typeof key !== 'string') throw new TypeError('a key must be a string to have a file');
    const { handle } = this[TIERS];
    const { key: _key, value, expiresAt, createdAt, staleUntil = expiresAt, ...more } = item;
    const text = JSON.stringify(value);
    if (text === undefined) throw new TypeError('the value cannot be stored as JSON');
    if (this.getFilePath === OWN.getFilePath && isStorable(key) && Object.keys(more).length === 0) {
      const [expires, created, keep] = [expiresAt, createdAt, staleUntil].map(toTime);
      await request((number) => native.cacheWriteItem(handle, number, key, text, expires, created, keep));
    } else {
      const [json, file] = [JSON.stringify(item), this.getFilePath(key)];
      await request((number) => native.cacheWriteFile(handle, number, file, json));
    }
  }

  isExpired(item) {
    return item.expiresAt && Date.now() > item.expiresAt;
  }

  // From here on: beyond the original.

  async has(key) {
    const item = this.memoryCache.get(key);
    if (item !== undefined && !this.isExpired(item) && isCovered(this, item)) return true;
    const found = await find(this, key);
    return found !== null && !this.isExpired(found);
  }

  async getMany(keys) {
    return Promise.all(Array.from(keys, (key) => this.get(key)));
  }

  async setMany(entries, ttl) {
    const pairs = typeof entries?.[Symbol.iterator] === 'function' ? entries : Object.entries(entries);
    await Promise.all(Array.from(pairs, ([key, value]) => this.set(key, value, ttl)));
  }

  async getOrSet(key, loader, options) {
    if (typeof loader !== 'function') throw new TypeError('loader must be a function');
    const { ttl, graceMs } = options ?? {};
    const tiers = this[TIERS];
    let item = this.memoryCache.get(key) ?? null;
    const above = item !== null && !this.isExpired(item) && isCovered(this, item);
    if (above) tiers.memory.touch(item);
    else item = await find(this, key, graceMs);
    const fresh = item !== null && !this.isExpired(item);
    const stale = item !== null && !fresh && mayStandIn(item, graceMs);
    if (!fresh && !stale) this.stats.misses += 1;
    else if (above) this.stats.hits += 1;
    else hitBelow(this);
    if (fresh) return item.value;
    const loading = load(this, key, loader, ttl, graceMs);
    if (!stale) return loading;
    loading.catch(() => undefined);
    return item.value;
  }

  async flush() {
    await Promise.all(this[TIERS].writes.values());
    await request((number) => native.cacheFlush(number));
  }

  async close() {
    const tiers = this[TIERS];
    if (!tiers.closed) {
      tiers.closed = true;
      tiers.group.leave(tiers.member);
      tiers.memory.clear(this.memoryCache);
      this[SHARED]?.close();
    }
    await this.flush();
  }

  async [Symbol.asyncDispose ?? Symbol.for('nodejs.asyncDispose')]() {
    await this.close();
  }
}

/** The methods as they are here: another function in their place is somebody's hook. */
const { getFilePath, readFromDisk, writeToDisk, isExpired } = PersistentCache.prototype;
const OWN = { getFilePath, readFromDisk, writeToDisk, isExpired };

const isHooked = (cache) =>
  cache.writeToDisk !== writeToDisk || cache.readFromDisk !== readFromDisk || cache.getFilePath !== getFilePath;

function warn(message) {
  console.warn(`PersistentCache: ${message}`);
}

const toTime = (time) => (typeof time === 'number' && !Number.isNaN(time) ? time : Infinity);

/** Whether an expired item may be served while a new one is made. */
function mayStandIn(item, graceMs) {
  const expires = toTime(item.expiresAt);
  return Date.now() <= Math.max(toTime(item.staleUntil ?? expires), native.cacheKeepUntil(expires, graceMs));
}

async function getBelow(cache, key) {
  const found = await find(cache, key);
  if (found === null || cache.isExpired(found)) {
    cache.stats.misses += 1;
    return null;
  }
  hitBelow(cache);
  return found.value;
}

function hitBelow(cache) {
  cache.stats.hits += 1;
  cache[TIERS].counts.lower += 1;
}

/** Whether no other process can have made an item old. */
const isCovered = (cache, item) => cache[SHARED] === null || cache[SHARED].covers(item);

/** The item of a key that is not in memory or expired there, here or on the server. */
async function find(cache, key, graceMs) {
  const shared = cache[SHARED];
  const here = await findHere(cache, key, graceMs);
  const good = here !== null && (shared === null || shared.covers(here)) ? here : null;
  if (shared === null || (good !== null && !cache.isExpired(good)) || cache[TIERS].closed) return good;
  const begun = cache.memoryCache.get(key);
  const there = await shared.read(key);
  if (there === null || (there.version === 0 && there.item === null)) return good;
  const { item } = there;
  if (item === null || cache.isExpired(item)) return item;
  cache[TIERS].counts.remote += 1;
  // What was set or heard of meanwhile is newer.
  if (cache.memoryCache.get(key) === begun && shared.covers(item)) adopt(cache, item);
  return item;
}

/** Takes an item of the server into memory and onto disk. */
function adopt(cache, { key, value, expiresAt, staleUntil, createdAt }) {
  const grace = staleUntil === Infinity || expiresAt === Infinity ? undefined : staleUntil - expiresAt;
  store(cache, key, value, expiresAt - Date.now(), grace > 0 ? grace : undefined, createdAt);
}

/** The item of a key that is not in memory or expired there; it may be an expired one that can stand in. */
async function findHere(cache, key, graceMs) {
  const tiers = cache[TIERS];
  const old = cache.memoryCache.get(key);
  const ownExpiry = cache.isExpired !== isExpired;
  const fetchHooked = isHooked(cache) ? (name) => readItem(cache, name) : undefined;
  const found = (await tiers.fetch(cache, key, { fetchHooked, ownExpiry })) ?? old ?? null;
  if (found === null || !cache.isExpired(found) || mayStandIn(found, graceMs)) return found;
  // Past all use: it goes from memory, unless something newer came, and from disk.
  const now = cache.memoryCache.get(key);
  if (now === old || now === found) tiers.memory.drop(cache.memoryCache, key);
  if (fetchHooked !== undefined) tiers.chain(key, () => removeHooked(cache, key));
  else if (isStorable(key) && !tiers.closed) {
    if (ownExpiry) native.cacheDelete(tiers.handle, key);
    else native.cacheDropDead(tiers.handle, key);
  }
  return null;
}

/** An item through the hooks; `null` when what they give is no item of this key. */
async function readItem(cache, key) {
  const item = await cache.readFromDisk(cache.getFilePath(key));
  const fits = typeof item === 'object' && item !== null && 'value' in item && (!('key' in item) || item.key === key);
  return fits ? item : null;
}

async function removeHooked(cache, key) {
  const file = cache.getFilePath(key);
  await request((number) => native.cacheRemoveFile(cache[TIERS].handle, number, file));
}

/** Takes a key from the memory of every instance of this thread. */
function forget(cache, key) {
  const tiers = cache[TIERS];
  tiers.overtake(key);
  tiers.memory.drop(cache.memoryCache, key);
  tiers.announce(key);
}

/** The JSON text of a value, `undefined` when it has none. */
function serialise(value) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch {
    // The reason may quote the value.
  }
  if (text === undefined) warn('a value cannot be stored as JSON and stays in memory only');
  return text;
}

/** Keeps a value, which was right at `checkedAt`; undefined when it lives no time at all. */
function store(cache, key, value, ttl, graceMs, checkedAt = Infinity) {
  const tiers = cache[TIERS];
  if (tiers.closed) return undefined;
  const hooked = isHooked(cache);
  const direct = !hooked && isStorable(key);
  const text = direct ? serialise(value) : undefined;
  const now = Date.now();
  let expires;
  if (text !== undefined) {
    expires = native.cacheSet(tiers.handle, key, text, ttl, now, graceMs);
  } else {
    expires = native.cacheExpiry(tiers.handle, ttl, now);
    // An older value on disk must not come back.
    if (direct) native.cacheDelete(tiers.handle, key);
  }
  tiers.overtake(key);
  if (Number.isNaN(expires)) {
    forget(cache, key);
    if (hooked) tiers.chain(key, () => removeHooked(cache, key));
    return undefined;
  }
  const keep = graceMs === undefined ? expires : native.cacheKeepUntil(expires, graceMs);
  const item = makeItem(key, value, expires, Math.min(now, checkedAt), keep);
  tiers.keep(cache, key, item, text === undefined ? 0 : text.length);
  tiers.announce(key);
  if (hooked) tiers.chain(key, () => cache.writeToDisk(key, item));
  return item;
}

/** One loader at a time for a key, for all instances of the thread on the folder. */
function load(cache, key, loader, ttl, graceMs) {
  const { loads } = cache[TIERS].group;
  const running = loads.get(key);
  if (running !== undefined && !running.overtaken) return running.promise;
  const own = { overtaken: false, promise: undefined };
  own.promise = (async () => {
    // The loader runs when `loads` has this entry, so that even its failing at once takes it out again.
    await undefined;
    try {
      const shared = cache[SHARED];
      const seen = shared === null ? undefined : (await shared.read(key))?.version;
      const begun = Date.now();
      const value = await loader(key);
      // Somebody set or deleted the key meanwhile: that is newer than what was loaded.
      if (value !== undefined && !own.overtaken) {
        loads.delete(key);
        if (shared === null) await cache.set(key, value, ttl, { graceMs });
        else await keepLoaded(cache, key, value, { ttl, graceMs, begun, seen });
      }
      return value;
    } finally {
      if (loads.get(key) === own) loads.delete(key);
    }
  })();
  loads.set(key, own);
  return own.promise;
}

/** Keeps what a load found; not if the key has changed on the server since it began. */
async function keepLoaded(cache, key, value, { ttl, graceMs, begun, seen }) {
  cache.stats.writes += 1;
  const item = store(cache, key, value, ttl, graceMs, begun);
  if (item === undefined || seen === undefined) return;
  if ((await cache[SHARED].write(item, seen)) === false && cache.memoryCache.get(key) === item) {
    forget(cache, key);
    dropFile(cache[TIERS].handle, key);
  }
}

observeReads(PersistentCache);

exports.PersistentCache = PersistentCache;
exports.default = PersistentCache;
Object.defineProperty(exports, '__esModule', { value: true });
