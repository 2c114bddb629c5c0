'use strict';

/** Two halves of a seed, the given one or any. */
exports.halvesOf = function halvesOf(seed) {
  if (typeof seed === 'number' && Number.isFinite(seed)) return [Math.floor(Math.abs(seed) / 2 ** 32) % 2 ** 32, Math.abs(seed) % 2 ** 32];
  return [Math.floor(Math.random() * 2 ** 32), Math.floor(Math.random() * 2 ** 32)];
};
