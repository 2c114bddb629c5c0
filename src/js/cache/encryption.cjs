'use strict';
// The option `encryption`, as native code takes it. Keys pass through here and are kept nowhere.

/** Arguments of `cacheOpen` beside the options: whether there is encryption, its algorithm, its keys. */
exports.encryptionOf = function encryptionOf({ encryption }) {
  if (encryption === undefined || encryption === null || encryption === false) return [false];
  if (typeof encryption !== 'object') {
    throw new TypeError('option "encryption" must be an object with "key" or "keys"');
  }
  const { algorithm, key, keys } = encryption;
  return [true, algorithm, keys === undefined || keys === null ? [key] : keys];
};
