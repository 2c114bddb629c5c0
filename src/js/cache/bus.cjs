'use strict';
// What is known of other processes' invalidations: how far this process is in step with them, and what they say.

const { native, listen, unlisten } = require('../addon.cjs');
const { steadyNow } = require('../resilience/steady.cjs');

/** What reading two clocks may differ by. */
const JITTER_MS = 5;

class Bus {
  /** Until when everything acknowledged `maxStale` ago or earlier is known here. */
  freshUntil = 0;
  /** Since when nothing was missed. */
  since = Infinity;
  /** Whether anything was heard yet. */
  joined = false;
  /** Called when something was missed. */
  onGap = undefined;

  /** `apply(pairs)` gets kinds and names in turn, in order. */
  constructor(handle, options, apply) {
    const weak = new WeakRef(apply);
    const self = new WeakRef(this);
    this.listener = listen(([inStep, since, ...pairs]) => {
      self.deref()?.hear(inStep, since);
      if (pairs.length > 0) weak.deref()?.(pairs);
    });
    this.apply = apply;
    this.maxStale = native.remoteJoin(handle, this.listener, options);
  }

  hear(inStepAge, sinceAge) {
    const now = steadyNow();
    const since = Math.ceil(now - sinceAge);
    if (this.joined && since > this.since + JITTER_MS) this.onGap?.();
    this.since = this.joined ? Math.max(this.since, since) : since;
    this.joined = true;
    this.freshUntil = Math.max(this.freshUntil, now - inStepAge + this.maxStale);
  }

  /** Whether no invalidation older than `maxStale` can concern what was right at `checkedAt`. */
  covers(checkedAt) {
    const now = steadyNow();
    return now <= checkedAt + this.maxStale || (now <= this.freshUntil && checkedAt >= this.since);
  }

  /** Whether this process is in step now. */
  get inStep() {
    return steadyNow() <= this.freshUntil;
  }

  close() {
    unlisten(this.listener);
  }
}

exports.Bus = Bus;
