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
  GENERATION: 8, QUIET_UNTIL: 9, ISOLATED: 10, SLOW: 11, UNTOLD: 12, CELLS: 13,
});
const { GENERATION, SLOW } = PLACES;
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

/** One call under way. What most calls do not need stands on the prototype: a call is as dear as its object is large. */
class Flight extends Deadline {
  constructor(breaker, generation, timeout) {
    super();
    this.breaker = breaker;
    this.generation = generation;
    this.timeout = timeout;
    this.resolve = null;
    this.reject = null;
  }

  fulfilled(value) {
    // The settling of a call that was given up is nobody's business any more.
    if (!this.stop()) return;
    try {
      succeed(this.breaker, this.generation, this.probe, this.began);
    } catch (error) {
      return this.reject(error);
    }
    this.resolve(value);
  }

  rejected(error) {
    if (this.stop()) this.refuse(error);
  }

  refuse(error) {
    try {
      fail(this.breaker, this.generation, this.probe, this.began, error);
    } catch (hookError) {
      return this.reject(hookError);
    }
    this.reject(error);
  }

  expired() {
    const error = native.resilienceTimeoutError(textOf(this.timeout));
    this.refuse(error);
    this.breaker[INNER].tell('timeout', error);
    this.controller?.abort(error);
  }
}

Object.assign(Flight.prototype, { probe: false, began: 0, controller: null });

/** A call that is a probe, is timed, or can be aborted. */
class CloseFlight extends Flight {
  constructor(breaker, generation, timeout, probe, began, controller) {
    super(breaker, generation, timeout);
    this.probe = probe;
    this.began = began;
    this.controller = controller;
  }
}

/** What one breaker keeps beside its public fields. */
class Inner {
  constructor(handle, cells, options) {
    this.handle = handle;
    this.cells = cells;
    this.emitter = null;
    /** Beside what `metrics` shows; nothing here leads back to the breaker. */
    this.counts = { rejected: 0 };
    this.isFailure = typeof options.isFailure === 'function' ? options.isFailure : null;
    this.useFallback = options.useFallback === true;
    /** Whether durations matter: where no call is too slow there is no need to look at the clock. */
    this.timed = cells[SLOW] !== Infinity;
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
  if (!current) breaker.metrics.totalSuccesses += 1;
  else if (began === 0) breaker.onSuccess();
  else {
    const ended = performance.now();
    breaker.onSuccess(ended - began, ended);
  }
  const inner = breaker[INNER];
  if (inner.emitter !== null) inner.tell('success');
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
  const plain = !probe && began === 0 && controller === null;
  const flight = plain
    ? new Flight(breaker, generation, timeout)
    : new CloseFlight(breaker, generation, timeout, probe, began, controller);
  return watched(result, flight, timeout);
}

/** A promise of the outcome of a call under way. A function of its own: its closures hold the flight and nothing else. */
function watched(result, flight, timeout) {
  const outcome = new Promise((resolve, reject) => {
    flight.resolve = resolve;
    flight.reject = reject;
  });
  flight.start(timeout);
  try {
    result.then((value) => flight.fulfilled(value), (error) => flight.rejected(error));
  } catch (error) {
    flight.rejected(error);
  }
  return outcome;
}

Object.assign(exports, { INNER, Inner, FallbackResult, PLACES, STATES, admit, run });
