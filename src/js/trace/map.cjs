'use strict';
// The `spans` field: reads as a Map from trace id to live trace, holds records, makes the live object on reading.
//
// Not a Map inside: V8 rebuilds a Map's table every few thousand insertions, and a table that was outgrown keeps its
// entries, and through a link to its successor all later tables, alive until a full collection. With traces coming
// and going that let nearly every dead trace survive the young collections: half of a tracer's cost.

const { Archive } = require('./archive.cjs');
const { TraceRecord } = require('./records.cjs');
const { NONE, Slots } = require('./slots.cjs');

/** Digits at an id's end that choose its bucket. */
const HASHED = 5;

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

class TraceMap extends Map {
  #slots = new Slots();
  /** By slot; null where the trace is put away in the archive. */
  #records = new Array(this.#slots.chained.length).fill(null);
  #archive = new Archive();
  /** What is in no bucket: Map's hashes cannot be guessed. */
  #crowded = new Map();
  /** Whether a caller has put something in that a trace may have to replace. */
  #hasForeign = false;
  // The record asked for last: a request's calls come one after the other.
  #last = null;
  /** Learns of records that go before they ended. */
  lost = null;

  /** The record of a trace, without making its live object. */
  record(id) {
    if (this.#last !== null && this.#last.id === id) return this.#last;
    const slot = this.#slotOf(id);
    if (slot === NONE) return undefined;
    const record = this.#recordAt(slot);
    return record instanceof TraceRecord ? (this.#last = record) : undefined;
  }

  #slotOf(id) {
    if (typeof id === 'string') {
      const { buckets, chained, hashes } = this.#slots;
      const hashed = hash(id);
      let slot = buckets[hashed & (buckets.length - 1)];
      while (slot !== NONE && (hashes[slot] !== hashed || this.#idAt(slot) !== id)) slot = chained[slot];
      if (slot !== NONE || this.#crowded.size === 0) return slot;
    }
    return this.#crowded.get(id)?.slot ?? NONE;
  }

  #idAt(slot) {
    const record = this.#records[slot];
    return record === null ? this.#archive.idAt(this.#slots.places[slot]) : record.id;
  }

  #recordAt(slot) {
    const kept = this.#records[slot];
    if (kept !== null) return kept;
    const record = this.#archive.take(this.#slots.places[slot]);
    record.slot = slot;
    return (this.#records[slot] = record);
  }

  /** Retains a record as the newest and evicts the oldest ones beyond `most`. */
  keep(record, most) {
    if (this.#hasForeign) this.delete(record.id);
    const slots = this.#slots;
    const slot = slots.add();
    if (slot === this.#records.length) this.#records = this.#records.concat(new Array(slot).fill(null));
    const { id } = record;
    record.slot = slot;
    this.#records[slot] = record;
    slots.began[slot] = record.began;
    if (typeof id === 'string' ? !slots.chain(slot, hash(id)) : !slots.crowd(slot)) this.#crowded.set(id, record);
    if (record instanceof TraceRecord) this.#last = record;
    while (slots.count > most && slots.oldest !== slot) this.#drop(slots.oldest);
  }

  /** Puts the record of an ended trace away, where nothing is lost by it: see ./archive.cjs. */
  archive(record, block) {
    const { slot } = record;
    if (slot === NONE || this.#slots.isCrowded(slot)) return;
    const place = this.#archive.put(record, block);
    if (place === NONE) return;
    this.#slots.places[slot] = place;
    this.#records[slot] = null;
    // Nobody may write to it any more.
    record.slot = NONE;
    if (this.#last === record) this.#last = null;
  }

  #drop(slot) {
    const record = this.#records[slot];
    if (record === null) {
      this.#archive.remove(this.#slots.places[slot]);
    } else {
      if (this.#slots.isCrowded(slot)) this.#crowded.delete(record.id);
      record.slot = NONE;
      this.#records[slot] = null;
      if (this.#last === record) this.#last = null;
      if (this.lost !== null && record.isOpen === true) this.lost(record);
    }
    this.#slots.remove(slot);
  }

  /** Drops a record, unless it is gone already. */
  forget(record) {
    if (record.slot !== NONE) this.#drop(record.slot);
  }

  /** Moves a record to the newest end. */
  renew(record) {
    const { lost } = this;
    this.lost = null;
    this.forget(record);
    this.lost = lost;
    this.keep(record, Infinity);
  }

  /** Drops every trace that `over` says so of, among those that began no later than `newest`. */
  sweep(newest, over) {
    const slots = this.#slots;
    let slot = slots.oldest;
    // In the order of their beginnings, so what follows a young one is younger still.
    while (slot !== NONE && !(slots.began[slot] > newest)) {
      const next = slots.newer[slot];
      const record = this.#records[slot];
      if (record === null ? over(this.#archive.glance(slots.places[slot])) : record instanceof TraceRecord && over(record)) this.#drop(slot);
      slot = next;
    }
  }

  /** Dates the traces that nobody asked about yet. */
  date(wallOffset) {
    const { newer, oldest, places } = this.#slots;
    for (let slot = oldest; slot !== NONE; slot = newer[slot]) {
      const record = this.#records[slot];
      if (record === null) this.#archive.date(places[slot], wallOffset);
      else if (record instanceof TraceRecord) record.wall ??= record.began + wallOffset;
    }
  }

  get size() {
    return this.#slots.count;
  }

  get(id) {
    const slot = this.#slotOf(id);
    return slot === NONE ? undefined : this.#recordAt(slot).object();
  }

  has(id) {
    return this.#slotOf(id) !== NONE;
  }

  set(id, value) {
    this.delete(id);
    this.keep(new Foreign(id, value), Infinity);
    this.#hasForeign = true;
    return this;
  }

  delete(id) {
    const slot = this.#slotOf(id);
    if (slot === NONE) return false;
    this.#drop(slot);
    return true;
  }

  clear() {
    while (this.#slots.oldest !== NONE) this.#drop(this.#slots.oldest);
    this.#slots = new Slots();
    this.#records = new Array(this.#slots.chained.length).fill(null);
    this.#archive = new Archive();
    this.#hasForeign = false;
  }

  /** The newest traces' records, newest first, without making their live objects. */
  newestRecords(most) {
    const { newest, older } = this.#slots;
    const records = [];
    for (let slot = newest; slot !== NONE && records.length < most; slot = older[slot]) {
      const record = this.#recordAt(slot);
      if (record instanceof TraceRecord) records.push(record);
    }
    return records;
  }

  /** All records, oldest first, as they are now: callers delete while they iterate. */
  #held() {
    const { newer, oldest } = this.#slots;
    const records = [];
    for (let slot = oldest; slot !== NONE; slot = newer[slot]) records.push(this.#recordAt(slot));
    return records;
  }

  *entries() {
    for (const record of this.#held()) yield [record.id, record.object()];
  }

  *keys() {
    // Of the ids alone: no record is made for them.
    const { newer, oldest } = this.#slots;
    const ids = [];
    for (let slot = oldest; slot !== NONE; slot = newer[slot]) ids.push(this.#idAt(slot));
    yield* ids;
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
