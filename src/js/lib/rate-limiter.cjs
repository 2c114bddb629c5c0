'use strict';

const { native, listen, unlisten } = require('../addon.cjs');
const { busiest } = require('../limit/busiest.cjs');
const { applyRules } = require('../limit/change.cjs');
const { Clients, now, TOKENS, FAST, LIMIT, LAST_ACCESS, FLOOR, WAITING, TICK, ENDS } = require('../limit/clients.cjs');
const { CombinedLimiter } = require('../limit/combined.cjs');
const { watch } = require('../limit/idle.cjs');
const { middleware } = require('../limit/middleware.cjs');
const { reserve, reserveStore } = require('../limit/reservation.cjs');
const { Rules } = require('../limit/rules.cjs');
const { Store } = require('../limit/store.cjs');
const { Durations } = require('../metrics/durations.cjs');
const { enroll } = require('../metrics/members.cjs');
const { BucketsView, QueuesView, bucketOf, settle, slotOfBucket } = require('../limit/views.cjs');
const { arm, refuse, rejectAll, serve, stateOf, textOf, wait, ABORTED, SHUTDOWN } = require('../limit/waiters.cjs');

const STATE = Symbol('tooloo.limiter');
function free({ handle, listener }) {
  native.limitClose(handle);
  unlisten(listener);
}
const DENIED = 0;
const ALLOWED = 1;
const INVALID = -1;
/** The class of a request that names no priority. */
const USUAL_CLASS = 5;

/**
 * Stands where the original had its interval. There is no timer over all clients: refills are computed when a bucket
 * is looked at. `ref` and `unref` do nothing, as nothing is kept alive.
 */
class LazyRefill {
  constructor(intervalMs) {
    this.intervalMs = intervalMs;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return false;
  }
}

function slotFor(limiter, state, id) {
  const slot = state.clients.find(id);
  if (slot >= 0) return slot;
  const added = state.clients.add(id, limiter.rateLimit, limiter.refillRate);
  watch(limiter, state);
  return added;
}

/** Asks the native room; `inTurn` stands behind those who wait. */
function ask(state, slot, cost, inTurn, time, priority) {
  const { clients } = state;
  const desk = clients.lay(slot, time, typeof cost === 'number' ? cost : NaN);
  const verdict = inTurn ? native.limitTakeInTurn(clients.handle, desk, priority) : native.limitTake(clients.handle, desk);
  clients.keep(slot);
  state.numbers[0] = desk[TOKENS];
  return verdict;
}

/** ALLOWED, DENIED or INVALID; the balance left is in `numbers[0]`. */
function take(limiter, state, id, cost, inTurn, priority) {
  // First of all: reading the clock waits for all loads before it, and those that follow are slow with many clients.
  const time = now();
  const { clients } = state;
  const { window } = clients;
  const slot = clients.find(id);
  if (time >= window[ENDS]) clients.readWindow();
  if (slot < 0) return ask(state, slotFor(limiter, state, id), cost, inTurn, time, priority);
  const chunk = clients.chunk(slot);
  const place = clients.place(slot);
  const tick = window[TICK];
  const settled = chunk[place + FAST];
  if (settled !== tick) {
    // Published for an earlier tick (not for none): from the floor on, the refills since then have filled the bucket.
    if (!(settled >= 0 && settled < tick && chunk[place + TOKENS] >= chunk[place + FLOOR])) {
      return ask(state, slot, cost, inTurn, time, priority);
    }
    chunk[place + TOKENS] = chunk[place + LIMIT];
    chunk[place + FAST] = tick;
  }
  // The balance is final until the tick ends, so spending from it needs no second opinion.
  if (typeof cost === 'number' && cost >= 0 && chunk[place + TOKENS] >= cost) {
    chunk[place + TOKENS] -= cost;
    chunk[place + LAST_ACCESS] = time;
    state.numbers[0] = chunk[place + TOKENS];
    return ALLOWED;
  }
  return ask(state, slot, cost, inTurn, time, priority);
}

/** As `take`, where somebody has replaced `getBucket`: its bucket decides, whatever it is. */
function takeFrom(limiter, state, id, cost, inTurn, priority) {
  const bucket = limiter.getBucket(id);
  const slot = slotOfBucket(state, bucket);
  if (slot >= 0) return ask(state, slot, cost, inTurn, now(), priority);
  if (typeof cost !== 'number' || !(cost >= 0)) return INVALID;
  if (!(bucket.tokens >= cost)) return DENIED;
  bucket.tokens -= cost;
  state.numbers[0] = bucket.tokens;
  return ALLOWED;
}

/** The client's own weight and class, where clients share a limit. */
function shareOf(state, id) {
  return state.shared ? state.clients.rules?.shareOf(id) : undefined;
}

/** `{ signal, timeoutMs, weight, priority }`, checked; -1 where no time is given. */
function waitOptions(options, maxWaitTime, share) {
  const { signal, timeoutMs, weight, priority } = options ?? {};
  if (signal !== undefined && signal !== null && typeof signal.addEventListener !== 'function') {
    throw new TypeError('option "signal" must be an AbortSignal');
  }
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
    throw new TypeError('option "timeoutMs" must be a number of milliseconds');
  }
  const usual = typeof maxWaitTime === 'number' && maxWaitTime > 0 ? maxWaitTime : -1;
  if (weight !== undefined || priority !== undefined) native.limitShare(weight, priority);
  const { weight: ownWeight = 1, priority: ownClass = USUAL_CLASS } = share ?? {};
  return { signal: signal ?? undefined, timeoutMs: timeoutMs ?? usual, weight: weight ?? ownWeight, priority: priority ?? ownClass };
}

/** `{ maxWaitMs, weight }`, checked. */
function reserveOptions({ maxWaitMs, weight }, maxWaitTime, share) {
  const most = maxWaitMs ?? maxWaitTime;
  if (!(typeof most === 'number' && most >= 0)) throw new TypeError('option "maxWaitMs" must be a number of milliseconds');
  if (weight !== undefined) native.limitShare(weight, undefined);
  return { maxWaitMs: most, weight: weight ?? share?.weight ?? 1 };
}

class RateLimiter {
  constructor(options = {}) {
    if (options === null) throw new TypeError('options must be an object');
    const { globalLimit, store } = options;
    if (globalLimit && store) throw new TypeError('options "globalLimit" and "store" cannot be combined: combine two limiters');
    // Held weakly: a limiter that nobody uses any more goes, and its listener with it.
    let heard = { deref: () => undefined };
    const listener = store ? listen((outcomes) => heard.deref()?.hear(outcomes)) : 0;
    const opened = native.limitOpen(options, globalLimit, store, listener);
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
    if (typeof limits === 'string') rules.watch(limits, () => changed(held.deref() ?? rules.unwatch()));
    else rules.unwatch();
    applyRules(this, state);
  }

  resetBucket(clientId) {
    adjust(this, clientId, NaN);
  }

  /** What the limit looks like for a client, without taking anything or making it known. */
  peek(clientId, tokens = 1) {
    const state = this[STATE];
    const slot = state.clients.find(clientId);
    const cost = typeof tokens === 'number' ? tokens : NaN;
    if (slot >= 0) return stateOf(state, slot, cost);
    if (state.store !== null) {
      // Nobody knows better than the store; as far as is known here the bucket is full.
      const allowed = cost >= 0 && cost <= this.rateLimit;
      const retryAfterMs = allowed ? 0 : Infinity;
      return { allowed, limit: this.rateLimit, remaining: Math.floor(this.rateLimit), retryAfterMs, resetMs: 0 };
    }
    // The slot of nobody: a full bucket to look at.
    const [limit, rate] = state.clients.rules?.find(clientId) ?? [this.rateLimit, this.refillRate];
    const nobody = state.clients.borrow(limit, rate);
    const info = stateOf(state, nobody, cost);
    state.clients.giveBack(nobody);
    return info;
  }

  /** Takes tokens away, down to zero. */
  penalty(clientId, tokens = 1) {
    return adjust(this, clientId, -amount(tokens));
  }

  /** Gives tokens back, up to the limit, and serves who waits for them. */
  reward(clientId, tokens = 1) {
    const info = adjust(this, clientId, amount(tokens));
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

  getStats({ buckets: each = true } = {}) {
    const { totalRequests, allowedRequests, deniedRequests, queuedRequests } = this.stats;
    const { clients, waiters } = this[STATE];
    const buckets = {};
    for (const slot of each ? clients.slots() : []) {
      settle(this[STATE], slot, false);
      const chunk = clients.chunk(slot);
      const place = clients.place(slot);
      const [tokens, , limit] = chunk.subarray(place, place + 3);
      const value = {
        tokens: native.limitShown(tokens),
        limit,
        utilization: native.limitUtilization(tokens, limit),
        queueSize: chunk[place + WAITING],
      };
      const name = textOf(clients.idOf(slot));
      if (name === '__proto__') {
        Object.defineProperty(buckets, name, { value, enumerable: true, configurable: true, writable: true });
      } else {
        buckets[name] = value;
      }
    }
    const stats = {
      totalRequests,
      allowedRequests,
      deniedRequests,
      allowRate: native.limitAllowRate(Number(allowedRequests), Number(deniedRequests)),
      queuedRequests,
      waitingRequests: waiters.size,
      activeBuckets: clients.size,
      buckets,
    };
    if (this.globalLimit !== undefined) {
      const tokens = native.limitShared(clients.handle, now());
      const limit = this.globalLimit.rateLimit;
      stats.global = { tokens: native.limitShown(tokens), limit, utilization: native.limitUtilization(tokens, limit) };
    }
    if (this[STATE].store !== null) stats.store = this[STATE].store.stats();
    return stats;
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

/** The file with the limits has others. */
function changed(limiter) {
  if (limiter !== undefined) applyRules(limiter, limiter[STATE]);
}

/** Asks the shared bucket itself. */
function askStore(limiter, state, { id, slot, tokens, timeoutMs, signal }) {
  if (state.closed) throw refuse(limiter, state, SHUTDOWN, { id, slot, tokens }).error;
  if (!(typeof tokens === 'number' && tokens >= 0)) throw refuse(limiter, state, -6, { id, slot, tokens }).error;
  return state.store.acquire({ id, slot, tokens, timeoutMs, signal, inTurn: limiter.fairQueueing });
}

/** A number of tokens to add or take away. */
function amount(tokens) {
  if (typeof tokens === 'number' && tokens >= 0) return tokens;
  throw native.limitError(-6, '', 0, 0);
}

/** Adds to a bucket, takes from it, or with NaN fills it; says what it looks like now. */
function adjust(limiter, id, by) {
  const state = limiter[STATE];
  const { clients } = state;
  const slot = slotFor(limiter, state, id);
  state.clients.ask(native.limitAdjust, slot, by);
  arm(limiter, state);
  return stateOf(state, slot, 1);
}

// What a caller may replace; as long as it is these, buckets need not be made into objects.
const { getBucket, isAllowed } = RateLimiter.prototype;

Object.defineProperty(exports, '__esModule', { value: true });
exports.RateLimiter = RateLimiter;
exports.default = RateLimiter;
