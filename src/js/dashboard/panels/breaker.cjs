'use strict';

class BreakerReader {
  #breaker;

  constructor(breaker) {
    this.#breaker = breaker;
  }

  read() {
    const { name, state, failureCount, isolated, nextProbeInMs, lastStateChange, window, metrics } =
      this.#breaker.getState();
    return {
      breaker: name,
      state,
      failuresInRow: failureCount,
      isolated: isolated === true,
      nextProbeInMs,
      lastStateChange,
      window: window?.calls > 0 ? window : null,
      attempts: metrics?.totalAttempts,
      failures: metrics?.totalFailures,
      successes: metrics?.totalSuccesses,
      changes: metrics?.stateChanges?.length,
    };
  }
}

module.exports = { BreakerReader };
