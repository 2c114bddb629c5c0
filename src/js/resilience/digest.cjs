'use strict';
// Short digests of any values. What goes into one is unambiguous: strings are quoted, objects have their keys in order.

const { createHash } = require('node:crypto');
const { textOf } = require('./text.cjs');

function canonical(value, above) {
  if (typeof value === 'string') return JSON.stringify(value);
  if (value === null || typeof value !== 'object') return `${typeof value} ${textOf(value)}`;
  if (above.includes(value)) return `cycle ${above.indexOf(value)}`;
  const path = [...above, value];
  const list = (items) => [...items].map((item) => canonical(item, path)).join();
  if (Array.isArray(value)) return `[${list(value)}]`;
  if (value instanceof Date) return `Date ${value.getTime()}`;
  if (ArrayBuffer.isView(value)) {
    return `bytes ${Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString('base64')}`;
  }
  if (value instanceof Map) return `Map[${list(value)}]`;
  if (value instanceof Set) return `Set[${list(value)}]`;
  if (value instanceof RegExp) return `RegExp ${value}`;
  const members = Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name], path)}`);
  return `{${members.join()}}`;
}

/** The first `length` hexadecimal digits of the SHA-256 of `values`. */
exports.digest = (values, length) => createHash('sha256').update(canonical(values, [])).digest('hex').slice(0, length);
