'use strict';

const { Rates } = require('./rate.cjs');

const BUSIEST = 10;
/** Clients of a limiter that has no `getBusiest()` which are looked at. */
const MOST_SORTED = 10_000;
const LONGEST_NAME = 120;

const clip = (name) => (name.length > LONGEST_NAME ? `${name.slice(0, LONGEST_NAME)}…` : name);

/** The busiest clients out of the statistics of all. */
function busiestOf(buckets = {}) {
  const used = ({ tokens, limit }) => (limit > 0 ? 1 - tokens / limit : 1);
  return Object.entries(buckets)
    .slice(0, MOST_SORTED)
    .map(([client, bucket]) => ({ client, ...bucket }))
    .filter((bucket) => bucket.queueSize > 0 || used(bucket) > 0)
    .sort((one, other) => (other.queueSize ?? 0) - (one.queueSize ?? 0) || used(other) - used(one))
    .slice(0, BUSIEST);
}

class LimiterReader {
  #limiter;
  #rates = new Rates();

  constructor(limiter) {
    this.#limiter = limiter;
  }

  read(now) {
    const direct = typeof this.#limiter.getBusiest === 'function';
    const stats = this.#limiter.getStats(direct ? { buckets: false } : undefined);
    const busiest = direct ? this.#limiter.getBusiest(BUSIEST) : busiestOf(stats.buckets);
    const { allowedRequests: allowed = 0, deniedRequests: denied = 0 } = stats;
    const rates = this.#rates.next({ allowed, denied }, now);
    return {
      limit: this.#limiter.rateLimit,
      refillRate: this.#limiter.refillRate,
      total: stats.totalRequests,
      allowed,
      denied,
      allowRate: stats.allowRate,
      allowedPerSecond: rates.allowed,
      deniedPerSecond: rates.denied,
      queued: stats.queuedRequests,
      waiting: stats.waitingRequests,
      clients: stats.activeBuckets,
      busiest: busiest.map(({ client, tokens, limit, queueSize, blockedMs }) => ({
        client: clip(String(client)),
        tokens,
        limit,
        queueSize,
        blockedMs,
      })),
      points: { ...rates, waiting: stats.waitingRequests },
    };
  }
}

module.exports = { LimiterReader };
