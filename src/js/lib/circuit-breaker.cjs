'use strict';
// Runs calls through a circuit breaker. Whether a call goes through and when the state changes is decided in native
// code; this face calls the user's functions and reports how they ended.

const { EventEmitter } = require('node:events');
const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { Deadline } = require('../resilience/deadlines.cjs');
const { steadyNow } = require('../resilience/steady.cjs');
const { isThenable, read, textOf } = require('../resilience/text.cjs');

const STATES = ['CLOSED', 'OPEN', 'HALF_OPEN'];
const EVENTS = { CLOSED: 'close', OPEN: 'open', HALF_OPEN: 'halfOpen' };
/** Places in the array shared with native code. */
const STATE = 0;
const FAILURES = 1;
const SUCCESSES = 2;
const FAILURE_THRESHOLD = 3;
const SUCCESS_THRESHOLD = 4;
const RESET_TIMEOUT = 5;
const LAST_FAILURE = 6;
const LAST_CHANGE = 7;
const GENERATION = 8;
const QUIET = 9;
const ISOLATED = 10;
const CELLS = 11;
const CLOSED = 0;
/** Answers of `breakerAdmit`. */
const PROBE = 1;
const HALF_OPEN_FIRST = 3;
const DEFAULT_TIMEOUT = 5000;
const MAX_STATE_CHANGES = 100;

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('CircuitBreaker');
const OPEN_CODE = native.resilienceOpenCode();
const freed = new FinalizationRegistry((handle) => native.breakerFree(handle));

/** What `fallback` gave while the circuit was open; never to be taken for a result of the call. */
class FallbackResult {
  constructor(value, reason) {
    this.isFallback = true;
    this.value = value;
    Object.defineProperty(this, 'reason', { value: reason, configurable: true, writable: true });
  }
}

/** One call under way. */
class Flight extends Deadline {
  constructor(breaker, generation, probe, timeout, resolve, reject) {
    super();
    this.breaker = breaker;
    this.generation = generation;
    this.probe = probe;
    this.timeout = timeout;
    this.began = 0;
    this.resolve = resolve;
    this.reject = reject;
    this.controller = null;
    this.done = false;
  }

  /** The settling of a call that was given up is nobody's business any more. */
  end() {
    if (this.done) return false;
    this.done = true;
    this.stop();
    return true;
  }

  fulfilled(value) {
    if (!this.end()) return;
    try {
      succeed(this.breaker, this.generation, this.probe, this.began);
    } catch (error) {
      return this.reject(error);
    }
    this.resolve(value);
  }

  rejected(error) {
    if (!this.end()) return;
    try {
      fail(this.breaker, this.generation, this.probe, this.began, error);
    } catch (hookError) {
      return this.reject(hookError);
    }
    this.reject(error);
  }

  expired() {
    const error = native.resilienceTimeoutError(textOf(this.timeout));
    this.rejected(error);
    this.breaker[INNER].tell('timeout', error);
    this.controller?.abort(error);
  }
}

/** What one breaker keeps beside its public fields. */
class Inner {
  constructor(handle, cells, options) {
    this.handle = handle;
    this.cells = cells;
    this.emitter = null;
    this.isFailure = typeof options.isFailure === 'function' ? options.isFailure : null;
    this.useFallback = options.useFallback === true;
    /** Whether durations matter: without a window there is no need to look at the clock. */
    this.timed = Boolean(options.window);
    this.lastName = undefined;
    this.lastCall = undefined;
    this.lastText = '';
  }

  /** The text is made anew only when a name changes: an open circuit has to refuse cheaply. */
  openError(name, call) {
    if (name !== this.lastName || call !== this.lastCall || this.lastText === '') {
      this.lastText = native.resilienceOpenText(textOf(name), textOf(call));
      this.lastName = name;
      this.lastCall = call;
    }
    const error = new Error(this.lastText);
    error.code = OPEN_CODE;
    return error;
  }

  /** A listener that throws must not make the call fail that it was told about. */
  tell(event, ...args) {
    if (this.emitter === null) return;
    for (const listener of this.emitter.rawListeners(event)) {
      try {
        listener.apply(this.emitter, args);
      } catch (error) {
        process.emitWarning(`a listener of the circuit breaker's event "${event}" threw: ${textOf(error)}`);
      }
    }
  }
}

function release(breaker, generation) {
  const { handle, cells } = breaker[INNER];
  native.breakerRelease(handle, cells, generation);
}

/** Whether an outcome still counts: the state has not changed since the call began. */
const isCurrent = (breaker, generation) => breaker[INNER].cells[GENERATION] === generation;

function succeed(breaker, generation, probe, began) {
  const current = isCurrent(breaker, generation);
  if (probe) release(breaker, generation);
  if (current) breaker.onSuccess(began === 0 ? 0 : performance.now() - began);
  else breaker.metrics.totalSuccesses += 1;
  breaker[INNER].tell('success');
}

function fail(breaker, generation, probe, began, error) {
  const inner = breaker[INNER];
  if (inner.isFailure !== null && !counts(inner, error)) return succeed(breaker, generation, probe, began);
  const current = isCurrent(breaker, generation);
  if (probe) release(breaker, generation);
  if (current) breaker.onFailure(began === 0 ? 0 : performance.now() - began);
  else breaker.metrics.totalFailures += 1;
  inner.tell('failure', error);
}

/** A filter that throws has not said that the error is harmless. */
function counts(inner, error) {
  try {
    return Boolean(inner.isFailure(error));
  } catch {
    return true;
  }
}

/** Asks whether a call may go through; makes the circuit half-open first where that is due. */
function admit(breaker) {
  const { handle, cells } = breaker[INNER];
  const now = steadyNow();
  const answer = native.breakerAdmit(handle, cells, now);
  if (answer !== HALF_OPEN_FIRST) return answer;
  breaker.transition('HALF_OPEN');
  return native.breakerAdmit(handle, cells, now);
}

function follow(breaker, next) {
  if (next >= 0) breaker.transition(STATES[next]);
}

/** Refuses a call, or answers it with the fallback. */
function refuse(breaker, options) {
  const inner = breaker[INNER];
  const { name = 'unnamed' } = options;
  const error = inner.openError(breaker.name, name);
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

/** Calls `fn` and answers with a promise of its outcome. */
function run(breaker, fn, timeout, probe) {
  const inner = breaker[INNER];
  const generation = inner.cells[GENERATION];
  const wantsSignal = typeof fn === 'function' && fn.length > 0;
  const controller = wantsSignal ? new AbortController() : null;
  const began = inner.timed ? performance.now() : 0;
  let result;
  let thenable;
  try {
    result = controller === null ? fn() : fn(controller.signal);
    thenable = isThenable(result);
  } catch (error) {
    try {
      fail(breaker, generation, probe, began, error);
    } catch (hookError) {
      return Promise.reject(hookError);
    }
    return Promise.reject(error);
  }
  if (!thenable) {
    try {
      succeed(breaker, generation, probe, began);
    } catch (hookError) {
      return Promise.reject(hookError);
    }
    return Promise.resolve(result);
  }
  return new Promise((resolve, reject) => {
    const flight = new Flight(breaker, generation, probe, timeout, resolve, reject);
    flight.controller = controller;
    flight.began = began;
    flight.start(timeout, began === 0 ? performance.now() : began);
    try {
      result.then(
        (value) => flight.fulfilled(value),
        (error) => flight.rejected(error),
      );
    } catch (error) {
      flight.rejected(error);
    }
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
    freed.register(this, handle);
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
      if (admission > PROBE) return refuse(this, options ?? {});
      return run(this, fn, timeout, admission === PROBE);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  onSuccess(durationMs = 0) {
    this.metrics.totalSuccesses += 1;
    const { handle, cells } = this[INNER];
    if (cells[QUIET] === 1) return;
    const next = native.breakerSucceeded(handle, cells, steadyNow(), durationMs);
    follow(this, next);
    // Reported from outside after the cool-down, a success is the first probe.
    if (STATES[next] === 'HALF_OPEN' && this.state === 'HALF_OPEN') {
      follow(this, native.breakerSucceeded(handle, cells, steadyNow(), durationMs));
    }
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
      cells[QUIET] = 0;
    },
  });
}

CircuitBreaker.FallbackResult = FallbackResult;

Object.defineProperty(exports, '__esModule', { value: true });
exports.CircuitBreaker = CircuitBreaker;
exports.default = CircuitBreaker;
