'use strict';
// So many calls at once and so many waiting. Who runs, waits or is refused is decided in native code.

const { native } = require('../addon.cjs');
const { enroll } = require('../metrics/members.cjs');

const RUN = 0;
const WAIT = 1;
const ACTIVE = 2;
const WAITING = 3;
const INNER = Symbol('Bulkhead');

/** Lets the one that waited longest run, in the place of a call that has ended. */
function release(inner) {
  if (!native.bulkheadRelease(inner.cells)) return;
  const [next] = inner.queue;
  inner.queue.delete(next);
  next();
}

/** A place to run in; rejects when the caller gives up first. */
function waitForPlace(inner, signal) {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      inner.queue.delete(enter);
      native.bulkheadLeave(inner.cells);
      reject(signal.reason);
    };
    const enter = () => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    };
    inner.queue.add(enter);
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

class Bulkhead {
  constructor(options = {}) {
    const cells = new Float64Array(4);
    native.bulkheadConfig(options, cells);
    // A Set keeps the order of arrival, and whoever gives up leaves it at no cost.
    const counts = { calls: 0, rejected: 0 };
    Object.defineProperty(this, INNER, { value: { cells, queue: new Set(), counts } });
    enroll('Bulkhead', this, options, { stats: counts });
  }

  /** Calls under way. */
  get active() {
    return this[INNER].cells[ACTIVE];
  }

  /** Calls waiting. */
  get waiting() {
    return this[INNER].cells[WAITING];
  }

  async execute(fn, { signal } = {}) {
    const inner = this[INNER];
    if (signal?.aborted) throw signal.reason;
    const answer = native.bulkheadAdmit(inner.cells);
    if (answer === WAIT) await waitForPlace(inner, signal);
    else if (answer !== RUN) {
      inner.counts.rejected += 1;
      throw native.bulkheadError(inner.cells);
    }
    inner.counts.calls += 1;
    try {
      return await fn(signal);
    } finally {
      release(inner);
    }
  }
}

exports.Bulkhead = Bulkhead;
