'use strict';

/** Any value as text, whatever its own `toString` does. */
exports.textOf = function textOf(value) {
  try {
    return String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
};

/** A property of any value; `undefined` where it cannot be read. */
exports.read = function read(value, name) {
  try {
    return value === null || value === undefined ? undefined : value[name];
  } catch {
    return undefined;
  }
};

/** Whether a value is awaited like a promise. Reads `then` once; a getter that throws is left to the caller. */
exports.isThenable = (value) =>
  value !== null && (typeof value === 'object' || typeof value === 'function') && typeof value.then === 'function';
