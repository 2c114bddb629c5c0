'use strict';
// The native functions, and the one place where their completions become promises.

let native;
try {
  native = require('./native.cjs');
} catch (error) {
  throw require('./no-binary.cjs').noBinary(error);
}

const REJECT = 1;
const NOTIFY = 2;

function start() {
  /** Request number → `{ resolve, reject }` */
  const pending = new Map();
  /** Listener number → function */
  const listeners = new Map();
  let lastNumber = 0;

  function nextNumber() {
    do lastNumber = (lastNumber + 1) >>> 0;
    while (pending.has(lastNumber) || listeners.has(lastNumber));
    return lastNumber;
  }

  native.startQueue((number, kind, value) => {
    if (kind === NOTIFY) {
      listeners.get(number)?.(value);
      return;
    }
    const request = pending.get(number);
    if (request === undefined) return;
    pending.delete(number);
    if (kind === REJECT) request.reject(value);
    else request.resolve(value);
  });

  /**
   * A promise that native code settles. `start` gets the request number and passes it to the native function; if it
   * throws, the promise rejects.
   */
  function request(start) {
    return new Promise((resolve, reject) => {
      const number = nextNumber();
      pending.set(number, { resolve, reject });
      try {
        start(number);
      } catch (error) {
        pending.delete(number);
        reject(error);
      }
    });
  }

  /** Registers a listener that native code calls until `unlisten`; returns its number. It keeps nothing alive. */
  function listen(listener) {
    const number = nextNumber();
    listeners.set(number, listener);
    return number;
  }

  function unlisten(number) {
    listeners.delete(number);
  }

  return { native, request, listen, unlisten };
}

// One queue for each load of the binary, however often this file is loaded (a test runner's module registry).
const STARTED = Symbol.for('tooloo-native.addon');
if (native[STARTED] === undefined) Object.defineProperty(native, STARTED, { value: start() });

module.exports = native[STARTED];
