'use strict';
// The remote tier as the layers above see it: values under versions, tags, leases, and the bus beside it.

const { native, isNode, request } = require('../addon.cjs');
const { steadyNow } = require('../resilience/steady.cjs');
const { Bus } = require('./bus.cjs');
const { encryptionOf } = require('./encryption.cjs');

/** Milliseconds after which a load is too old for what it found to be stored for others: less than a tombstone lives. */
const OLDEST_LOAD_MS = 55_000;
/** Versions of tags that are remembered at most. */
const MOST_VERSIONS = 10_000;
/** Where the tags begin in what native code has read. */
const TAGS = 5;
const ALWAYS = -1;
const freed = new FinalizationRegistry((handle) => native.remoteClose(handle));
const nothing = () => {};

class Remote {
  bus = null;
  /** Tag → its version, as long as the bus would tell of another; with the fetches under way. */
  versions = new Map();

  /** `bus`: undefined for none, or its options; `apply` as in {@link Bus}. Without `keepsValues` there is only the bus. */
  constructor(options, bus, apply, keepsValues = true) {
    const [encrypted, algorithm, keys] = encryptionOf(options);
    this.handle = native.remoteOpen(options, encrypted, algorithm, keys, isNode);
    this.keepsValues = keepsValues;
    freed.register(this, this.handle, this);
    try {
      this.bus = bus === undefined ? null : new Bus(this.handle, bus, apply);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  get isUp() {
    return native.remoteIsUp(this.handle);
  }

  get pendingRepairs() {
    return native.remotePending(this.handle);
  }

  /** Whether what was right at `checkedAt` may be served without asking. */
  covers(checkedAt) {
    return this.bus === null || this.bus.covers(checkedAt);
  }

  /**
   * `{ version, found }`: the version to store under a condition with, and `{ value, expiresAt, more }` if there is a
   * value whose tags are good. Null when the server cannot be asked.
   */
  async read(name) {
    const checkedAt = steadyNow();
    try {
      const there = await request((number) => native.remoteRead(this.handle, number, name));
      const version = there[0];
      if (there.length === 1 || checkedAt > there[3]) return { version, found: undefined };
      const tags = [];
      for (let index = TAGS; index < there.length; index += 2) tags.push(there[index]);
      if (tags.length > 0) {
        const current = await this.versionsOf(tags);
        for (const [index, tag] of tags.entries()) {
          const its = there[TAGS + index * 2 + 1];
          // Smaller: the tag was invalidated since. None where there was one: the server has lost it.
          if (its < current[index] || (its > 0 && current[index] === 0)) return { version, found: undefined };
          // The notice of it is on its way.
          if (its > current[index]) this.versions.delete(tag);
        }
      }
      const more = { staleUntil: there[3], took: there[4], stamp: checkedAt, tags };
      return { version, found: { value: JSON.parse(there[1]), expiresAt: there[2], more } };
    } catch {
      return null;
    }
  }

  /** The versions of tags; `asked`: not those that are known. Rejects when the server cannot be asked. */
  async versionsOf(tags, asked = false) {
    if (this.versions.size > MOST_VERSIONS) this.versions.clear();
    const unknown = asked ? tags : tags.filter((tag) => this.versions.get(tag)?.isGood() !== true);
    if (unknown.length > 0) {
      const began = steadyNow();
      const isGood = () => this.bus !== null && this.bus.inStep && began >= this.bus.since;
      const fetches = unknown.map((tag) => {
        const fetch = { version: undefined, isGood: () => fetch.version !== undefined && isGood() };
        this.versions.set(tag, fetch);
        return fetch;
      });
      const found = await request((number) => native.remoteTags(this.handle, number, unknown));
      const known = new Map(unknown.map((tag, index) => [tag, found[index]]));
      fetches.forEach((fetch, index) => { fetch.version = found[index]; });
      if (this.bus === null) for (const tag of unknown) this.versions.delete(tag);
      return tags.map((tag) => known.get(tag) ?? this.versions.get(tag)?.version ?? NaN);
    }
    return tags.map((tag) => this.versions.get(tag).version);
  }

  /** A tag has another version now: what is being fetched may be the old one. */
  forgetTag(tag) {
    this.versions.delete(tag);
  }

  /** Tags and their versions for {@link write}; null when they cannot be known. */
  async tagged(tags) {
    if (tags === undefined || tags.length === 0 || !this.keepsValues) return [];
    try {
      // Asked for: one that is known may have been followed by another, whose notice is on its way.
      const versions = await this.versionsOf(tags, true);
      return tags.flatMap((tag, index) => [tag, String(versions[index])]);
    } catch {
      return null;
    }
  }

  /** Writes whatever is there: whether the server has it, and the bus where others are to be told. */
  async write(name, json, expiresAt, more, tagged) {
    try {
      await this.send(name, json, expiresAt, more, tagged, ALWAYS, '');
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Writes what a load found that began when the key had the version `seen`: true, false when the key has another by now or
   * the lease is gone, undefined when that is not known.
   */
  async writeLoaded(name, json, expiresAt, more, tagged, seen, token = '') {
    if (steadyNow() - more.stamp > OLDEST_LOAD_MS) return undefined;
    try {
      return await this.send(name, json, expiresAt, more, tagged, seen, token);
    } catch {
      return undefined;
    }
  }

  send(name, json, expiresAt, { staleUntil, took, stamp }, tagged, seen, token) {
    return request((number) =>
      native.remoteWrite(this.handle, number, name, json, expiresAt, Math.max(staleUntil, expiresAt), took, stamp, tagged, seen, token));
  }

  /** Kinds (`k` key, `t` tag, `p` pattern) and names in turn: true once every process knows it within its bound. */
  remove(pairs) {
    if (!this.keepsValues) return this.publish(pairs);
    return request((number) => native.remoteRemove(this.handle, number, pairs)).catch(() => false);
  }

  /** Tells the others: `l` a load has ended, `w` a key was written, `e` an event. Whether the bus has it. */
  publish(pairs) {
    if (this.bus === null) return Promise.resolve(true);
    return request((number) => native.remotePublish(this.handle, number, pairs)).catch(() => false);
  }

  /** `[1, token, ms]` granted, `[0, ms]` held by another, `[2]` changed since; null when the server cannot be asked. */
  lease(name, seen) {
    return request((number) => native.remoteLease(this.handle, number, name, seen)).catch(() => null);
  }

  release(name, token) {
    return request((number) => native.remoteRelease(this.handle, number, name, token, false)).catch(nothing);
  }

  /** Keeps a lease until the function that comes back is called. */
  keep(name, token, lives) {
    const timer = setInterval(() => {
      request((number) => native.remoteRelease(this.handle, number, name, token, true)).catch(nothing);
    }, lives / 3);
    timer.unref?.();
    return () => clearInterval(timer);
  }

  getStats() {
    return { isUp: this.isUp, inStep: this.bus === null ? null : this.bus.inStep, pendingRepairs: this.pendingRepairs };
  }

  close() {
    this.bus?.close();
    freed.unregister(this);
    native.remoteClose(this.handle);
  }
}

exports.Remote = Remote;
