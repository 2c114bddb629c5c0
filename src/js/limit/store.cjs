'use strict';
// Buckets that several processes share: what was asked in one turn of the event loop goes to the native room in one
// call, and what became of it comes back in one. Whoever waits keeps the process and the limiter alive; nothing else does.

const { native, once, request } = require('../addon.cjs');
const { now, TOKENS, LAST_ACCESS, WAITING } = require('./clients.cjs');
const { refuse, textOf, ABORTED, SHUTDOWN } = require('./waiters.cjs');

/** Numbers for each request in the outbox, and for each outcome. */
const FIELDS = 5;
const GRANTED = 1;
const GRANTED_LATER = 2;
const REFUSED = 0;
/** Longer than any wait: this timer is only there to keep the process alive, and who is handed to it. */
const FOREVER = 2 ** 31 - 1;
const hold = () => {};
/** Where native code lays outcomes while it tells of them, as many as there usually are. */
const tray = once('limitTray', () => {
  const numbers = new Float64Array(256 * FIELDS);
  native.limitTray(numbers);
  return numbers;
});

class Store {
  constructor(limiter, state) {
    this.limiter = new WeakRef(limiter);
    this.state = state;
    this.outbox = new Float64Array(64 * FIELDS);
    this.count = 0;
    this.lastNumber = 0;
    /** Who left before an answer was heard: number → `{ id, tokens }`. */
    this.gone = new Map();
    this.alive = null;
    this.sweeper = null;
    this.flush = () => this.send();
  }

  /** Puts a request into the outbox, which leaves when this turn has said all it wants. */
  submit(slot, tokens, timeoutMs, inTurn) {
    if (this.count * FIELDS === this.outbox.length) {
      const larger = new Float64Array(this.outbox.length * 2);
      larger.set(this.outbox);
      this.outbox = larger;
    }
    const { outbox } = this;
    const at = this.count * FIELDS;
    const number = (this.lastNumber += 1);
    outbox[at] = slot;
    outbox[at + 1] = number;
    outbox[at + 2] = tokens;
    outbox[at + 3] = timeoutMs;
    outbox[at + 4] = inTurn ? 1 : 0;
    if (this.count === 0) process.nextTick(this.flush);
    this.count += 1;
    return number;
  }

  send() {
    const { count } = this;
    this.count = 0;
    native.limitSubmit(this.state.clients.handle, this.outbox, count);
  }

  rest() {
    if (this.alive === null || this.state.waiters.size > 0) return;
    clearInterval(this.alive);
    this.alive = null;
  }

  /** Outcomes, each of five numbers: how many numbers lie in the tray, or a buffer with too many for it. */
  hear(told) {
    const limiter = this.limiter.deref();
    const outcomes = typeof told === 'number' ? tray : new Float64Array(told);
    const end = typeof told === 'number' ? told : outcomes.length;
    for (let at = 0; at < end; at += FIELDS) {
      const waiter = this.state.waiters.get(outcomes[at]);
      if (limiter === undefined) continue;
      if (waiter === undefined) {
        this.heardOfGone(limiter, outcomes[at], outcomes[at + 1]);
        continue;
      }
      this.leave(outcomes[at], waiter);
      const verdict = outcomes[at + 1];
      const remaining = outcomes[at + 2];
      const retryAfterMs = outcomes[at + 3];
      const waitTime = outcomes[at + 4];
      const later = verdict === GRANTED_LATER;
      if (later) limiter.stats.queuedRequests += 1;
      if (later || verdict === GRANTED) {
        limiter.stats.allowedRequests += 1;
        waiter.resolve({ acquired: true, waitTime: later ? waitTime : 0, retryAfterMs: 0, remaining });
      } else if (verdict === REFUSED) {
        limiter.stats.deniedRequests += 1;
        waiter.resolve({ acquired: false, waitTime: 0, retryAfterMs, remaining });
      } else {
        if (verdict === -1) limiter.stats.queuedRequests += 1;
        const { error, result } = refuse(limiter, this.state, verdict, { ...waiter, waitTime, remaining, retryAfterMs });
        if (result === null) waiter.reject(error);
        else waiter.resolve(result);
      }
    }
    this.rest();
  }

  /** What was granted to one who has left, before the store was told, goes back. */
  heardOfGone(limiter, number, verdict) {
    const gone = this.gone.get(number);
    if (gone === undefined) return;
    this.gone.delete(number);
    if (verdict >= GRANTED && !this.state.closed) limiter.reward(gone.id, gone.tokens);
  }

  /** Takes a waiter out; its client may be forgotten again when it was the last. */
  leave(number, waiter) {
    const { clients, waiters } = this.state;
    waiters.delete(number);
    waiter.release?.();
    const chunk = clients.chunk(waiter.slot);
    if (chunk !== undefined) chunk[clients.place(waiter.slot) + WAITING] = native.limitLeft(clients.handle, waiter.slot);
  }

  /**
   * A promise for tokens of the shared bucket. It holds `limiter`, which the caller may have let go of: with the limiter
   * the waiter would be collected.
   */
  acquire(limiter, { id, slot, tokens, timeoutMs, signal }) {
    const { clients, waiters } = this.state;
    const chunk = clients.chunk(slot);
    const place = clients.place(slot);
    chunk[place + LAST_ACCESS] = now();
    chunk[place + WAITING] += 1;
    this.alive ??= setInterval(hold, FOREVER, limiter);
    return new Promise((resolve, reject) => {
      const number = this.submit(slot, tokens, timeoutMs, limiter.fairQueueing);
      const waiter = { id, slot, tokens, resolve, reject, signal, queuedAt: Date.now(), release: undefined };
      waiters.set(number, waiter);
      if (signal === undefined) return;
      const onAbort = () => this.end(number, waiter, ABORTED);
      waiter.release = () => signal.removeEventListener('abort', onAbort);
      signal.addEventListener('abort', onAbort, { once: true });
    });
  }

  /** Ends a wait from this side. What the store grants it all the same goes back. */
  end(number, waiter, refusal) {
    const limiter = this.limiter.deref();
    if (this.count > 0) this.send();
    native.limitWithdraw(this.state.clients.handle, number);
    if (refusal !== SHUTDOWN) this.gone.set(number, { id: waiter.id, tokens: waiter.tokens });
    this.leave(number, waiter);
    waiter.reject(refuse(limiter, this.state, refusal, waiter).error);
    this.rest();
  }

  endAll() {
    for (const [number, waiter] of [...this.state.waiters]) this.end(number, waiter, SHUTDOWN);
  }

  /** Says whose slot it is now. */
  name(slot, id, limit, rate) {
    this.state.clients.ask(native.limitName, slot, 0, textOf(id), limit, rate);
    this.sweep();
  }

  /** Sends leases back that lie unused, from a timer that keeps neither the process nor the limiter. */
  sweep() {
    if (this.sweeper !== null) return;
    const { handle } = this.state.clients;
    const next = native.limitNextUnused(handle, now());
    const held = new WeakRef(this);
    this.sweeper = setTimeout(() => {
      const store = held.deref();
      if (store === undefined) return;
      store.sweeper = null;
      if (store.state.closed) return;
      store.giveBackUnused();
      if (store.state.clients.size > 0) store.sweep();
    }, next < 0 ? this.limiter.deref()?.store.leaseMs ?? 1000 : Math.max(next, 5));
    this.sweeper.unref?.();
  }

  giveBackUnused() {
    const { clients, events } = this.state;
    const count = native.limitUnused(clients.handle, now(), events);
    for (const slot of events.slice(0, count)) clients.ask(native.limitGiveBack, slot, 0, false);
  }

  /** Sends all leases back. */
  giveBackAll() {
    const { clients } = this.state;
    for (const slot of clients.slots()) clients.ask(native.limitGiveBack, slot, 0, true);
  }

  /** A client is forgotten. */
  forget(slot) {
    const { clients } = this.state;
    native.limitForget(clients.handle, slot, clients.chunk(slot)[clients.place(slot) + TOKENS]);
  }

  /** What a client's bucket holds and gains, unless the store knows otherwise. */
  termsOf(id) {
    const { rateLimit, refillRate } = this.limiter.deref();
    return this.state.clients.rules?.find(id) ?? [rateLimit, refillRate];
  }

  async peek(id, tokens) {
    const [limitOf, rate] = this.termsOf(id);
    const cost = typeof tokens === 'number' ? tokens : NaN;
    const { handle } = this.state.clients;
    const answer = await request((number) => native.limitAskStore(handle, number, textOf(id), limitOf, rate, cost));
    const [allowed, limit, remaining, retryAfterMs, resetMs] = answer;
    return { allowed, limit, remaining, retryAfterMs, resetMs };
  }

  /** Milliseconds until tokens come that are taken for then, or a refusal below zero. */
  reserve(id, cost, maxWaitMs) {
    const [limit, rate] = this.termsOf(id);
    const { handle } = this.state.clients;
    // What was asked for before is asked first.
    if (this.count > 0) this.send();
    return request((number) => native.limitReserveStore(handle, number, textOf(id), limit, rate, cost, maxWaitMs));
  }

  confirm() {
    if (this.count > 0) this.send();
    return request((number) => native.limitFlush(this.state.clients.handle, number));
  }

  stats() {
    const { numbers, clients } = this.state;
    const lastError = native.limitStoreStats(clients.handle, numbers) ?? null;
    return { up: numbers[0] === 1, calls: numbers[1], failures: numbers[2], lastError };
  }
}

/** Asks the shared bucket itself. */
function askStore(limiter, state, { id, slot, tokens, timeoutMs, signal }) {
  if (state.closed) throw refuse(limiter, state, SHUTDOWN, { id, slot, tokens }).error;
  if (!(typeof tokens === 'number' && tokens >= 0)) throw refuse(limiter, state, -6, { id, slot, tokens }).error;
  return state.store.acquire(limiter, { id, slot, tokens, timeoutMs, signal });
}

module.exports = { Store, askStore };
