'use strict';
// Durations counted by size, for what takes long enough that counting it costs nothing.

const { native } = require('../addon.cjs');

const BOUNDS = new Float64Array(native.metricsBounds());
const SUM = BOUNDS.length + 1;

class Durations {
  /** A count for each bucket alone, and the sum in seconds. */
  cells = new Float64Array(SUM + 1);

  add(milliseconds) {
    const seconds = milliseconds > 0 ? milliseconds / 1e3 : 0;
    let bucket = 0;
    while (bucket < BOUNDS.length && seconds > BOUNDS[bucket]) bucket += 1;
    this.cells[bucket] += 1;
    this.cells[SUM] += seconds;
  }
}

module.exports = { Durations };
