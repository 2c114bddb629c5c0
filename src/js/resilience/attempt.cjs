'use strict';
// One call with a limit of time and a way to give it up.

const { native } = require('../addon.cjs');
const { Deadline } = require('./deadlines.cjs');
const { textOf } = require('./text.cjs');

/** One call under way. */
class Attempt extends Deadline {
  constructor(timeout, signal, resolve, reject) {
    super();
    this.timeout = timeout;
    this.signal = signal;
    this.resolve = resolve;
    this.reject = reject;
    this.controller = null;
    this.done = false;
    this.aborted = () => this.giveUp(signal.reason);
  }

  end() {
    if (this.done) return false;
    this.done = true;
    this.stop();
    this.signal?.removeEventListener('abort', this.aborted);
    return true;
  }

  fulfilled(value) {
    if (this.end()) this.resolve(value);
  }

  rejected(error) {
    if (this.end()) this.reject(error);
  }

  giveUp(reason) {
    this.rejected(reason);
    this.controller?.abort(reason);
  }

  expired() {
    this.giveUp(native.resilienceTimeoutError(textOf(this.timeout)));
  }
}

/** Calls `fn` with a limit of time; a function that takes a parameter gets a signal. `signal` gives the call up. */
function limited(fn, timeout, signal) {
  return new Promise((resolve, reject) => {
    const attempt = new Attempt(timeout, signal, resolve, reject);
    signal?.addEventListener('abort', attempt.aborted, { once: true });
    attempt.start(timeout);
    try {
      if (fn.length > 0) attempt.controller = new AbortController();
      const result = attempt.controller === null ? fn() : fn(attempt.controller.signal);
      Promise.resolve(result).then(
        (value) => attempt.fulfilled(value),
        (error) => attempt.rejected(error),
      );
    } catch (error) {
      attempt.rejected(error);
    }
  });
}

exports.limited = limited;
