'use strict';

/**
 * Stands where the original had its interval. There is no timer over all clients: refills are computed when a bucket
 * is looked at. `ref` and `unref` do nothing, as nothing is kept alive.
 */
class LazyRefill {
  constructor(intervalMs) {
    this.intervalMs = intervalMs;
  }
  ref() {
    return this;
  }
  unref() {
    return this;
  }
  hasRef() {
    return false;
  }
}

exports.LazyRefill = LazyRefill;
