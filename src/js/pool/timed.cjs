'use strict';
// What a pool's waits and queries took, for its metrics. A query costs a round trip; two looks at the clock do not show.

const { performance } = require('node:perf_hooks');
const { Durations } = require('../metrics/durations.cjs');

class Timed {
  waits = new Durations();
  queries = new Durations();
  errors = 0;

  async query(run) {
    const start = performance.now();
    try {
      return await run();
    } catch (error) {
      this.errors += 1;
      throw error;
    } finally {
      this.queries.add(performance.now() - start);
    }
  }
}

exports.Timed = Timed;
