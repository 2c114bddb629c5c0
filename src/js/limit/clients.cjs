'use strict';
// Which client has which bucket: ids are Map keys, as they were, and a bucket is a slot in a typed array that the
// native room shares, in chunks, so that growing never copies.

const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');

/** Milliseconds of the monotonic clock, taken before anybody's fake timers. */
const now = performance.now.bind(performance);

const STRIDE = 8;
const CHUNK_BITS = 12;
const CHUNK_SLOTS = 1 << CHUNK_BITS;
/** Indexes in a slot that the face reads or, some of them, writes; src/limit/shared.rs has the rest. */
const TOKENS = 0;
const FAST = 1;
const LIMIT = 2;
const RATE = 3;
const LAST_ACCESS = 4;
const FLOOR = 5;
const WAITING = 6;
/** Indexes in the window: the current tick, and when it ends. */
const TICK = 0;
const ENDS = 1;

/** What lies on the desk behind the bucket. */
const NOW = 8;
const SLOT = 9;
const AMOUNT = 10;

const VACANT = Symbol('vacant');
/** How many slots are looked at for one to give up when there are `maxClients`. */
const EVICTION_SAMPLE = 32;

class Clients {
  constructor(handle, maxClients) {
    this.handle = handle;
    this.maxClients = maxClients;
    // One Map: spreading ids over many would shorten the stall of its growth (12 ms at half a million), but costs 150 ns
    // on every look at one of a million clients.
    this.slotOf = new Map();
    this.chunks = [];
    this.ids = [];
    this.free = [];
    this.used = 0;
    this.hand = 0;
    this.views = new Map();
    /** Shares the buckets with other processes, if they are shared. */
    this.store = null;
    /** Limits by client id, if there are any. */
    this.rules = null;
    /** How often those changed, and for each slot up to which change it has them. */
    this.generation = 0;
    this.generations = [];
    /** Gives a slot its limits, while some have older ones. */
    this.behind = null;
    this.window = new Float64Array(2);
    this.desk = new Float64Array(11);
    this.found = new Float64Array(512);
  }

  /** The client's slot, -1 when it is not known. */
  find(id) {
    const slot = this.slotOf.get(id);
    if (slot === undefined) return -1;
    if (this.behind !== null) this.catchUp(slot);
    return slot;
  }

  /** Gives a client the limits that hold now, if it has older ones. */
  catchUp(slot) {
    const generations = this.generations[slot >>> CHUNK_BITS];
    if (generations[slot & (CHUNK_SLOTS - 1)] === this.generation) return;
    generations[slot & (CHUNK_SLOTS - 1)] = this.generation;
    this.behind?.(slot);
  }

  get size() {
    return this.slotOf.size;
  }

  chunk(slot) {
    return this.chunks[slot >>> CHUNK_BITS];
  }

  /** Where the slot begins in its chunk. */
  place(slot) {
    return (slot & (CHUNK_SLOTS - 1)) * STRIDE;
  }

  /** Lays a bucket on the desk, for a native call about it. Followed by `keep`. */
  lay(slot, time, amount) {
    const { desk } = this;
    const chunk = this.chunk(slot);
    const place = this.place(slot);
    for (let index = 0; index < STRIDE; index += 1) desk[index] = chunk[place + index];
    desk[NOW] = time;
    desk[SLOT] = slot;
    desk[AMOUNT] = amount;
    return desk;
  }

  /** Puts the bucket on the desk back. */
  keep(slot) {
    const { desk } = this;
    const chunk = this.chunk(slot);
    const place = this.place(slot);
    for (let index = 0; index < STRIDE; index += 1) chunk[place + index] = desk[index];
  }

  /** One question about a bucket. */
  ask(question, slot, amount, first, second, third) {
    const answer = question(this.handle, this.lay(slot, now(), amount), first, second, third);
    this.keep(slot);
    return answer;
  }

  /** The current tick and its end, as the native room counts them. */
  readWindow() {
    native.limitWindow(this.handle, now(), this.window);
  }

  /** A slot with a full bucket that belongs to nobody yet. */
  borrow(limit, rate) {
    const slot = this.free.length > 0 ? this.free.pop() : this.used++;
    if (slot >>> CHUNK_BITS === this.chunks.length) {
      this.chunks.push(new Float64Array(CHUNK_SLOTS * STRIDE).fill(-1));
      this.ids.push(new Array(CHUNK_SLOTS).fill(VACANT));
      this.generations.push(new Uint32Array(CHUNK_SLOTS));
    }
    this.generations[slot >>> CHUNK_BITS][slot & (CHUNK_SLOTS - 1)] = this.generation;
    this.ask(native.limitFill, slot, 0, limit, rate);
    return slot;
  }

  /** Makes a slot vacant. */
  giveBack(slot) {
    this.ids[slot >>> CHUNK_BITS][slot & (CHUNK_SLOTS - 1)] = VACANT;
    this.chunk(slot)[this.place(slot) + FAST] = -1;
    this.chunk(slot)[this.place(slot) + LIMIT] = -1;
    this.free.push(slot);
  }

  /** A new client with a full bucket. */
  add(id, usualLimit, usualRate) {
    const [limit, rate] = this.rules?.find(id) ?? [usualLimit, usualRate];
    if (this.size >= this.maxClients) this.makeRoom(limit, rate);
    const slot = this.borrow(limit, rate);
    this.ids[slot >>> CHUNK_BITS][slot & (CHUNK_SLOTS - 1)] = id;
    this.slotOf.set(id, slot);
    this.store?.name(slot, id, limit, rate);
    return slot;
  }

  idOf(slot) {
    return this.ids[slot >>> CHUNK_BITS][slot & (CHUNK_SLOTS - 1)];
  }

  /** Forgets a client; nobody may wait for it. A bucket object that was handed out keeps its last values. */
  forget(slot) {
    const id = this.idOf(slot);
    const view = this.views.get(slot);
    if (view !== undefined) {
      view.detach();
      this.views.delete(slot);
    }
    this.slotOf.delete(id);
    this.store?.forget(slot);
    this.rules?.own.delete(slot);
    this.giveBack(slot);
  }

  /** Forgets everybody at once; nobody may be waiting. */
  clear() {
    if (this.store !== null) for (const slot of this.slots()) this.store.forget(slot);
    for (const view of this.views.values()) view.detach();
    this.views.clear();
    this.slotOf = new Map();
    this.chunks = [];
    this.ids = [];
    this.generations = [];
    this.free = [];
    this.used = 0;
    this.hand = 0;
  }

  makeRoom(limit, rate) {
    for (let tries = 0; tries < 4; tries += 1) {
      if (this.hand >= this.used) this.hand = 0;
      const chunk = this.hand >>> CHUNK_BITS;
      const from = this.hand & (CHUNK_SLOTS - 1);
      const count = Math.min(EVICTION_SAMPLE, CHUNK_SLOTS - from);
      const index = native.limitFullest(this.handle, this.chunks[chunk], from, count, now(), -1, this.store === null, this.rules === null ? limit : NaN, rate);
      this.hand += count;
      if (index >= 0 && !this.rules?.own.has((chunk << CHUNK_BITS) + index)) {
        this.forget((chunk << CHUNK_BITS) + index);
        return;
      }
    }
  }

  /** Forgets the idle ones among the slots of one chunk, at most `found.length`; returns how many. */
  forgetIdle(chunk, idleMs, onlyUnchanged, limit, rate) {
    const { found } = this;
    const count = native.limitIdle(
      this.handle, this.chunks[chunk], 0, CHUNK_SLOTS, now(), idleMs, onlyUnchanged, this.rules === null ? limit : NaN, rate, found,
    );
    let forgotten = 0;
    for (let index = 0; index < count; index += 1) {
      const slot = (chunk << CHUNK_BITS) + found[index];
      if (onlyUnchanged && this.rules?.own.has(slot)) continue;
      this.forget(slot);
      forgotten += 1;
    }
    return forgotten;
  }

  isUsed(slot) {
    return this.idOf(slot) !== VACANT;
  }

  /** All slots in use, in slot order. */
  *slots() {
    for (let slot = 0; slot < this.used; slot += 1) {
      if (!this.isUsed(slot)) continue;
      if (this.behind !== null) this.catchUp(slot);
      yield slot;
    }
  }
}

module.exports = { Clients, now, TOKENS, FAST, LIMIT, RATE, LAST_ACCESS, FLOOR, WAITING, TICK, ENDS, CHUNK_BITS, CHUNK_SLOTS };
