'use strict';
// The values in memory: a Map that JavaScript reads without a native call, and an eviction policy in Rust that learns
// of hits through a log in a shared array.

const { native } = require('../addon.cjs');

const LOG_LENGTH = 256;
/** The policy counts no more hits of a value than this between two looks at it. */
const MOST_HITS = 2;
const GONE_LENGTH = 64;

const wellFormed =
  typeof ''.isWellFormed === 'function' ? (text) => text.isWellFormed() : (text) => !/\p{Surrogate}/u.test(text);

/** Whether native code can tell a key from others. Half a surrogate pair has no UTF-8, so two such keys would be one. */
const isStorable = (key) => typeof key === 'string' && wellFormed(key);

class Itself {
  constructor(object) {
    return object;
  }
}

/** Puts a slot number on a plain object where nothing but this class can see it. */
class Slot extends Itself {
  #slot;

  constructor(item, slot) {
    super(item);
    this.#slot = slot;
  }

  static of(item) {
    return typeof item === 'object' && item !== null && #slot in item ? item.#slot : -1;
  }

  static put(item, slot) {
    if (#slot in item) item.#slot = slot;
    else new Slot(item, slot);
  }
}

/** The policy's side of one instance's `memoryCache`, which callers may read and change as any Map. */
class Memory {
  /** Slot → item */
  items = [];
  free = [];
  log = new Uint32Array(LOG_LENGTH);
  logged = 0;
  /** Slot → hits that the policy was told of lately; more would tell it nothing new. */
  told = new Uint8Array(64);
  insertsLeft = 0;
  gone = new Uint32Array(GONE_LENGTH);
  evictions = 0;

  constructor(handle, limit, weighed) {
    this.handle = handle;
    this.limit = limit;
    this.weighed = weighed;
  }

  /** Tells the policy of a hit, later. */
  touch(item) {
    const slot = Slot.of(item);
    if (slot >= 0 && this.told[slot] < MOST_HITS) this.#note(slot);
  }

  /** Keeps an item that stands for `bytes` of JSON, and lets go of those that the policy gives up for it. */
  put(map, key, item, bytes, limit) {
    if (limit !== this.limit && Number.isInteger(limit) && limit > 0) this.#resize(map, limit);
    const before = map.get(key);
    let slot = before === undefined ? -1 : Slot.of(before);
    if (slot >= 0 && this.items[slot] !== before) slot = -1;
    const known = slot >= 0;
    if (!known) slot = this.free.length > 0 ? this.free.pop() : this.items.length;
    Slot.put(item, slot);
    this.items[slot] = item;
    map.set(key, item);
    if (known && !this.weighed) this.touch(item);
    else this.#insert(map, slot, key, bytes);
    if (map.size > this.limit) this.#trim(map);
  }

  drop(map, key) {
    const item = map.get(key);
    if (item === undefined) return;
    map.delete(key);
    const slot = Slot.of(item);
    if (slot < 0 || this.items[slot] !== item) return;
    this.items[slot] = undefined;
    this.free.push(slot);
    native.cacheForget(this.handle, slot);
  }

  clear(map) {
    map.clear();
    this.items = [];
    this.free = [];
    this.logged = 0;
    native.cacheForgetAll(this.handle);
  }

  #note(slot) {
    this.told[slot] += 1;
    this.log[this.logged] = slot;
    this.logged += 1;
    if (this.logged < LOG_LENGTH) return;
    native.cacheTouch(this.handle, this.log, this.logged);
    this.logged = 0;
  }

  /** Only inserts move the policy on; after a part of a turn of its queues it wants to hear of hits again. */
  #listenAgain() {
    this.insertsLeft = Math.max(1, this.limit >> 4);
    this.told.fill(0);
  }

  #insert(map, slot, key, bytes) {
    const name = isStorable(key) ? key : `\0${slot}`;
    if (slot >= this.told.length) {
      const told = new Uint8Array(slot * 2);
      told.set(this.told);
      this.told = told;
    }
    this.told[slot] = 0;
    this.insertsLeft -= 1;
    if (this.insertsLeft <= 0) this.#listenAgain();
    let count = native.cacheInsert(this.handle, slot, name, bytes, this.log, this.logged, this.gone);
    this.logged = 0;
    while (count > 0) {
      for (let index = 0; index < count; index += 1) this.#evict(map, this.gone[index]);
      count = count < GONE_LENGTH ? 0 : native.cacheMoreGone(this.handle, this.gone);
    }
  }

  #evict(map, slot) {
    const item = this.items[slot];
    if (item === undefined) return;
    this.items[slot] = undefined;
    this.free.push(slot);
    this.evictions += 1;
    if (map.get(item.key) === item) map.delete(item.key);
  }

  /** Removes what others put into the map past the policy. */
  #trim(map) {
    for (const [key, item] of map) {
      if (map.size <= this.limit) return;
      const slot = Slot.of(item);
      if (slot < 0 || this.items[slot] !== item) map.delete(key);
    }
  }

  #resize(map, limit) {
    this.limit = limit;
    const entries = [...map];
    this.clear(map);
    native.cacheResize(this.handle, limit);
    for (const [key, item] of entries.slice(-limit)) this.put(map, key, item, 0, limit);
  }
}

/**
 * An item as the files hold it. A plain object to everybody; made by a constructor, because V8 then leaves room in it
 * for the slot.
 */
function Item(key, value, expiresAt, createdAt) {
  this.key = key;
  this.value = value;
  this.expiresAt = expiresAt;
  this.createdAt = createdAt;
}
Item.prototype = Object.prototype;

exports.Item = Item;
exports.Memory = Memory;
exports.isStorable = isStorable;
