'use strict';
// The slow entries as callers see them, and the parameters of their queries where somebody asked for them.

/** As many as native code keeps entries. */
const KEPT = 100;

class SlowParameters {
  constructor(wanted) {
    this.wanted = wanted;
    /** The number of the slow entry that was made last; 0: none. */
    this.last = 0;
    this.bySerial = new Map();
  }

  /** Keeps the parameters of a batch with the entry that it made. */
  keep(items) {
    const serial = this.last;
    if (!this.wanted || serial === 0) return;
    this.bySerial.set(serial, items.map(({ params }) => params));
    if (this.bySerial.size > KEPT) this.bySerial.delete(this.bySerial.keys().next().value);
  }

  clear() {
    this.bySerial.clear();
  }

  /** An entry of native code's for a caller. */
  entry({ serial, latency, batchSize, timestamp, ...text }) {
    const entry = { latency, batchSize, timestamp: new Date(timestamp).toISOString(), ...text };
    const parameters = this.bySerial.get(serial);
    if (parameters !== undefined) entry.parameters = parameters.slice();
    return entry;
  }
}

module.exports = { SlowParameters };
