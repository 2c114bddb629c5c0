'use strict';

const { Rates } = require('./rate.cjs');

class PoolReader {
  #pool;
  #rates = new Rates();

  constructor(pool) {
    this.#pool = pool;
  }

  read(now) {
    const stats = this.#pool.getStats();
    const { activeCount = 0, availableConnections, waitingRequests = 0, poolSize, creating } = stats;
    const { acquired } = this.#rates.next({ acquired: stats.acquired ?? 0 }, now);
    return {
      active: activeCount,
      idle: availableConnections,
      size: poolSize,
      most: this.#pool.maxConnections,
      waiting: waitingRequests,
      creating,
      utilization: stats.utilization,
      acquired: stats.acquired,
      acquiredPerSecond: acquired,
      timeouts: stats.timeouts,
      failures: stats.failures,
      retries: stats.retries,
      points: { active: activeCount, size: poolSize, waiting: waitingRequests },
    };
  }
}

module.exports = { PoolReader };
