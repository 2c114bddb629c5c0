'use strict';
// Runs calls through a circuit breaker. Whether a call goes through and when the state changes is decided in native
// code; this face calls the user's functions and reports how they ended.

const { EventEmitter } = require('node:events');
const { native } = require('../addon.cjs');
const { INNER, Inner, FallbackResult, PLACES, STATES, admit, run } = require('../resilience/circuit.cjs');
const { enroll } = require('../metrics/members.cjs');
const { steadyNow } = require('../resilience/steady.cjs');
const { read, textOf } = require('../resilience/text.cjs');

const {
  STATE, FAILURES, SUCCESSES, FAILURE_THRESHOLD, SUCCESS_THRESHOLD, RESET_TIMEOUT, LAST_FAILURE, LAST_CHANGE, QUIET_UNTIL, ISOLATED,
  SLOW, UNTOLD, CELLS,
} = PLACES;
const EVENTS = { CLOSED: 'close', OPEN: 'open', HALF_OPEN: 'halfOpen' };
const CLOSED = 0;
/** An answer of `breakerAdmit`. */
const PROBE = 1;
const DEFAULT_TIMEOUT = 5000;
const MAX_STATE_CHANGES = 100;

const OPEN_CODE = native.resilienceOpenCode();

function follow(breaker, next) {
  if (next >= 0) breaker.transition(STATES[next]);
}

function succeeded(breaker, handle, cells, now, durationMs) {
  const next = native.breakerSucceeded(handle, cells, now, durationMs);
  follow(breaker, next);
  // Reported from outside after the cool-down, a success is the first probe.
  if (STATES[next] === 'HALF_OPEN' && breaker.state === 'HALF_OPEN') {
    follow(breaker, native.breakerSucceeded(handle, cells, now, durationMs));
  }
}

/** Answers a refused call with the fallback, where there is one that may be used. */
function refuse(inner, options, error) {
  inner.tell('reject', error);
  const fallback = inner.useFallback ? options.fallback : undefined;
  if (fallback === undefined) return Promise.reject(error);
  return Promise.resolve(typeof fallback === 'function' ? undefined : fallback)
    .then((value) => (typeof fallback === 'function' ? fallback(error) : value))
    .then((value) => {
      inner.tell('fallback', value, error);
      return new FallbackResult(value, error);
    });
}

class CircuitBreaker {
  constructor(name, options = {}) {
    this.name = name;
    const { window } = options;
    const cells = new Float64Array(CELLS);
    const handle = native.breakerOpen(options, window || undefined, cells, steadyNow());
    Object.defineProperty(this, INNER, { value: new Inner(handle, cells, options) });
    this.metrics = { totalAttempts: 0, totalFailures: 0, totalSuccesses: 0, stateChanges: [] };
    const { counts } = this[INNER];
    const held = { handle, stats: this.metrics, counts };
    enroll('CircuitBreaker', this, { name, metrics: options.metrics }, held, native.breakerFree);
  }

  get state() {
    return STATES[this[INNER].cells[STATE]];
  }

  set state(state) {
    const { handle, cells } = this[INNER];
    native.breakerForce(handle, cells, state);
  }

  get lastFailureTime() {
    const time = this[INNER].cells[LAST_FAILURE];
    return Number.isNaN(time) ? null : time;
  }

  set lastFailureTime(time) {
    this[INNER].cells[LAST_FAILURE] = time === null || time === undefined ? NaN : Number(time);
  }

  // Not an `async` function: that would put two more promises around the one that `run` makes.
  execute(fn, options) {
    try {
      let timeout = DEFAULT_TIMEOUT;
      if (options !== undefined) timeout = options.timeout || DEFAULT_TIMEOUT;
      this.metrics.totalAttempts += 1;
      if (this[INNER].cells[STATE] === CLOSED) return run(this, fn, timeout, false);
      const admission = admit(this);
      if (admission > PROBE) {
        // Made here, where its stack is shortest: an open circuit has to refuse cheaply.
        const inner = this[INNER];
        inner.counts.rejected += 1;
        const { name = 'unnamed' } = options ?? {};
        const error = new Error(inner.openText(this.name, name));
        error.code = OPEN_CODE;
        if (inner.emitter === null && !inner.useFallback) return Promise.reject(error);
        return refuse(inner, options ?? {}, error);
      }
      return run(this, fn, timeout, admission === PROBE);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  // `ended`: the clock as the caller read it last, so that it is not read twice.
  onSuccess(durationMs = 0, ended = undefined) {
    this.metrics.totalSuccesses += 1;
    const { handle, cells } = this[INNER];
    const quietUntil = cells[QUIET_UNTIL];
    const now = quietUntil === Infinity ? 0 : steadyNow(ended);
    // It changes nothing now; native code counts it when it next looks.
    if (now < quietUntil && durationMs < cells[SLOW]) {
      cells[UNTOLD] += 1;
      return;
    }
    succeeded(this, handle, cells, now === 0 ? steadyNow() : now, durationMs);
  }

  onFailure(durationMs = 0) {
    this.metrics.totalFailures += 1;
    const { handle, cells } = this[INNER];
    follow(this, native.breakerFailed(handle, cells, steadyNow(), durationMs));
  }

  /** Counts a success of a call that ran elsewhere. */
  recordSuccess(durationMs) {
    this.onSuccess(durationMs);
  }

  /** Counts a failure of a call that ran elsewhere. */
  recordFailure(durationMs) {
    this.onFailure(durationMs);
  }

  transition(newState) {
    const { handle, cells } = this[INNER];
    const from = this.state;
    const now = steadyNow();
    native.breakerTransition(handle, cells, newState, now);
    const change = { from, to: newState, timestamp: new Date(now).toISOString() };
    const { stateChanges } = this.metrics;
    stateChanges.push(change);
    if (stateChanges.length > MAX_STATE_CHANGES) stateChanges.splice(0, stateChanges.length - MAX_STATE_CHANGES);
    this[INNER].tell('stateChange', change);
    if (from !== newState) this[INNER].tell(EVENTS[newState], change);
  }

  getState() {
    const { handle, cells } = this[INNER];
    const seen = native.breakerView(handle, cells, steadyNow());
    return {
      name: this.name,
      state: this.state,
      failureCount: this.failureCount,
      successCount: this.successCount,
      lastFailureTime: isoOf(this.lastFailureTime),
      lastStateChange: isoOf(this.lastStateChange),
      metrics: this.metrics,
      resetTimeout: this.resetTimeout,
      isolated: cells[ISOLATED] === 1,
      nextProbeInMs: seen.remaining,
      window: { calls: seen.calls, failureRate: seen.failureRate, slowCallRate: seen.slowCallRate },
    };
  }

  reset() {
    this.transition('CLOSED');
  }

  /** Opens the circuit and holds it open until `forceClose` or `reset`. */
  isolate() {
    this.transition('OPEN');
    const { handle, cells } = this[INNER];
    native.breakerIsolate(handle, cells);
  }

  /** Closes the circuit now; it counts from zero again. */
  forceClose() {
    this.transition('CLOSED');
  }

  on(event, listener) {
    const inner = this[INNER];
    inner.emitter ??= new EventEmitter();
    inner.emitter.on(event, listener);
    return this;
  }

  once(event, listener) {
    const inner = this[INNER];
    inner.emitter ??= new EventEmitter();
    inner.emitter.once(event, listener);
    return this;
  }

  off(event, listener) {
    this[INNER].emitter?.off(event, listener);
    return this;
  }

  toJSON() {
    const { name, state, failureCount, successCount, failureThreshold, successThreshold, resetTimeout } = this;
    const { lastFailureTime, lastStateChange } = this;
    const isolated = this[INNER].cells[ISOLATED] === 1;
    return {
      name: typeof name === 'string' ? name : textOf(name),
      state,
      failureCount,
      successCount,
      failureThreshold,
      successThreshold,
      resetTimeout: Number.isFinite(resetTimeout) ? resetTimeout : String(resetTimeout),
      lastFailureTime,
      lastStateChange,
      isolated,
      metrics: this.metrics,
    };
  }

  /** Takes over what `toJSON` gave, of this breaker or of one in another process. Returns the breaker. */
  restore(saved) {
    if (saved === null || typeof saved !== 'object') throw new TypeError('restore needs what toJSON gave');
    const { metrics } = saved;
    this.state = saved.state;
    for (const field of Object.keys(FIELDS)) {
      if (typeof saved[field] === 'number') this[field] = saved[field];
    }
    this.lastFailureTime = typeof saved.lastFailureTime === 'number' ? saved.lastFailureTime : null;
    if (saved.isolated === true && this.state === 'OPEN') {
      native.breakerIsolate(this[INNER].handle, this[INNER].cells);
    }
    for (const field of ['totalAttempts', 'totalFailures', 'totalSuccesses']) {
      const value = read(metrics, field);
      if (Number.isFinite(value)) this.metrics[field] = value;
    }
    const changes = read(metrics, 'stateChanges');
    if (Array.isArray(changes)) {
      this.metrics.stateChanges = changes.slice(-MAX_STATE_CHANGES).map((one) => ({ ...one }));
    }
    return this;
  }
}

const isoOf = (time) => {
  const date = new Date(time);
  return time === null || Number.isNaN(date.getTime()) ? null : date.toISOString();
};

/** Public fields that live in the array shared with native code. */
const FIELDS = {
  failureCount: FAILURES,
  successCount: SUCCESSES,
  failureThreshold: FAILURE_THRESHOLD,
  successThreshold: SUCCESS_THRESHOLD,
  resetTimeout: RESET_TIMEOUT,
  lastStateChange: LAST_CHANGE,
};
for (const [field, place] of Object.entries(FIELDS)) {
  Object.defineProperty(CircuitBreaker.prototype, field, {
    configurable: true,
    enumerable: false,
    get() {
      return this[INNER].cells[place];
    },
    set(value) {
      const { cells } = this[INNER];
      cells[place] = Number(value);
      // Native code looks again before it says that a success changes nothing.
      cells[QUIET_UNTIL] = 0;
    },
  });
}

CircuitBreaker.FallbackResult = FallbackResult;

Object.defineProperty(exports, '__esModule', { value: true });
exports.CircuitBreaker = CircuitBreaker;
exports.default = CircuitBreaker;
