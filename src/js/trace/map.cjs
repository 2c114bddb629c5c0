'use strict';
// The `spans` field: reads as a Map from trace id to live trace, holds records, makes the live object on reading.
//
// Not a Map inside: V8 rebuilds a Map's table every few thousand insertions, and a table that was outgrown keeps its
// entries, and through a link to its successor all later tables, alive until a full collection. With traces coming
// and going that let nearly every dead trace survive the young collections: half of a tracer's cost. Here records
// are chained into buckets and into a list by age, and a record that goes takes its links with it.

const { TraceRecord } = require('./records.cjs');

const FEWEST_BUCKETS = 1024;
/** Digits at an id's end that choose its bucket. Ids are random, but those of other services are theirs to choose… */
const HASHED = 7;
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
  constructor(id, value) {
    this.id = id;
    this.hash = 0;
    this.value = value;
    this.began = 0;
    this.chained = null;
    this.older = null;
    this.newer = null;
  }

  object() {
    return this.value;
  }
}

class TraceMap extends Map {
  #buckets = new Array(FEWEST_BUCKETS).fill(null);
  #crowded = new Map();
  #count = 0;
  #oldest = null;
  #newest = null;
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
    let record = this.#buckets[hash(id) & (this.#buckets.length - 1)];
    while (record !== null && record.id !== id) record = record.chained;
    return record ?? (this.#crowded.size > 0 ? this.#crowded.get(id) : undefined);
  }

  /** Retains a record as the newest and evicts the oldest ones beyond `most`. */
  keep(record, most) {
    this.#chain(record);
    this.#count += 1;
    record.older = this.#newest;
    if (this.#newest === null) this.#oldest = record;
    else this.#newest.newer = record;
    this.#newest = record;
    if (record instanceof TraceRecord) this.#last = record;
    while (this.#count > most && this.#oldest !== record) this.forget(this.#oldest);
    if (this.#count > this.#buckets.length) this.#grow();
  }

  #chain(record) {
    const { id } = record;
    if (typeof id === 'string') {
      const at = (record.hash = hash(id)) & (this.#buckets.length - 1);
      const first = this.#buckets[at];
      let depth = 0;
      for (let each = first; each !== null; each = each.chained) depth += 1;
      if (depth < BUCKET_DEPTH) {
        record.chained = first;
        this.#buckets[at] = record;
        return;
      }
    }
    this.#crowded.set(id, record);
  }

  /** Whether it was there. */
  #unchain(record) {
    const { id } = record;
    if (typeof id === 'string') {
      const at = record.hash & (this.#buckets.length - 1);
      let before = null;
      for (let each = this.#buckets[at]; each !== null; before = each, each = each.chained) {
        if (each !== record) continue;
        if (before === null) this.#buckets[at] = record.chained;
        else before.chained = record.chained;
        record.chained = null;
        return true;
      }
    }
    return this.#crowded.get(id) === record && this.#crowded.delete(id);
  }

  #grow() {
    this.#buckets = new Array(this.#buckets.length * 2).fill(null);
    this.#crowded.clear();
    for (let record = this.#oldest; record !== null; record = record.newer) {
      record.chained = null;
      this.#chain(record);
    }
  }

  /** Drops a record, unless it is gone already. */
  forget(record) {
    if (!this.#unchain(record)) return;
    if (this.lost !== null && record.isOpen === true) this.lost(record);
    const { older, newer } = record;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    // A dead record among the old objects must not hold on to young ones.
    record.older = record.newer = null;
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
    let record = this.#oldest;
    // In the order of their beginnings, so what follows a young one is younger still.
    while (record !== null && !(record.began > newest)) {
      const next = record.newer;
      if (record instanceof TraceRecord && over(record)) this.forget(record);
      record = next;
    }
  }

  /** The newest records, newest first. */
  *latest(most) {
    let record = this.#newest;
    for (let left = most; record !== null && left > 0; record = record.older, left -= 1) {
      if (record instanceof TraceRecord) yield record;
    }
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
    return this;
  }

  delete(id) {
    const record = this.#find(id);
    if (record === undefined) return false;
    this.forget(record);
    return true;
  }

  clear() {
    while (this.#oldest !== null) this.forget(this.#oldest);
    this.#buckets = new Array(FEWEST_BUCKETS).fill(null);
  }

  /** Records of traces from the newest on, without making their live objects. */
  *newestRecords() {
    for (let record = this.#newest; record !== null; record = record.older) if (record instanceof TraceRecord) yield record;
  }

  /** All records, oldest first, as they are now: callers delete while they iterate. */
  #records() {
    const records = [];
    for (let record = this.#oldest; record !== null; record = record.newer) records.push(record);
    return records;
  }

  *entries() {
    for (const record of this.#records()) yield [record.id, record.object()];
  }

  *keys() {
    for (const record of this.#records()) yield record.id;
  }

  *values() {
    for (const record of this.#records()) yield record.object();
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
