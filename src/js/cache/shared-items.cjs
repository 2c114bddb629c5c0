'use strict';
// PersistentCache over a server that processes share.

const { native } = require('../addon.cjs');
const { steadyNow } = require('../resilience/steady.cjs');
const { isStorable } = require('./memory.cjs');
const { nameOf } = require('./names.cjs');
const { openRemote } = require('./open-remote.cjs');

const freed = new FinalizationRegistry((remote) => remote.close());
const toTime = (time) => (typeof time === 'number' && !Number.isNaN(time) ? time : Infinity);

class SharedItems {
  /** `forget(key)` takes a key from this process, `forgetAll()` everything from its memory. */
  constructor(owner, options, forget, forgetAll) {
    const weak = new WeakRef(owner);
    this.remote = openRemote(options, (pairs) => {
      const alive = weak.deref();
      if (alive !== undefined) this.hear(alive, pairs, forget, forgetAll);
    });
    if (this.remote !== null) freed.register(owner, this.remote, this);
  }

  hear(owner, pairs, forget, forgetAll) {
    for (let index = 0; index < pairs.length; index += 2) {
      const [kind, given] = [pairs[index], pairs[index + 1]];
      const text = kind === 'k' || kind === 't' ? given.slice(given.indexOf(':') + 1) : given;
      if ((kind === 'k' || kind === 'w') && text.startsWith('=')) forget(owner, text.slice(1));
      // Which items that concerns only the server knows: all of them are read from there again.
      else if (kind === 'p' || kind === 't') {
        this.remote.bus.since = steadyNow() + 1;
        forgetAll(owner);
        this.remote.forgetTag(text);
      }
    }
  }

  /** Whether an item of this process may be served. */
  covers(item) {
    return this.remote.covers(Math.min(item.createdAt, steadyNow()));
  }

  /** `{ version, item }` of the server, null when it cannot be asked; `item` is null where there is none. */
  async read(key) {
    if (!isStorable(key) || !this.remote.keepsValues) return null;
    const there = await this.remote.read(nameOf(key));
    if (there === null) return null;
    if (there.found === undefined) return { version: there.version, item: null };
    const { value, expiresAt, more } = there.found;
    return { version: there.version, item: { key, value, expiresAt, createdAt: more.stamp, staleUntil: more.staleUntil } };
  }

  /** Writes an item, whatever is there, or, given the version `seen`, if that is still there: false when it is not. */
  async write(item, seen) {
    const { remote } = this;
    if (!isStorable(item.key)) return true;
    const name = nameOf(item.key);
    if (!remote.keepsValues) return seen === undefined ? remote.publish(['w', name]) : true;
    let json;
    try {
      json = JSON.stringify(item.value);
    } catch {
      // It stays in this process.
    }
    if (json === undefined) return seen === undefined ? remote.remove(['k', name]) : true;
    const expires = toTime(item.expiresAt);
    const more = { staleUntil: toTime(item.staleUntil ?? expires), took: 0, stamp: item.createdAt };
    if (seen !== undefined) return remote.writeLoaded(name, json, expires, more, [], seen);
    return (await remote.write(name, json, expires, more, [])) && remote.publish(['w', name]);
  }

  remove(key) {
    return isStorable(key) ? this.remote.remove(['k', nameOf(key)]) : Promise.resolve(true);
  }

  removeAll() {
    return this.remote.remove(['p', '*']);
  }

  close() {
    freed.unregister(this);
    this.remote.close();
  }
}

/** What the options ask for, or null. */
exports.sharedItems = function sharedItems(owner, given, forget, forgetAll) {
  const { namespace } = given;
  const options = { remote: given.remote, bus: given.bus, encryption: given.encryption };
  if (namespace && typeof options.remote === 'object' && options.remote !== null) {
    options.remote = { prefix: `tooloo:cache:${namespace}:`, ...options.remote };
  }
  const shared = new SharedItems(owner, options, forget, forgetAll);
  return shared.remote === null ? null : shared;
};

/** Takes a key from disk without telling anybody but the instances of this process. */
exports.dropFile = (handle, key) => {
  if (isStorable(key)) native.cacheDelete(handle, key);
};
