'use strict';
// What a pool counts itself, for its statistics: what waits and queries took, and borrows that native code is not told
// of. A query costs a round trip; two looks at the clock do not show.

const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { Durations } = require('../metrics/durations.cjs');

class Timed {
  waits = new Durations();
  queries = new Durations();
  errors = 0;
  /** A connection came back and went out again, with nothing to decide in between. */
  relent = 0;

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

/** The numbers of a pool, by its handle and what it counts itself. */
function statsOf({ handle, timed }) {
  const stats = native.poolStats(handle);
  stats.acquired += timed.relent;
  stats.released += timed.relent;
  return stats;
}

exports.Timed = Timed;
exports.statsOf = statsOf;
