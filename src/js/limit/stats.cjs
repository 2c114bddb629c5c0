'use strict';
// What `getStats` shows.

const { native } = require('../addon.cjs');
const { now, WAITING } = require('./clients.cjs');
const { settle } = require('./views.cjs');
const { textOf } = require('./waiters.cjs');

/** Counters and, unless `buckets` is false, an object for each client. */
function statsOf(limiter, state, { buckets: each = true } = {}) {
  const { totalRequests, allowedRequests, deniedRequests, queuedRequests } = limiter.stats;
  const { clients, waiters } = state;
  const buckets = {};
  for (const slot of each ? clients.slots() : []) {
    settle(state, slot, false);
    const chunk = clients.chunk(slot);
    const place = clients.place(slot);
    const [tokens, , limit] = chunk.subarray(place, place + 3);
    const value = {
      tokens: native.limitShown(tokens),
      limit,
      utilization: native.limitUtilization(tokens, limit),
      queueSize: chunk[place + WAITING],
    };
    const name = textOf(clients.idOf(slot));
    if (name === '__proto__') {
      Object.defineProperty(buckets, name, { value, enumerable: true, configurable: true, writable: true });
    } else {
      buckets[name] = value;
    }
  }
  const stats = {
    totalRequests,
    allowedRequests,
    deniedRequests,
    allowRate: native.limitAllowRate(Number(allowedRequests), Number(deniedRequests)),
    queuedRequests,
    waitingRequests: waiters.size,
    activeBuckets: clients.size,
    buckets,
  };
  if (limiter.globalLimit !== undefined) {
    const tokens = native.limitShared(clients.handle, now());
    const limit = limiter.globalLimit.rateLimit;
    stats.global = { tokens: native.limitShown(tokens), limit, utilization: native.limitUtilization(tokens, limit) };
  }
  if (state.store !== null) stats.store = state.store.stats();
  return stats;
}

exports.statsOf = statsOf;
