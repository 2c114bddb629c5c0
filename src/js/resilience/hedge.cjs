'use strict';
// A second call beside one that is slow; the first success wins.

const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { enroll } = require('../metrics/members.cjs');

const DELAY = 0;
const PERCENTILE = 1;
const MOST = 2;
const REMEMBERED = 100;

/** All calls of the process. */
const counts = { calls: 0, launched: 0, won: 0 };

/** The latest latencies. */
class Latencies {
  constructor() {
    this.values = new Float64Array(REMEMBERED);
    this.count = 0;
  }

  add(ms) {
    this.values[this.count % REMEMBERED] = ms;
    this.count += 1;
  }

  /** NaN while too few are known. */
  at(percentile) {
    return native.hedgeDelay(this.values.subarray(0, Math.min(this.count, REMEMBERED)), percentile);
  }
}

/** Checked options; many calls share them and what they learn. */
class HedgePlan {
  constructor(options) {
    this.cells = new Float64Array(3);
    native.hedgeConfig(options, this.cells);
    this.latencies = new Latencies();
  }

  get delay() {
    return Number.isNaN(this.cells[DELAY]) ? this.latencies.at(this.cells[PERCENTILE]) : this.cells[DELAY];
  }

  run(fn, signal) {
    if (signal?.aborted) return Promise.reject(signal.reason);
    const { delay, latencies } = this;
    counts.calls += 1;
    const most = Number.isNaN(delay) ? 0 : this.cells[MOST];
    return new Promise((resolve, reject) => {
      const running = new Set();
      let [launched, done, timer] = [0, false, null];
      const finish = (settle, value) => {
        if (done) return;
        done = true;
        clearTimeout(timer);
        signal?.removeEventListener('abort', aborted);
        settle(value);
        for (const controller of running) controller.abort(signal?.aborted ? signal.reason : undefined);
      };
      const aborted = () => finish(reject, signal.reason);
      const launch = () => {
        const controller = new AbortController();
        const began = performance.now();
        running.add(controller);
        launched += 1;
        const second = launched > 1;
        if (second) counts.launched += 1;
        const succeeded = (value) => {
          running.delete(controller);
          latencies.add(performance.now() - began);
          if (second && !done) counts.won += 1;
          finish(resolve, value);
        };
        const failed = (error) => {
          running.delete(controller);
          // While another one runs there is hope.
          if (running.size === 0) finish(reject, error);
        };
        try {
          Promise.resolve(fn(controller.signal)).then(succeeded, failed);
        } catch (error) {
          failed(error);
        }
        if (!done && launched <= most) timer = setTimeout(launch, delay);
      };
      signal?.addEventListener('abort', aborted, { once: true });
      launch();
    });
  }
}

/** What is known of a function's latencies, for as long as the function lives. */
const known = new WeakMap();

/** Calls `fn`, and once more when it is slow. */
async function hedge(fn, options = {}) {
  const plan = new HedgePlan(options);
  if (typeof fn === 'function') {
    if (known.has(fn)) plan.latencies = known.get(fn);
    else known.set(fn, plan.latencies);
  }
  return plan.run(fn, options.signal);
}

enroll('hedge', hedge, { name: '', single: true }, { stats: counts });

exports.HedgePlan = HedgePlan;
exports.hedge = hedge;
