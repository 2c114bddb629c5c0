'use strict';
// Makes room in a Map whose entries carry the stamp of their last use.

const { native } = require('../addon.cjs');

const stampOf = (entry) => entry?.used ?? 0;

/** Deletes what native code picks; returns how many entries went. */
exports.evictOldest = function evictOldest(map, capacity) {
  const stamps = new Float64Array(map.size);
  let index = 0;
  for (const entry of map.values()) stamps[index++] = stampOf(entry);
  const cutoff = native.resilienceCutoff(stamps, capacity);
  const before = map.size;
  for (const [key, entry] of map) if (stampOf(entry) <= cutoff) map.delete(key);
  return before - map.size;
};
