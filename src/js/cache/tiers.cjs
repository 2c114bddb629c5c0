'use strict';
// What one instance keeps beside its public fields, and its way down the tiers: bytes in memory, then files.

const { native, request } = require('../addon.cjs');
const { Item, Memory, isStorable } = require('./memory.cjs');
const { join } = require('./peers.cjs');

/** Expiry, creation and keep-until of the value that `cacheLookup` found last. */
const times = new Float64Array(3);

/** An item as the files hold it. */
function makeItem(key, value, expiresAt, createdAt, keepUntil) {
  const item = new Item(key, value, expiresAt, createdAt);
  if (keepUntil !== expiresAt) item.staleUntil = keepUntil;
  return item;
}

const never = (time) => (time === Infinity ? null : time);

class Tiers {
  closed = false;
  /** Key → the read under way for it: `{ promise, overtaken }` */
  reads = new Map();
  /** Key → the last write or removal through overridden hooks */
  writes = new Map();
  /** What is counted below memory, and by eviction; nothing here leads back to the instance. */
  counts = { shared: 0, disk: 0, remote: 0, lower: 0 };
  ready = Promise.resolve();

  constructor(cache, handle, folder, limit, weighed) {
    this.handle = handle;
    this.map = cache.memoryCache;
    this.memory = new Memory(handle, limit, weighed);
    const { group, member } = join(this, handle, folder);
    this.group = group;
    this.member = member;
  }

  /** A key changed: what is being read for it is old. */
  overtake(key) {
    const read = this.reads.get(key);
    if (read !== undefined) {
      read.overtaken = true;
      this.reads.delete(key);
    }
    const load = this.group.loads.get(key);
    if (load !== undefined) load.overtaken = true;
  }

  forgetKey(key) {
    this.overtake(key);
    this.memory.drop(this.map, key);
  }

  forgetAll() {
    for (const key of [...this.reads.keys(), ...this.group.loads.keys()]) this.overtake(key);
    this.memory.clear(this.map);
  }

  /** This instance changed a key: the others of the thread forget it. */
  announce(key) {
    if (this.group.members.size > 1) this.group.forget(key, this.member);
  }

  keep(cache, key, item, bytes) {
    this.map = cache.memoryCache;
    this.memory.put(this.map, key, item, bytes, cache.maxMemoryItems);
  }

  /** The newest item below the values in memory, expired or not; `null` when there is none. */
  async fetch(cache, key, { fetchHooked, ownExpiry }) {
    while (!this.closed) {
      if (fetchHooked === undefined) {
        if (!isStorable(key)) return null;
        const text = native.cacheLookup(this.handle, key, times);
        if (text === null) return null;
        if (text !== undefined) {
          this.counts.shared += 1;
          return this.take(cache, key, text, times[0], times[1], times[2]);
        }
      }
      let read = this.reads.get(key);
      if (read === undefined) {
        read = { overtaken: false, promise: undefined };
        this.reads.set(key, read);
        read.promise =
          fetchHooked === undefined
            ? this.read(cache, key, read, ownExpiry)
            : this.readHooked(cache, key, read, fetchHooked);
      }
      const item = await read.promise;
      if (!read.overtaken) return item;
      const newer = cache.memoryCache.get(key);
      if (newer !== undefined) return newer;
    }
    return null;
  }

  async read(cache, key, read, ownExpiry) {
    let found = null;
    try {
      found = await request((number) => native.cacheRead(this.handle, number, key, ownExpiry));
    } catch {
      // No thread to read with: a miss.
    }
    this.finish(key, read);
    if (read.overtaken || found === null) return null;
    const [text, expires, created, keep, fromDisk] = found;
    this.counts[fromDisk ? 'disk' : 'shared'] += 1;
    return this.take(cache, key, text, expires, created, keep);
  }

  async readHooked(cache, key, read, fetchHooked) {
    let item = null;
    try {
      await this.writes.get(key);
      item = await fetchHooked(key);
    } catch {
      // A read problem is a miss.
    }
    this.finish(key, read);
    if (read.overtaken || item === null) return null;
    if (!cache.isExpired(item)) this.keep(cache, key, item, 0);
    return item;
  }

  finish(key, read) {
    if (this.reads.get(key) === read) this.reads.delete(key);
    // What is left of the Map's old tables must not hold the result.
    read.promise = undefined;
  }

  /** Makes an item of what a lower tier had, and takes it into memory when it counts. */
  take(cache, key, text, expires, created, keep) {
    let value;
    try {
      value = JSON.parse(text);
    } catch {
      native.cacheDelete(this.handle, key);
      return null;
    }
    cache.stats.reads += 1;
    const item = makeItem(key, value, never(expires), created, never(keep));
    if (!cache.isExpired(item)) this.keep(cache, key, item, text.length);
    return item;
  }

  /** Runs a write or removal through hooks after those of the same key before it. */
  chain(key, work) {
    const before = this.writes.get(key) ?? this.ready;
    const after = before
      .then(work)
      .catch(() => console.warn('PersistentCache: a value could not be written to or removed from disk'))
      .then(() => {
        if (this.writes.get(key) === after) this.writes.delete(key);
      });
    this.writes.set(key, after);
    return after;
  }
}

exports.Tiers = Tiers;
exports.makeItem = makeItem;
