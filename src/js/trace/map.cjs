'use strict';
// The `spans` field: a Map from trace id to live trace. Inside it holds records; what a caller reads is made on
// reading.

const { TraceRecord } = require('./records.cjs');

const mapGet = Map.prototype.get;
const mapSet = Map.prototype.set;
const mapDelete = Map.prototype.delete;

const shown = (value) => (value instanceof TraceRecord ? value.object() : value);

class TraceMap extends Map {
  // The record asked for last: a request's calls come one after the other.
  #lastId = undefined;
  #last = undefined;
  // Stands at the oldest record; a new iterator would walk over the holes of earlier evictions each time.
  #oldest = null;

  /** The record of a trace, without making its live object. */
  record(id) {
    if (id === this.#lastId) return this.#last;
    const value = mapGet.call(this, id);
    if (!(value instanceof TraceRecord)) return undefined;
    this.#lastId = id;
    this.#last = value;
    return value;
  }

  /** Retains a record as the newest and evicts the oldest ones beyond `most`. */
  keep(record, most) {
    mapSet.call(this, record.id, record);
    this.#lastId = record.id;
    this.#last = record;
    if (this.size <= most) return;
    this.#oldest ??= super.keys();
    while (this.size > most) {
      const { value, done } = this.#oldest.next();
      if (done) {
        this.#oldest = null;
        return;
      }
      this.delete(value);
    }
  }

  /** Drops a record, if it is still the one under its id. */
  forget(record) {
    if (mapGet.call(this, record.id) === record) this.delete(record.id);
  }

  /** Moves a record to the newest end. */
  renew(record) {
    mapDelete.call(this, record.id);
    mapSet.call(this, record.id, record);
  }

  /** Drops every record that `over` says so of, up to the first one that is as young as `newest`. */
  sweep(newest, over) {
    // An iterator keeps the tables alive that the map outgrew since its last step.
    this.#oldest = null;
    for (const [id, record] of super.entries()) {
      if (!(record instanceof TraceRecord)) continue;
      if (record.began > newest) break;
      if (over(record)) this.delete(id);
    }
  }

  get(id) {
    return shown(mapGet.call(this, id));
  }

  set(id, value) {
    this.#lastId = undefined;
    return super.set(id, value);
  }

  delete(id) {
    if (id === this.#lastId) this.#lastId = undefined;
    return mapDelete.call(this, id);
  }

  clear() {
    this.#lastId = undefined;
    this.#last = undefined;
    this.#oldest = null;
    super.clear();
  }

  *values() {
    for (const value of super.values()) yield shown(value);
  }

  *entries() {
    for (const [id, value] of super.entries()) yield [id, shown(value)];
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  forEach(visit, self) {
    for (const [id, trace] of this.entries()) visit.call(self, trace, id, this);
  }

  static get [Symbol.species]() {
    return Map;
  }
}

module.exports = { TraceMap };
