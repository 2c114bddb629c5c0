'use strict';
// One cache for the whole process. Its methods can be taken off the object and called alone.

const { native } = require('../addon.cjs');
const { evictOldest } = require('../resilience/evict.cjs');
const { steadyNow } = require('../resilience/steady.cjs');
const { textOf } = require('../resilience/text.cjs');

/** How many writes there are between two looks for what has expired. */
const PRUNE_EVERY = 1000;
const CAPACITY = native.cacheManagerCapacity();

/** key → `{ value, until, used }` */
const entries = new Map();
let stamp = 0;
let writes = 0;

const isExpired = (entry, now) => now > entry.until;

function prune() {
  const now = steadyNow();
  for (const [key, entry] of entries) if (isExpired(entry, now)) entries.delete(key);
}

function set(key, value, ttlSeconds) {
  const ttl = native.cacheManagerLifetime(ttlSeconds);
  if (!(ttl > 0)) {
    entries.delete(key);
    return value;
  }
  entries.set(key, { value, until: steadyNow() + ttl, used: ++stamp });
  writes += 1;
  if (writes % PRUNE_EVERY === 0 || entries.size > CAPACITY) prune();
  if (entries.size > CAPACITY) evictOldest(entries, CAPACITY);
  return value;
}

function get(key) {
  const entry = entries.get(key);
  if (entry === undefined) return null;
  if (isExpired(entry, steadyNow())) {
    entries.delete(key);
    return null;
  }
  entry.used = ++stamp;
  return entry.value;
}

/** A colon inside a part is escaped, so that different parts never give the same key. */
const escaped = (part) => textOf(part).replace(/[\\:]/g, '\\$&');
const unescaped = (text) => text.replace(/\\([\\:])/g, '$1');

function key(...parts) {
  return parts.filter((part) => part !== null && part !== undefined).map(escaped).join(':');
}

function clear(pattern = null) {
  if (!pattern) {
    entries.clear();
    return;
  }
  const sought = textOf(pattern);
  for (const each of entries.keys()) {
    const text = textOf(each);
    if (text.includes(sought) || unescaped(text).includes(sought)) entries.delete(each);
  }
}

function stats() {
  const now = steadyNow();
  let expiredKeys = 0;
  for (const entry of entries.values()) if (isExpired(entry, now)) expiredKeys += 1;
  return { activeKeys: entries.size - expiredKeys, expiredKeys, totalSize: entries.size };
}

const cacheManager = { set, get, key, clear, stats, prune };

exports.cacheManager = cacheManager;
exports.default = cacheManager;
Object.defineProperty(exports, '__esModule', { value: true });
