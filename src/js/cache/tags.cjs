'use strict';
// Tags: what was stored with one before it was invalidated is old. An invalidation is one number, whatever it concerns.

const { steadyNow } = require('../resilience/steady.cjs');

class Tags {
  /** Tag → when it was last invalidated */
  stamps = new Map();
  last = 0;
  /** Whether every entry has to know when it was right. */
  always = false;

  /** A moment after every other of this process, in milliseconds since 1970. */
  now() {
    this.last = Math.max(this.last + 0.001, steadyNow());
    return this.last;
  }

  invalidate(tag) {
    const stamp = this.now();
    this.stamps.set(tag, stamp);
    return stamp;
  }

  /** What an entry carries beside its value; undefined where that is nothing. `stamp`: when it was right. */
  moreOf({ tags, graceMs, lives, took = 0, stamp }) {
    if (!this.always && tags === undefined && !(graceMs > 0) && took === 0) return undefined;
    const names = tags === undefined ? [] : [...tags];
    if (!names.every((tag) => typeof tag === 'string')) throw new TypeError('tags must be strings');
    return { staleUntil: steadyNow() + lives + (graceMs > 0 ? graceMs : 0), took, stamp: stamp ?? this.now(), tags: names };
  }

  /** Whether no tag of a memory entry was invalidated since; drops it otherwise. */
  isAlive(memory, key) {
    const more = memory.cache.get(key)?.more;
    if (more === undefined || !more.tags.some((tag) => (this.stamps.get(tag) ?? 0) > more.stamp)) return true;
    memory.delete(key);
    return false;
  }
}

exports.Tags = Tags;
