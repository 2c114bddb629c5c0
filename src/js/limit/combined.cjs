'use strict';
// Several limits at once: all of them let a request through, in one step, or none of them is touched. Each limiter decides
// for itself; here is only what concerns them together.

const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { textOf } = require('../resilience/text.cjs');

/** How long tokens that came from outside, by `reward` or `setLimit`, may go unnoticed. */
const LOOK_AGAIN_MS = 1000;
/** Refusals as `limitError` knows them. */
const TIMEOUT = -1;
const TOO_DEAR = -2;
const FULL = -3;
const ABORTED = -4;
const SHUTDOWN = -5;
const INVALID = -6;

/** The client of a limit that no id was given for: all such requests share it. */
const EVERYBODY = '*';

/** One request that waits. */
class Waiter {
  constructor(parts, tokens, began, deadline, signal) {
    Object.assign(this, { parts, tokens, began, deadline, signal });
    this.result = new Promise((resolve, reject) => Object.assign(this, { resolve, reject }));
    this.aborted = null;
  }
}

class CombinedLimiter {
  #limiters;
  #options;
  #waiters = new Set();
  #timer = null;

  constructor(limiters, options) {
    const entries = limiters === null || typeof limiters !== 'object' ? [] : Object.entries(limiters);
    const isLimiter = (limiter) => typeof limiter?.peek === 'function' && typeof limiter.isAllowed === 'function';
    if (entries.length === 0 || !entries.every(([, limiter]) => isLimiter(limiter))) {
      throw new TypeError('combine needs an object of RateLimiters by name');
    }
    for (const name of ['maxWaitTime', 'maxQueueLength']) {
      const value = options[name];
      if (value !== undefined && !(typeof value === 'number' && value >= 0)) throw new TypeError(`option "${name}" must be a number, not below 0`);
    }
    this.#limiters = new Map(entries);
    const { maxWaitTime = Math.min(...entries.map(([, limiter]) => limiter.maxWaitTime)), maxQueueLength = 10_000 } = options;
    this.#options = { maxWaitTime, maxQueueLength };
  }

  /** Requests that wait. */
  get waitingRequests() {
    return this.#waiters.size;
  }

  #partsOf(ids) {
    const given = ids ?? {};
    if (typeof given !== 'object') throw new TypeError('ids must be an object of client ids by the names of the limiters');
    for (const name of Object.keys(given)) {
      if (!this.#limiters.has(name)) throw new TypeError(`there is no limiter "${name}" to ask for an id`);
    }
    return [...this.#limiters].map(([name, limiter]) => ({ name, limiter, id: given[name] ?? EVERYBODY }));
  }

  /** What all of them say together, without taking anything. */
  #look(parts, tokens) {
    const seen = { allowed: true, remaining: Infinity, retryAfterMs: 0, refusedBy: [], impossible: undefined };
    for (const part of parts) {
      const { allowed, remaining, retryAfterMs, limit } = part.limiter.peek(part.id, tokens);
      seen.remaining = Math.min(seen.remaining, remaining);
      if (allowed) continue;
      seen.allowed = false;
      seen.retryAfterMs = Math.max(seen.retryAfterMs, retryAfterMs);
      seen.refusedBy.push(part);
      if (tokens > limit) seen.impossible = { part, limit };
    }
    return seen;
  }

  /** Nothing else runs between the look and the taking: it is one step. */
  #take(parts, tokens) {
    const seen = this.#look(parts, tokens);
    if (!seen.allowed) return seen;
    for (const [index, { limiter, id }] of parts.entries()) {
      if (limiter.isAllowed(id, tokens)) continue;
      // One that was replaced by the app says something else than it shows: what was taken goes back.
      for (const taken of parts.slice(0, index)) taken.limiter.reward(taken.id, tokens);
      return { ...seen, allowed: false, refusedBy: [parts[index]] };
    }
    return { ...seen, remaining: Math.floor(seen.remaining - tokens) };
  }

  peek(ids, tokens = 1) {
    const { allowed, remaining, retryAfterMs, refusedBy } = this.#look(this.#partsOf(ids), check(tokens));
    return { allowed, remaining, retryAfterMs, refusedBy: refusedBy.map(({ name }) => name) };
  }

  isAllowed(ids, tokens = 1) {
    const { allowed, refusedBy } = this.#take(this.#partsOf(ids), check(tokens));
    if (!allowed) deny(refusedBy);
    return allowed;
  }

  async acquire(ids, tokens = 1, { signal, timeoutMs } = {}) {
    const parts = this.#partsOf(ids);
    check(tokens);
    if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0)) throw new TypeError('option "timeoutMs" must be a number of milliseconds');
    if (signal?.aborted) throw this.#error(ABORTED, parts, tokens, signal);
    for (const { limiter } of parts) limiter.stats.totalRequests += 1;
    const began = performance.now();
    const waiter = new Waiter(parts, tokens, began, began + (timeoutMs ?? this.#options.maxWaitTime), signal);
    this.#waiters.add(waiter);
    this.#serve();
    if (!this.#waiters.has(waiter)) return waiter.result;
    if (this.#waiters.size > this.#options.maxQueueLength) return this.#refuse(waiter, FULL);
    for (const { limiter } of parts) limiter.stats.queuedRequests += 1;
    if (signal !== undefined && signal !== null) {
      waiter.aborted = () => { this.#refuse(waiter, ABORTED); };
      signal.addEventListener('abort', waiter.aborted, { once: true });
    }
    return waiter.result;
  }

  /** Rejects everybody who waits. The limiters themselves go on. */
  shutdown() {
    for (const waiter of [...this.#waiters]) this.#refuse(waiter, SHUTDOWN);
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #error(refusal, parts, tokens, signal, limit = 0) {
    const { retryAfterMs, remaining, refusedBy } = this.#look(parts, tokens);
    const names = (refusedBy.length > 0 ? refusedBy : parts).map(({ name, id }) => `${name} ${textOf(id)}`).join(', ');
    const error = native.limitError(refusal, names, tokens, limit);
    Object.assign(error, { retryAfterMs, remaining });
    if (refusal === ABORTED) {
      Object.defineProperty(error, 'name', { value: 'AbortError', configurable: true, writable: true });
      Object.defineProperty(error, 'cause', { value: signal.reason, configurable: true, writable: true });
    }
    return error;
  }

  #leave(waiter) {
    this.#waiters.delete(waiter);
    if (waiter.aborted !== null) waiter.signal.removeEventListener('abort', waiter.aborted);
  }

  #refuse(waiter, refusal, limit) {
    this.#leave(waiter);
    const error = this.#error(refusal, waiter.parts, waiter.tokens, waiter.signal, limit);
    if (refusal !== ABORTED) deny(waiter.parts);
    waiter.reject(error);
    // Somebody may have stood behind it.
    if (this.#waiters.size > 0 && refusal !== SHUTDOWN) this.#serve();
    return waiter.result;
  }

  /** Serves who can be served, in the order of arrival; nobody passes another who waits for the same tokens. */
  #serve() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const now = performance.now();
    /** Limiter → ids that somebody waits for */
    const claimed = new Map();
    let wake = Infinity;
    for (const waiter of [...this.#waiters]) {
      if (!this.#waiters.has(waiter)) continue;
      const { parts, tokens } = waiter;
      const behind = parts.some(({ limiter, id }) => claimed.get(limiter)?.has(id));
      const seen = behind ? undefined : this.#take(parts, tokens);
      if (seen?.allowed) {
        this.#leave(waiter);
        waiter.resolve({ acquired: true, waitTime: Math.round(now - waiter.began), retryAfterMs: 0, remaining: seen.remaining });
        continue;
      }
      if (seen?.impossible !== undefined) {
        this.#leave(waiter);
        deny([seen.impossible.part]);
        waiter.reject(this.#error(TOO_DEAR, [seen.impossible.part], tokens, undefined, seen.impossible.limit));
        continue;
      }
      if (now >= waiter.deadline) {
        this.#leave(waiter);
        deny(parts);
        waiter.reject(this.#error(TIMEOUT, parts, tokens));
        continue;
      }
      // Who stands behind another claims nothing more: what it will be short of is not known yet.
      for (const { limiter, id } of seen?.refusedBy ?? []) {
        if (!claimed.has(limiter)) claimed.set(limiter, new Set());
        claimed.get(limiter).add(id);
      }
      wake = Math.min(wake, waiter.deadline, now + (seen?.retryAfterMs ?? Infinity));
    }
    if (this.#waiters.size === 0) return;
    const ms = Math.min(Math.max(1, Math.ceil(wake - performance.now())), LOOK_AGAIN_MS);
    this.#timer = setTimeout(() => this.#serve(), ms);
  }
}

function deny(parts) {
  for (const { limiter } of parts) limiter.stats.deniedRequests += 1;
}

/** A cost that is no number is refused in the words of a limiter. */
function check(tokens) {
  if (typeof tokens === 'number' && tokens >= 0) return tokens;
  throw native.limitError(INVALID, '', 0, 0);
}

exports.CombinedLimiter = CombinedLimiter;
