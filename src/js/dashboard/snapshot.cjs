'use strict';
// One look at all modules. A module that cannot be read takes no other one with it.

const { performance } = require('node:perf_hooks');
const { membersOf } = require('./options.cjs');
const { ProcessReader } = require('./panels/process.cjs');
const { TracerReader } = require('./panels/tracer.cjs');

const READERS = {
  cache: require('./panels/cache.cjs').CacheReader,
  pool: require('./panels/pool.cjs').PoolReader,
  optimizer: require('./panels/optimizer.cjs').OptimizerReader,
  limiter: require('./panels/limiter.cjs').LimiterReader,
  tracer: TracerReader,
  breakers: require('./panels/breaker.cjs').BreakerReader,
  health: require('./panels/health.cjs').HealthReader,
  router: require('./panels/router.cjs').RouterReader,
  balancer: require('./panels/balancer.cjs').BalancerReader,
  instances: require('./panels/instances.cjs').InstancesReader,
};
/** Modules of one panel that are shown. */
const MOST_MEMBERS = 50;

class Snapshots {
  #panels;
  #title;
  #process = new ProcessReader();
  /** Panel → module → its reader, which knows what it read before. */
  #readers = Object.fromEntries(Object.keys(READERS).map((panel) => [panel, new WeakMap()]));
  #lastMs = 0;

  constructor({ panels, title }) {
    this.#panels = panels;
    this.#title = title;
  }

  /** `{ at, title, process, panels, points, readMs }`: panels hold modules, points what charts are made of. */
  read() {
    const begun = performance.now();
    const points = {};
    const panels = {};
    for (const [panel, given] of Object.entries(this.#panels)) {
      panels[panel] = members(panel, given).map(([name, module]) => this.#member(panel, name, module, begun, points));
    }
    const snapshot = {
      at: Date.now(),
      title: this.#title,
      process: this.#process.read(begun),
      panels,
      points,
      readMs: this.#lastMs,
    };
    // Of the reading before: this one is not over.
    this.#lastMs = performance.now() - begun;
    return snapshot;
  }

  #member(panel, name, module, now, points) {
    try {
      const { points: own = {}, ...data } = this.#reader(panel, module).read(now);
      for (const [key, value] of Object.entries(own)) {
        points[`${panel}/${name}/${key}`] = Number.isFinite(value) ? round(value) : null;
      }
      return { name, ...data };
    } catch (error) {
      // Not its message: that may hold a value of the app's.
      return { name, unreadable: String(error?.code ?? error?.name ?? 'error').slice(0, 60) };
    }
  }

  #reader(panel, module) {
    const readers = this.#readers[panel];
    let reader = readers.get(module);
    if (reader === undefined) readers.set(module, (reader = new READERS[panel](module)));
    return reader;
  }

  /** One trace with its spans, `undefined` when it is not kept. */
  trace(name, id) {
    const given = this.#panels.tracer;
    const [, tracer] = (given === undefined ? [] : members('tracer', given)).find(([each]) => each === name) ?? [];
    return tracer === undefined ? undefined : this.#reader('tracer', tracer).trace(id);
  }
}

const members = (panel, given) => membersOf(panel, given).slice(0, MOST_MEMBERS);
const round = (value) => Math.round(value * 1000) / 1000;

module.exports = { Snapshots };
