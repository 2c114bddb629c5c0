'use strict';
// Where a map of traces finds what it holds, and how old that is: slots, chained into buckets by the hash of an id and into a list
// by age. All of it is numbers: links between the records themselves would be old objects that point to young ones,
// which V8 notes one by one and follows in each young collection.

/** No slot. */
const NONE = -1;
/** Instead of the next slot in the bucket: this one is in none. */
const CROWDED = -2;
const FEWEST = 1024;
/** Ids are random, but those of other services are theirs to choose, so a bucket holds no more than this. */
const BUCKET_DEPTH = 8;

class Slots {
  /** The newest slot of a bucket. */
  buckets = new Int32Array(FEWEST).fill(NONE);
  /** The next slot in the same bucket; of a free slot, the next free one. */
  chained = new Int32Array(FEWEST);
  older = new Int32Array(FEWEST);
  newer = new Int32Array(FEWEST);
  hashes = new Int32Array(FEWEST);
  /** For the map's own use: when what is in a slot began, and where it is put away. */
  began = new Float64Array(FEWEST);
  places = new Int32Array(FEWEST);
  oldest = NONE;
  newest = NONE;
  count = 0;
  /** Slots from here on were never used; those that were left chain up from `#free`. */
  #unused = 0;
  #free = NONE;

  /** A slot of one's own, the newest. */
  add() {
    const slot = this.#take();
    const { newest } = this;
    this.older[slot] = newest;
    this.newer[slot] = NONE;
    if (newest === NONE) this.oldest = slot;
    else this.newer[newest] = slot;
    this.newest = slot;
    this.count += 1;
    return slot;
  }

  #take() {
    const slot = this.#free;
    if (slot === NONE) {
      if (this.#unused === this.chained.length) this.#grow();
      return this.#unused++;
    }
    this.#free = this.chained[slot];
    return slot;
  }

  /** Puts a slot into the bucket of a hash; whether there was room. */
  chain(slot, hash) {
    const { buckets, chained } = this;
    const bucket = hash & (buckets.length - 1);
    const first = buckets[bucket];
    let depth = 0;
    for (let each = first; each !== NONE; each = chained[each]) depth += 1;
    if (depth === BUCKET_DEPTH) return this.crowd(slot);
    this.hashes[slot] = hash;
    chained[slot] = first;
    buckets[bucket] = slot;
    return true;
  }

  /** Notes that a slot is in no bucket. */
  crowd(slot) {
    this.chained[slot] = CROWDED;
    return false;
  }

  isCrowded(slot) {
    return this.chained[slot] === CROWDED;
  }

  remove(slot) {
    this.#unchain(slot);
    const { older, newer } = this;
    const before = older[slot];
    const after = newer[slot];
    if (before === NONE) this.oldest = after;
    else newer[before] = after;
    if (after === NONE) this.newest = before;
    else older[after] = before;
    this.chained[slot] = this.#free;
    this.#free = slot;
    this.count -= 1;
  }

  #unchain(slot) {
    const { buckets, chained } = this;
    const next = chained[slot];
    if (next === CROWDED) return;
    const bucket = this.hashes[slot] & (buckets.length - 1);
    let each = buckets[bucket];
    if (each === slot) {
      buckets[bucket] = next;
      return;
    }
    while (chained[each] !== slot) each = chained[each];
    chained[each] = next;
  }

  /** Twice as many; called when none is free. */
  #grow() {
    const most = this.chained.length;
    for (const name of ['chained', 'older', 'newer', 'hashes', 'began', 'places']) {
      const grown = new this[name].constructor(most * 2);
      grown.set(this[name]);
      this[name] = grown;
    }
    this.buckets = new Int32Array(most * 2).fill(NONE);
    // A bucket holds a part of what one of half as many held, so each finds room.
    for (let slot = 0; slot < most; slot += 1) {
      if (this.chained[slot] !== CROWDED) this.chain(slot, this.hashes[slot]);
    }
  }
}

module.exports = { NONE, Slots };
