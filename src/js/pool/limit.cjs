'use strict';
// The limits of statements: a signal, a time, and those of the transaction around them.

const { native } = require('../addon.cjs');
const { onAbort } = require('./waiting.cjs');

/** On the options of a statement: the signal of its transaction. */
const WITHIN = Symbol('within');

function fail(name, cause) {
  const error = native.poolError(name, '');
  if (cause !== undefined) Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
  return error;
}

/** Checked limits: `{ signal, timeoutMs }`; `undefined` when there are none. */
function limitsOf(options) {
  if (options === undefined || options === null) return undefined;
  const { signal, timeoutMs } = options;
  const within = options[WITHIN];
  if (signal == null && timeoutMs == null && within === undefined) return undefined;
  if (signal != null && typeof signal.addEventListener !== 'function') {
    throw new TypeError('option "signal" must be an AbortSignal');
  }
  if (timeoutMs != null && !(typeof timeoutMs === 'number' && timeoutMs > 0)) {
    const shown = typeof timeoutMs === 'string' ? JSON.stringify(timeoutMs) : String(timeoutMs);
    throw new RangeError(`option "timeoutMs" must be a positive number of milliseconds, got ${shown}`);
  }
  const most = timeoutMs == null ? undefined : Math.min(timeoutMs, 2 ** 31 - 1);
  return { signal: signal ?? undefined, timeoutMs: most, [WITHIN]: within };
}

/** The options with what is left of their time, counted from now on, whenever the result is called. */
function countdown(options, limits) {
  if (limits?.timeoutMs === undefined) return () => options;
  const start = performance.now();
  return () => ({ ...options, timeoutMs: Math.max(1, limits.timeoutMs - (performance.now() - start)) });
}

/** Limits in force, until `end`. The first that is reached sets `error` and calls the listeners. */
class Limit {
  error = undefined;
  #listeners = new Set();
  #stops = [];

  constructor({ signal, timeoutMs, [WITHIN]: within }) {
    for (const one of [within, signal]) {
      if (one === undefined || this.error !== undefined) continue;
      const reached = () => this.#reached(fail('queryAborted', one.reason));
      if (one.aborted) reached();
      else this.#stops.push(onAbort(one, reached));
    }
    if (timeoutMs === undefined || this.error !== undefined) return;
    const timer = setTimeout(() => this.#reached(fail('queryTimeout')), timeoutMs);
    this.#stops.push(() => clearTimeout(timer));
  }

  /** The limits of these options; `undefined` when there are none. */
  static of(options) {
    const limits = limitsOf(options);
    return limits === undefined ? undefined : new Limit(limits);
  }

  #reached(error) {
    this.end();
    this.error = error;
    for (const listener of [...this.#listeners]) listener(error);
    this.#listeners.clear();
  }

  /** Calls `listener` with the error when a limit is reached; returns how to stop listening. */
  onReached(listener) {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** The outcome of the promise, unless a limit is reached before; the promise goes on unobserved then. */
  async race(promise) {
    promise.catch(() => {});
    if (this.error !== undefined) throw this.error;
    let forget;
    const reached = new Promise((_, reject) => {
      forget = this.onReached(reject);
    });
    try {
      return await Promise.race([promise, reached]);
    } finally {
      forget();
    }
  }

  end() {
    for (const stop of this.#stops.splice(0)) stop();
  }
}

/** Before `work` has ended, the connection goes to nobody else. */
function hold(connection, work) {
  const ending = Promise.allSettled([connection.ending, work]).then(() => {
    if (connection.ending === ending) connection.ending = undefined;
  });
  connection.ending = ending;
}

exports.Limit = Limit;
exports.WITHIN = WITHIN;
exports.countdown = countdown;
exports.hold = hold;
exports.limitsOf = limitsOf;
