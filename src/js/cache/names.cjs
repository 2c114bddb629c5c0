'use strict';
// What a key is called outside of this process: a string after `=`, what is no string after its type.

const { textOf } = require('../resilience/text.cjs');

/** A key's name; undefined for objects, functions and symbols, which are nothing outside this process. */
exports.nameOf = function nameOf(key) {
  if (typeof key === 'string') return `=${key}`;
  const isIdentity = typeof key === 'symbol' || typeof key === 'function' || (typeof key === 'object' && key !== null);
  return isIdentity ? undefined : `${typeof key}:${textOf(key)}`;
};

/** The key of a name. */
exports.keyOf = function keyOf(name) {
  if (name.startsWith('=')) return name.slice(1);
  const [type, text] = [name.slice(0, name.indexOf(':')), name.slice(name.indexOf(':') + 1)];
  if (type === 'number') return Number(text);
  if (type === 'bigint') return BigInt(text.replace(/n$/, ''));
  if (type === 'boolean') return text === 'true';
  return type === 'undefined' ? undefined : null;
};
