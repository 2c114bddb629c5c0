'use strict';
// Text out of anything a caller may pass, without ever throwing.

/** `value` as a string; symbols, objects without a prototype and throwing `toString`s too. */
function text(value) {
  if (typeof value === 'string') return value;
  try {
    return String(value);
  } catch {
    return `[${typeof value}]`;
  }
}

/** What went wrong, out of the metadata of a failed span: `error`, or `reason`, which some callers use. */
function errorOf(metadata, most) {
  try {
    const error = metadata?.error || metadata?.reason;
    if (!error) return 'unknown';
    if (typeof error === 'number' || typeof error === 'boolean') return error;
    const message = text(error instanceof Error ? error.message || error.name : error);
    return message.length > most ? message.slice(0, most) : message;
  } catch {
    return 'unknown';
  }
}

module.exports = { errorOf, text };
