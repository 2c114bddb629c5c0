'use strict';
// What the original kept in plain Maps, as views of the shared arrays: `buckets` with live bucket objects, and
// `requestQueues`.

const { native } = require('../addon.cjs');
const { now, TOKENS, LIMIT, RATE, LAST_ACCESS, WAITING } = require('./clients.cjs');
const { arm, waitersOf } = require('./waiters.cjs');

/** Bucket object → `{ state, slot }`; the slot is -1 once the client was forgotten. */
const owners = new WeakMap();

// The wall clock is whole milliseconds: rounding up keeps a fresh access from lying before its own `Date.now()`.
const toWall = (time) => Math.ceil(Date.now() - (now() - time));
const fromWall = (time) => now() - (Date.now() - time);
const FIELDS = [
  ['tokens', TOKENS, (value) => value, (value) => value],
  ['limit', LIMIT, (value) => value, (value) => value],
  ['refillRate', RATE, (value) => value, (value) => value],
  ['lastAccessTime', LAST_ACCESS, toWall, fromWall],
];

/** Adds the elapsed refills; after a change from outside, looks at the line again. */
function settle(state, slot, changed) {
  state.clients.ask(native.limitSettle, slot, 0, changed);
}

/** The live bucket object of a slot; always the same one. */
function bucketOf(limiter, state, slot) {
  const { clients } = state;
  const known = clients.views.get(slot);
  if (known !== undefined) return known.bucket;
  const owner = { state, slot };
  const kept = {};
  const bucket = {};
  for (const [name, index, read, write] of FIELDS) {
    Object.defineProperty(bucket, name, {
      enumerable: true,
      configurable: true,
      get() {
        if (owner.slot < 0) return kept[name];
        if (clients.behind !== null) clients.catchUp(slot);
        if (index === TOKENS) settle(state, slot, false);
        return read(clients.chunk(slot)[clients.place(slot) + index]);
      },
      set(value) {
        if (owner.slot < 0) {
          kept[name] = value;
          return;
        }
        const number = write(Number(value));
        settle(state, slot, false);
        // A negative limit would mark the slot as vacant.
        clients.chunk(slot)[clients.place(slot) + index] = index === LIMIT ? Math.max(number, 0) : number;
        settle(state, slot, true);
        arm(limiter, state);
      },
    });
  }
  owners.set(bucket, owner);
  clients.views.set(slot, {
    bucket,
    detach() {
      for (const [name] of FIELDS) kept[name] = bucket[name];
      owner.slot = -1;
    },
  });
  return bucket;
}

/** The slot of a bucket object of this limiter, -1 for any other object. */
function slotOfBucket(state, bucket) {
  const owner = bucket !== null && typeof bucket === 'object' ? owners.get(bucket) : undefined;
  return owner !== undefined && owner.state === state ? owner.slot : -1;
}

/** A Map whose content is elsewhere. */
class View extends Map {
  get size() {
    return [...this.keys()].length;
  }
  has(id) {
    return this.get(id) !== undefined;
  }
  *values() {
    for (const [, value] of this.entries()) yield value;
  }
  *keys() {
    for (const [key] of this.entries()) yield key;
  }
  forEach(body, self) {
    for (const [key, value] of this.entries()) body.call(self, value, key, this);
  }
  [Symbol.iterator]() {
    return this.entries();
  }
  [Symbol.for('nodejs.util.inspect.custom')](_depth, options, inspect) {
    return inspect(new Map(this.entries()), options);
  }
}

class BucketsView extends View {
  #limiter;
  #state;
  constructor(limiter, state) {
    super();
    this.#limiter = limiter;
    this.#state = state;
  }
  get size() {
    return this.#state.clients.size;
  }
  get(id) {
    const slot = this.#state.clients.find(id);
    return slot < 0 ? undefined : bucketOf(this.#limiter, this.#state, slot);
  }
  has(id) {
    return this.#state.clients.find(id) >= 0;
  }
  set(id, bucket) {
    const { clients } = this.#state;
    if (clients.find(id) < 0) clients.add(id, this.#limiter.rateLimit, this.#limiter.refillRate);
    const own = this.get(id);
    for (const [name] of FIELDS) if (bucket[name] !== undefined) own[name] = bucket[name];
    return this;
  }
  /** A client that somebody waits for gets a new bucket instead, so that its line goes on. */
  delete(id) {
    const { clients } = this.#state;
    const slot = clients.find(id);
    if (slot < 0) return false;
    if (clients.chunk(slot)[clients.place(slot) + WAITING] > 0) {
      const { rateLimit, refillRate } = this.#limiter;
      clients.ask(native.limitFill, slot, 0, rateLimit, refillRate);
    } else {
      clients.forget(slot);
    }
    return true;
  }
  clear() {
    if (this.#state.waiters.size === 0) this.#state.clients.clear();
    else for (const id of [...this.keys()]) this.delete(id);
  }
  *entries() {
    const { clients } = this.#state;
    for (const slot of clients.slots()) yield [clients.idOf(slot), bucketOf(this.#limiter, this.#state, slot)];
  }
  *keys() {
    for (const slot of this.#state.clients.slots()) yield this.#state.clients.idOf(slot);
  }
}

/** Who waits for what, as it is now. Read only: a wait is ended by its signal, its time or a shutdown. */
class QueuesView extends View {
  #state;
  constructor(state) {
    super();
    this.#state = state;
  }
  get(id) {
    const waiters = waitersOf(this.#state, this.#state.clients.find(id));
    return waiters.length > 0 ? waiters : undefined;
  }
  set() {
    return this;
  }
  delete() {
    return false;
  }
  clear() {}
  *entries() {
    const { clients, waiters } = this.#state;
    const slots = new Set([...waiters.values()].map((waiter) => waiter.slot));
    for (const slot of slots) yield [clients.idOf(slot), waitersOf(this.#state, slot)];
  }
}

module.exports = { BucketsView, QueuesView, bucketOf, slotOfBucket, settle };
