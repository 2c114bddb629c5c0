'use strict';
// The instances that the registry of metrics knows of. An instance is held weakly; what it counted is held beside it, so
// that its last figures can be read when it is gone. Every module loads this file: it loads nothing but the addon.

const { native, once } = require('../addon.cjs');

/** One instance, as long as it lives. */
class Member {
  constructor(kind, instance, name, held, free) {
    this.kind = kind;
    this.instance = new WeakRef(instance);
    this.held = held;
    this.free = free;
    this.id = native.metricsJoin(kind, name);
    /** Label → the number of the entry for it */
    this.entries = new Map();
    /** The member of a second kind that the instance reports as, with a label. */
    this.part = undefined;
  }

  get name() {
    return native.metricsName(this.id);
  }

  entry(label) {
    let entry = this.entries.get(label);
    if (entry === undefined) this.entries.set(label, (entry = native.metricsEntry(this.id, label)));
    return entry;
  }

  partOf(kind) {
    return (this.part ??= new Member(kind, this, this.name));
  }

  leave() {
    native.metricsLeave(this.id);
    if (this.part !== undefined) native.metricsLeave(this.part.id);
  }
}

function start() {
  const members = new Set();
  const gone = new FinalizationRegistry((member) => {
    members.delete(member);
    try {
      // Loaded here, not above: most programs end before they need it.
      require('./scrape.cjs').readLast(member);
    } finally {
      member.leave();
      member.free?.(member.held.handle);
    }
  });
  return { members, gone };
}

const { members, gone } = once('metrics', start);

/** Frees the native halves of those that are kept out of the metrics. */
const unlisted = new FinalizationRegistry(({ free, handle }) => free(handle));
const nameOf = (name) => (typeof name === 'string' && name !== '' ? name : undefined);

/**
 * Makes an instance known under `options.name` or its class and a number, unless `options.metrics` is `false`. `held`
 * must not lead back to the instance, or it would never be collected. When it was, and its last figures were read, `free`
 * is called with `held.handle`: no function made in a constructor, which would hold what that calls `this`.
 */
function enroll(kind, instance, options, held, free) {
  if (options?.metrics === false) {
    if (free !== undefined) unlisted.register(instance, { free, handle: held.handle });
    return;
  }
  const name = options?.name === '' && options.single === true ? '' : nameOf(options?.name);
  const member = new Member(kind, instance, name, held, free);
  members.add(member);
  gone.register(instance, member);
}

/** The living instances of a class, or of all: `[{ kind, name, instance }]`. */
function instances(kind) {
  const found = [];
  for (const member of members) {
    const instance = member.instance.deref();
    if (instance === undefined || (kind !== undefined && member.kind !== kind)) continue;
    found.push({ kind: member.kind, name: member.name, instance });
  }
  return found;
}

module.exports = { enroll, instances, members };
