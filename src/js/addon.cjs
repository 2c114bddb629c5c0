'use strict';
// The native functions, and the one place where their completions become promises.

let native;
try {
  native = require('./native.cjs');
} catch (error) {
  throw require('./no-binary.cjs').noBinary(error);
}

/** Whether this is Node itself: others have functions of libuv's name that do not work. */
const isNode = process.versions.bun === undefined && process.versions.deno === undefined;

const REJECT = 1;
const NOTIFY = 2;
const PROGRESS = 3;

function start() {
  /**
   * Request number → `{ resolve, reject }`. An array whose places are used again, not a Map: the tables that a Map
   * leaves behind when keys come and go hold on to settled promises and their results until the next full collection.
   */
  const pending = [];
  const freeNumbers = [];
  /** Listener number → function */
  const listeners = new Map();
  let lastListener = 0;

  const takeTurn = native.takeTurn;
  const schedule = () => queueMicrotask(takeTurn);
  const dispatch = (number, kind, value) => {
    if (kind === NOTIFY) {
      listeners.get(number)?.(value);
      return;
    }
    const settled = pending[number];
    if (settled === undefined) return;
    if (kind === PROGRESS) {
      settled.progress(value);
      return;
    }
    pending[number] = undefined;
    freeNumbers.push(number);
    if (kind === REJECT) settled.reject(value);
    else settled.resolve(value);
  };
  native.startQueue(dispatch, schedule, takeTurn);

  function begin(start, resolve, reject, progress) {
    const number = freeNumbers.length > 0 ? freeNumbers.pop() : pending.length;
    pending[number] = { resolve, reject, progress };
    try {
      start(number);
    } catch (error) {
      // Not free again: native code may have taken the number before it failed, and settle it yet.
      pending[number] = undefined;
      reject(error);
    }
  }

  /**
   * A promise that native code settles. `start` gets the request number and passes it to the native function; if it
   * throws, the promise rejects.
   */
  function request(start) {
    return new Promise((resolve, reject) => begin(start, resolve, reject));
  }

  /**
   * Settles a promise's `resolve` or `reject` with what `decode` makes of the native value. It runs on delivery, so it
   * may read memory that the next delivery overwrites.
   */
  request.decoding = (start, decode, resolve, reject) => {
    const delivered = (value) => {
      let decoded;
      try {
        decoded = decode(value);
      } catch (error) {
        reject(error);
        return;
      }
      resolve(decoded);
    };
    begin(start, delivered, reject);
  };

  /** A request whose result comes in parts: `progress` gets each, on delivery; `resolve` or `reject` the end. */
  request.inParts = begin;

  /** Registers a listener that native code calls until `unlisten`; returns its number. It keeps nothing alive. */
  function listen(listener) {
    lastListener += 1;
    listeners.set(lastListener, listener);
    return lastListener;
  }

  function unlisten(number) {
    listeners.delete(number);
  }

  const kept = new Map();
  /** What `make` makes the first time: one for each load of the binary, however often the file that asks is loaded. */
  function once(name, make) {
    if (!kept.has(name)) kept.set(name, make());
    return kept.get(name);
  }

  return { native, isNode, request, listen, unlisten, once };
}

// One queue for each load of the binary, however often this file is loaded (a test runner's module registry).
const STARTED = Symbol.for('tooloo-native.addon');
if (native[STARTED] === undefined) Object.defineProperty(native, STARTED, { value: start() });

module.exports = native[STARTED];
