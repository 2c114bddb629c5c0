'use strict';
// Reading below the memory: files, then the server that processes share. Readers of one key share the read, and what changes
// meanwhile is not brought up.

const { steadyNow } = require('../resilience/steady.cjs');
const { nameOf } = require('./names.cjs');

/** A key changed: what is being read for it is old. */
function overtakeRead({ reads }, key) {
  const read = reads.get(key);
  if (read === undefined) return;
  read.overtaken = true;
  reads.delete(key);
}

/** A key changed: what is being read or loaded for it is old, or, where that is in doubt, may be: the server knows. */
function overtake(inner, key, inDoubt = false) {
  const { loads } = inner;
  const load = loads.get(key);
  if (load !== undefined) {
    load.overtaken = true;
    load.inDoubt = inDoubt;
    loads.delete(key);
  }
  overtakeRead(inner, key);
}

/** Whether a value that was right at `stamp` may be served, as far as other processes are concerned. */
const isCovered = (inner, stamp) => inner.remote === null || inner.remote.covers(stamp);

/** What the disk has, unless another process may have made it old. */
async function fromDisk(manager, inner, key) {
  const found = await manager.disk?._read(key, { stale: true });
  return found !== undefined && isCovered(inner, found.more.stamp) ? found : undefined;
}

class Read {
  begun = steadyNow();
  promise = undefined;
  overtaken = false;
  /** The version of the key on the server; undefined when that was not asked or is not known. */
  version = undefined;
  /** `{ value, expiresAt, more }`, expired or not; undefined for nothing that could be served. */
  found = undefined;
  /** Where it was found. */
  layer = undefined;

  async run(manager, inner, key) {
    try {
      await this.look(manager, inner, key);
    } finally {
      if (inner.reads.get(key) === this) inner.reads.delete(key);
    }
    return this;
  }

  async look(manager, inner, key) {
    const { begun } = this;
    const onDisk = manager.disk === null ? undefined : await fromDisk(manager, inner, key);
    if (onDisk !== undefined) this.take(onDisk, 'disk');
    const { remote } = inner;
    const name = remote?.keepsValues ? nameOf(key) : undefined;
    if (name !== undefined && (onDisk === undefined || begun > onDisk.expiresAt)) {
      const there = await remote.read(name);
      if (there !== null) {
        this.version = there.version;
        // Nothing at all says nothing about what is here; a tombstone, or a value that is not good any more, does.
        if (there.found !== undefined) this.take(there.found, 'remote');
        else if (there.version !== 0) this.found = undefined;
      }
    }
    this.bringUp(manager, inner, key);
  }

  take(found, layer) {
    this.found = found;
    this.layer = layer;
  }

  bringUp(manager, inner, key) {
    const now = steadyNow();
    if (this.found === undefined || this.overtaken || now > this.found.expiresAt) return;
    const { value, expiresAt, more } = this.found;
    const left = expiresAt - now;
    if (manager.memory !== null) {
      manager.memory.set(key, value, Math.min(left, inner.ttl), more);
      manager.stats.promotions += 1;
    }
    if (this.layer === 'remote' && manager.disk !== null) manager.disk.set(key, value, left, more).catch(() => {});
  }
}

/** The {@link Read} of a key: the one that is under way, or a new one. */
function readBelow(manager, inner, key) {
  const known = inner.reads.get(key);
  if (known !== undefined && isCovered(inner, known.begun)) return known.promise;
  const read = new Read();
  inner.reads.set(key, read);
  read.promise = read.run(manager, inner, key);
  return read.promise;
}

/** The entry in memory that may be used, expired or not. */
function inMemory(manager, inner, key) {
  const { memory } = manager;
  const entry = memory?.cache.get(key);
  if (entry === undefined || !inner.tags.isAlive(memory, key)) return undefined;
  return inner.remote === null || isCovered(inner, entry.more?.stamp ?? 0) ? entry : undefined;
}

Object.assign(exports, { overtake, overtakeRead, readBelow, inMemory, isCovered });
