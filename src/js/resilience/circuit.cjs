'use strict';
// A call on its way through a circuit breaker: let in, run against the clock, and reported to the breaker.

const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { Deadline } = require('./deadlines.cjs');
const { steadyNow } = require('./steady.cjs');
const { isThenable, textOf } = require('./text.cjs');

const STATES = ['CLOSED', 'OPEN', 'HALF_OPEN'];
/** Places in the array shared with native code, and how many there are. */
const PLACES = Object.freeze({
  STATE: 0, FAILURES: 1, SUCCESSES: 2, FAILURE_THRESHOLD: 3, SUCCESS_THRESHOLD: 4, RESET_TIMEOUT: 5, LAST_FAILURE: 6, LAST_CHANGE: 7,
  GENERATION: 8, QUIET: 9, ISOLATED: 10, CELLS: 11,
});
const { GENERATION } = PLACES;
/** An answer of `breakerAdmit`. */
const HALF_OPEN_FIRST = 3;

/** Where a breaker keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('CircuitBreaker');

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

  /** The text is made anew only when a name changes. */
  openText(name, call) {
    if (name !== this.lastName || call !== this.lastCall || this.lastText === '') {
      this.lastText = native.resilienceOpenText(textOf(name), textOf(call));
      this.lastName = name;
      this.lastCall = call;
    }
    return this.lastText;
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
  const { emitter } = breaker[INNER];
  if (emitter !== null) breaker[INNER].tell('success');
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
      result.then((value) => flight.fulfilled(value), (error) => flight.rejected(error));
    } catch (error) {
      flight.rejected(error);
    }
  });
}

Object.assign(exports, { INNER, Inner, FallbackResult, PLACES, STATES, admit, run });
