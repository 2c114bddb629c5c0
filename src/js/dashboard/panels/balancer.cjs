'use strict';

const MOST_TARGETS = 50;

class BalancerReader {
  #balancer;

  constructor(balancer) {
    this.#balancer = balancer;
  }

  read() {
    const { requestsServed, activeTargets, byTarget, targetStats } = this.#balancer.getStats();
    return {
      algorithm: this.#balancer.algorithm,
      served: requestsServed,
      targetCount: activeTargets,
      targets: (byTarget === undefined ? [...(targetStats ?? [])] : Object.entries(byTarget))
        .slice(0, MOST_TARGETS)
        .map(([id, { requests, latency }]) => ({ target: String(id), requests, latencyMs: latency })),
    };
  }
}

module.exports = { BalancerReader };
