'use strict';

const { native, isNode, listen, unlisten } = require('../addon.cjs');
const { adjust, amount, peek } = require('../limit/balance.cjs');
const { busiest } = require('../limit/busiest.cjs');
const { applyRules } = require('../limit/change.cjs');
const { Clients, now, LAST_ACCESS } = require('../limit/clients.cjs');
const { CombinedLimiter } = require('../limit/combined.cjs');
const { LazyRefill } = require('../limit/lazy-refill.cjs');
const { middleware } = require('../limit/middleware.cjs');
const { reserveOptions, shareOf, waitOptions, USUAL_CLASS } = require('../limit/options.cjs');
const { reserve, reserveStore } = require('../limit/reservation.cjs');
const { Rules } = require('../limit/rules.cjs');
const { statsOf } = require('../limit/stats.cjs');
const { Store, askStore } = require('../limit/store.cjs');
const { slotFor, take, takeFrom, ALLOWED, DENIED, INVALID } = require('../limit/taking.cjs');
const { BucketsView, QueuesView, bucketOf, settle } = require('../limit/views.cjs');
const { arm, refuse, rejectAll, serve, stateOf, wait, ABORTED, SHUTDOWN } = require('../limit/waiters.cjs');
const { Durations } = require('../metrics/durations.cjs');
const { enroll } = require('../metrics/members.cjs');

const STATE = Symbol('tooloo.limiter');

function free({ handle, listener }) {
  native.limitClose(handle);
  unlisten(listener);
}

class RateLimiter {
  constructor(options = {}) {
    if (options === null) throw new TypeError('options must be an object');
    const { globalLimit, store } = options;
    if (globalLimit && store) throw new TypeError('options "globalLimit" and "store" cannot be combined: combine two limiters');
    // Held weakly: a limiter that nobody uses any more goes, and its listener with it.
    let heard = { deref: () => undefined };
    const listener = store ? listen((outcomes) => heard.deref()?.hear(outcomes)) : 0;
    const opened = native.limitOpen(options, globalLimit, store, listener, isNode);
    const { handle, maxClients, idleMs, resolveRefused, maxQueueLength, ...settings } = opened;
    const state = {
      clients: new Clients(handle, maxClients),
      waiters: new Map(),
      reserved: new Set(),
      shared: settings.globalLimit !== undefined,
      waits: new Durations(),
      timer: null,
      timerAt: 0,
      idleTimer: null,
      sweepAt: 0,
      idleMs,
      usualLimit: settings.rateLimit,
      usualRate: settings.refillRate,
      resolveRefused,
      closed: false,
      store: null,
      numbers: new Float64Array(3),
      served: new Float64Array(128),
      events: new Float64Array(256),
    };
    Object.defineProperty(this, STATE, { value: state });
    if (settings.store !== undefined) {
      state.store = new Store(this, state);
      state.clients.store = state.store;
      heard = new WeakRef(state.store);
    }
    Object.assign(this, { globalLimit: undefined, store: undefined }, settings, { maxClients, maxQueueLength });
    this.stats = { totalRequests: 0, allowedRequests: 0, deniedRequests: 0, queuedRequests: 0, buckets: {} };
    const held = { handle: { handle, listener }, stats: this.stats, waits: state.waits, waiters: new WeakRef(state.waiters) };
    enroll('RateLimiter', this, options, held, free);
    this.refillTimer = null;
    state.buckets = new BucketsView(this, state);
    state.requestQueues = new QueuesView(state);
    state.clients.readWindow();
    if (options.limits !== undefined && options.limits !== null) this.setLimits(options.limits);
    this.startRefillTimer();
  }

  /** Several limiters as one: all let a request through, or none is touched. */
  static combine(limiters, options = {}) {
    return new CombinedLimiter(limiters, options);
  }

  get buckets() {
    return this[STATE].buckets;
  }

  get requestQueues() {
    return this[STATE].requestQueues;
  }

  startRefillTimer() {
    const state = this[STATE];
    native.limitStart(state.clients.handle, now());
    state.clients.readWindow();
    state.closed = false;
    this.refillTimer = new LazyRefill(this.refillInterval);
  }

  getBucket(clientId) {
    const state = this[STATE];
    const slot = slotFor(this, state, clientId);
    settle(state, slot, false);
    state.clients.chunk(slot)[state.clients.place(slot) + LAST_ACCESS] = now();
    return bucketOf(this, state, slot);
  }

  isAllowed(clientId, tokens = 1) {
    const verdict =
      this.getBucket === getBucket
        ? take(this, this[STATE], clientId, tokens, false, USUAL_CLASS)
        : takeFrom(this, this[STATE], clientId, tokens, false, USUAL_CLASS);
    if (verdict === ALLOWED) {
      this.stats.allowedRequests += 1;
      return true;
    }
    this.stats.deniedRequests += 1;
    return false;
  }

  async acquire(clientId, tokens = 1, options = undefined) {
    const state = this[STATE];
    this.stats.totalRequests += 1;
    if (state.store !== null) return this.queueRequest(clientId, tokens, options);
    const share = shareOf(state, clientId);
    let priority = share?.priority ?? USUAL_CLASS;
    if (options !== undefined) {
      const checked = waitOptions(options, this.maxWaitTime, share);
      const { signal } = checked;
      priority = checked.priority;
      if (signal?.aborted) throw refuse(this, state, ABORTED, { id: clientId, slot: -1, tokens, signal }).error;
    }
    const own = this.isAllowed === isAllowed;
    let verdict;
    state.numbers[0] = 0;
    if (!own) verdict = this.isAllowed(clientId, tokens) ? ALLOWED : DENIED;
    else if (this.getBucket === getBucket) verdict = take(this, state, clientId, tokens, true, priority);
    else verdict = takeFrom(this, state, clientId, tokens, true, priority);
    if (verdict === ALLOWED) {
      if (own) this.stats.allowedRequests += 1;
      return { acquired: true, waitTime: 0, retryAfterMs: 0, remaining: Math.floor(state.numbers[0]) };
    }
    if (verdict === INVALID) {
      throw refuse(this, state, -6, { id: clientId, slot: state.clients.find(clientId), tokens }).error;
    }
    if (this.fairQueueing) return this.queueRequest(clientId, tokens, options);
    if (own) this.stats.deniedRequests += 1;
    const { retryAfterMs, remaining } = stateOf(state, slotFor(this, state, clientId), tokens);
    return { acquired: false, waitTime: 0, retryAfterMs, remaining };
  }

  async queueRequest(clientId, tokens = 1, options = undefined) {
    const state = this[STATE];
    const { signal, timeoutMs, weight, priority } = waitOptions(options, this.maxWaitTime, shareOf(state, clientId));
    if (signal?.aborted) throw refuse(this, state, ABORTED, { id: clientId, slot: -1, tokens, signal }).error;
    const slot = slotFor(this, state, clientId);
    if (state.store !== null) return askStore(this, state, { id: clientId, slot, tokens, timeoutMs, signal });
    this.stats.queuedRequests += 1;
    return wait(this, state, { id: clientId, slot, tokens, timeoutMs, signal, weight, priority });
  }

  processQueue(clientId) {
    const state = this[STATE];
    const slot = state.clients.find(clientId);
    // What waits for a store is woken by what the store says.
    if (state.store !== null) return;
    if (slot >= 0 && state.waiters.size + state.reserved.size > 0) serve(this, state, slot);
  }

  setLimit(clientId, limit, refillRate) {
    const state = this[STATE];
    const { clients } = state;
    const slot = slotFor(this, state, clientId);
    clients.ask(native.limitSet, slot, 0, limit, refillRate);
    clients.rules?.own.add(slot);
    arm(this, state);
  }

  /**
   * Limits by client id, from now on: a list of `{ match, rateLimit, refillRate }` or the path of a JSON file, which is read
   * again when it changes. Clients that are known get theirs at once, with the same part of it left.
   */
  setLimits(limits) {
    const state = this[STATE];
    const { clients } = state;
    const rules = clients.rules ?? new Rules(clients.handle);
    rules.set(limits);
    clients.rules = rules;
    const held = new WeakRef(this);
    const again = (limiter) => (limiter === undefined ? rules.unwatch() : applyRules(limiter, limiter[STATE]));
    if (typeof limits === 'string') rules.watch(limits, () => again(held.deref()));
    else rules.unwatch();
    applyRules(this, state);
  }

  resetBucket(clientId) {
    adjust(this, this[STATE], clientId, NaN);
  }

  /** What the limit looks like for a client, without taking anything or making it known. */
  peek(clientId, tokens = 1) {
    return peek(this, this[STATE], clientId, tokens);
  }

  /** Takes tokens away, down to zero. */
  penalty(clientId, tokens = 1) {
    return adjust(this, this[STATE], clientId, -amount(tokens));
  }

  /** Gives tokens back, up to the limit, and serves who waits for them. */
  reward(clientId, tokens = 1) {
    const info = adjust(this, this[STATE], clientId, amount(tokens));
    this.processQueue(clientId);
    return info;
  }

  /** Denies a client everything for so many milliseconds; 0 ends it. */
  block(clientId, durationMs) {
    const state = this[STATE];
    const { clients } = state;
    const slot = slotFor(this, state, clientId);
    clients.ask(native.limitBlock, slot, 0, durationMs);
    arm(this, state);
    return stateOf(state, slot, 1);
  }

  /** As `peek`, but as the store says; without a store, what `peek` says. Rejects while the store is away. */
  async peekStore(clientId, tokens = 1) {
    const { store } = this[STATE];
    return store === null ? this.peek(clientId, tokens) : store.peek(clientId, tokens);
  }

  /** Resolves when the store has confirmed all that was sent to it; with `false` when it was away for some of it. */
  async flush() {
    const { store } = this[STATE];
    return store === null ? true : store.confirm();
  }

  /**
   * Tokens for a time to come: `{ waitMs, at, cancel() }`. Throws what a refused `acquire` rejects with, also when they
   * come later than `maxWaitMs`.
   */
  reserve(clientId, tokens = 1, options = {}) {
    const state = this[STATE];
    if (state.store !== null) throw new TypeError('reserve cannot ask the "store" before it answers: use reserveStore');
    const { maxWaitMs, weight } = reserveOptions(options, this.maxWaitTime, shareOf(state, clientId));
    return reserve(this, state, { id: clientId, slot: slotFor(this, state, clientId), tokens, maxWaitMs, weight });
  }

  /** As `reserve`, of the bucket in the store; without a store, what `reserve` says. */
  async reserveStore(clientId, tokens = 1, options = {}) {
    const state = this[STATE];
    if (state.store === null) return this.reserve(clientId, tokens, options);
    const { maxWaitMs } = reserveOptions(options, this.maxWaitTime);
    return reserveStore(this, state, { id: clientId, slot: slotFor(this, state, clientId), tokens, maxWaitMs });
  }

  middleware(options) {
    return middleware(this, options);
  }

  getStats(options) {
    return statsOf(this, this[STATE], options);
  }

  getBusiest(limit = 10) {
    if (!Number.isInteger(limit) || limit < 1 || limit > 1000) {
      throw new RangeError(`"limit" must be a whole number from 1 to 1000, got ${String(limit)}`);
    }
    return busiest(this[STATE].clients, limit);
  }

  cleanupIdleBuckets(idleTime = 300000) {
    const { clients } = this[STATE];
    const idleMs = Number(idleTime);
    for (let chunk = 0; chunk < clients.chunks.length; chunk += 1) {
      while (clients.forgetIdle(chunk, idleMs, false, this.rateLimit, this.refillRate) > 0);
    }
  }

  shutdown() {
    const state = this[STATE];
    state.closed = true;
    state.clients.rules?.unwatch();
    state.store?.endAll();
    native.limitStop(state.clients.handle, now());
    rejectAll(this, state);
    if (state.idleTimer !== null) clearTimeout(state.idleTimer);
    state.idleTimer = null;
    state.buckets.clear();
    state.clients.readWindow();
    this.refillTimer = null;
  }
}

// What a caller may replace; as long as it is these, buckets need not be made into objects.
const { getBucket, isAllowed } = RateLimiter.prototype;

Object.defineProperty(exports, '__esModule', { value: true });
exports.RateLimiter = RateLimiter;
exports.default = RateLimiter;
