'use strict';
// The `spans` field: reads as a Map from trace id to live trace, holds records, makes the live object on reading.
//
// Not a Map inside: V8 rebuilds a Map's table every few thousand insertions, and a table that was outgrown keeps its
// entries, and through a link to its successor all later tables, alive until a full collection. With traces coming
// and going that let nearly every dead trace survive the young collections: half of a tracer's cost. Here a record has
// a slot, and what chains slots into buckets and into a list by age are numbers: links between the records themselves
// would be old objects that point to young ones, which V8 notes one by one and follows in each young collection.

const { TraceRecord } = require('./records.cjs');

const FEWEST_SLOTS = 1024;
/** No slot. */
const NONE = -1;
/** Digits at an id's end that choose its bucket. Ids are random, but those of other services are theirs to choose… */
const HASHED = 5;
/** …so a bucket holds no more than this; the rest goes to a Map, whose hashes cannot be guessed. */
const BUCKET_DEPTH = 8;

function hash(id) {
  let sum = id.length;
  for (let at = Math.max(id.length - HASHED, 0); at < id.length; at += 1) {
    sum = (Math.imul(sum, 31) + id.charCodeAt(at)) | 0;
  }
  return sum ^ (sum >>> 15);
}

/** What a caller put into the map by itself. */
class Foreign {
  slot = NONE;
  began = 0;

  constructor(id, value) {
    this.id = id;
    this.value = value;
  }

  object() {
    return this.value;
  }
}

/** The numbers of a map with so many slots. */
class Slots {
  constructor(count) {
    /** The newest slot of a bucket. */
    this.buckets = new Int32Array(count).fill(NONE);
    /** The next slot in the same bucket; of a free slot, the next free one. */
    this.chained = new Int32Array(count);
    this.older = new Int32Array(count);
    this.newer = new Int32Array(count);
    this.hashes = new Int32Array(count);
  }

  /** Twice as many, with the same ages; buckets are empty. */
  grown() {
    const grown = new Slots(this.older.length * 2);
    grown.older.set(this.older);
    grown.newer.set(this.newer);
    return grown;
  }
}

class TraceMap extends Map {
  #slots = new Slots(FEWEST_SLOTS);
  #records = new Array(FEWEST_SLOTS).fill(null);
  /** Slots from here on were never used; those that were left chain up from `#free`. */
  #unused = 0;
  #free = NONE;
  #crowded = new Map();
  /** Whether a caller has put something in that a trace may have to replace. */
  #hasForeign = false;
  #count = 0;
  #oldest = NONE;
  #newest = NONE;
  // The record asked for last: a request's calls come one after the other.
  #last = null;
  /** Learns of records that go before they ended. */
  lost = null;

  /** The record of a trace, without making its live object. */
  record(id) {
    if (this.#last !== null && this.#last.id === id) return this.#last;
    const found = this.#find(id);
    return found instanceof TraceRecord ? (this.#last = found) : undefined;
  }

  #find(id) {
    if (typeof id !== 'string') return this.#crowded.get(id);
    const { buckets, chained, hashes } = this.#slots;
    const hashed = hash(id);
    let slot = buckets[hashed & (buckets.length - 1)];
    while (slot !== NONE && (hashes[slot] !== hashed || this.#records[slot].id !== id)) slot = chained[slot];
    if (slot !== NONE) return this.#records[slot];
    return this.#crowded.size > 0 ? this.#crowded.get(id) : undefined;
  }

  /** Retains a record as the newest and evicts the oldest ones beyond `most`. */
  keep(record, most) {
    if (this.#hasForeign) this.delete(record.id);
    const slot = this.#take();
    const { older, newer } = this.#slots;
    record.slot = slot;
    this.#records[slot] = record;
    this.#chain(record, slot);
    this.#count += 1;
    older[slot] = this.#newest;
    newer[slot] = NONE;
    if (this.#newest === NONE) this.#oldest = slot;
    else newer[this.#newest] = slot;
    this.#newest = slot;
    if (record instanceof TraceRecord) this.#last = record;
    while (this.#count > most && this.#oldest !== slot) this.forget(this.#records[this.#oldest]);
  }

  /** A slot of one's own. */
  #take() {
    const slot = this.#free;
    if (slot !== NONE) {
      this.#free = this.#slots.chained[slot];
      return slot;
    }
    if (this.#unused === this.#records.length) this.#grow();
    return this.#unused++;
  }

  #grow() {
    const records = this.#records;
    this.#slots = this.#slots.grown();
    this.#records = records.concat(new Array(records.length).fill(null));
    this.#crowded.clear();
    // None of them is free.
    for (const [slot, record] of records.entries()) this.#chain(record, slot);
  }

  #chain({ id }, slot) {
    if (typeof id === 'string') {
      const { buckets, chained, hashes } = this.#slots;
      const hashed = (hashes[slot] = hash(id));
      const bucket = hashed & (buckets.length - 1);
      const first = buckets[bucket];
      let depth = 0;
      for (let each = first; each !== NONE; each = chained[each]) depth += 1;
      if (depth < BUCKET_DEPTH) {
        chained[slot] = first;
        buckets[bucket] = slot;
        return;
      }
    }
    this.#crowded.set(id, this.#records[slot]);
  }

  #unchain({ id, slot }) {
    if (typeof id === 'string') {
      const { buckets, chained, hashes } = this.#slots;
      const bucket = hashes[slot] & (buckets.length - 1);
      let before = NONE;
      for (let each = buckets[bucket]; each !== NONE; before = each, each = chained[each]) {
        if (each !== slot) continue;
        if (before === NONE) buckets[bucket] = chained[slot];
        else chained[before] = chained[slot];
        return;
      }
    }
    this.#crowded.delete(id);
  }

  /** Drops a record, unless it is gone already. */
  forget(record) {
    const { slot } = record;
    if (slot === NONE) return;
    this.#unchain(record);
    record.slot = NONE;
    this.#records[slot] = null;
    const { chained, older, newer } = this.#slots;
    if (this.lost !== null && record.isOpen === true) this.lost(record);
    const [before, after] = [older[slot], newer[slot]];
    if (before === NONE) this.#oldest = after;
    else newer[before] = after;
    if (after === NONE) this.#newest = before;
    else older[after] = before;
    chained[slot] = this.#free;
    this.#free = slot;
    this.#count -= 1;
    if (this.#last === record) this.#last = null;
  }

  /** Moves a record to the newest end. */
  renew(record) {
    const { lost } = this;
    this.lost = null;
    this.forget(record);
    this.lost = lost;
    this.keep(record, Infinity);
  }

  /** Drops every record that `over` says so of, among those that began no later than `newest`. */
  sweep(newest, over) {
    let slot = this.#oldest;
    // In the order of their beginnings, so what follows a young one is younger still.
    while (slot !== NONE && !(this.#records[slot].began > newest)) {
      const [record, next] = [this.#records[slot], this.#slots.newer[slot]];
      if (record instanceof TraceRecord && over(record)) this.forget(record);
      slot = next;
    }
  }

  /** Dates the traces that nobody asked about yet. */
  date(wallOffset) {
    for (const record of this.#held()) if (record instanceof TraceRecord) record.wall ??= record.began + wallOffset;
  }

  get size() {
    return this.#count;
  }

  get(id) {
    return this.#find(id)?.object();
  }

  has(id) {
    return this.#find(id) !== undefined;
  }

  set(id, value) {
    this.delete(id);
    this.keep(new Foreign(id, value), Infinity);
    this.#hasForeign = true;
    return this;
  }

  delete(id) {
    const record = this.#find(id);
    if (record === undefined) return false;
    this.forget(record);
    return true;
  }

  clear() {
    while (this.#oldest !== NONE) this.forget(this.#records[this.#oldest]);
    this.#slots = new Slots(FEWEST_SLOTS);
    this.#records = new Array(FEWEST_SLOTS).fill(null);
    this.#unused = 0;
    this.#free = NONE;
    this.#hasForeign = false;
  }

  /** The newest traces' records, newest first, without making their live objects. */
  newestRecords(most) {
    const records = [];
    for (let slot = this.#newest; slot !== NONE && records.length < most; slot = this.#slots.older[slot]) {
      if (this.#records[slot] instanceof TraceRecord) records.push(this.#records[slot]);
    }
    return records;
  }

  /** All records, oldest first, as they are now: callers delete while they iterate. */
  #held() {
    const records = [];
    for (let slot = this.#oldest; slot !== NONE; slot = this.#slots.newer[slot]) records.push(this.#records[slot]);
    return records;
  }

  *entries() {
    for (const record of this.#held()) yield [record.id, record.object()];
  }

  *keys() {
    for (const record of this.#held()) yield record.id;
  }

  *values() {
    for (const record of this.#held()) yield record.object();
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  forEach(visit, self) {
    for (const [id, trace] of this.entries()) visit.call(self, trace, id, this);
  }

  [Symbol.for('nodejs.util.inspect.custom')]() {
    return new Map(this.entries());
  }
}

module.exports = { TraceMap };
