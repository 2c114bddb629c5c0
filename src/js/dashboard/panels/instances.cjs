'use strict';

const MOST = 100;

class InstancesReader {
  #manager;

  constructor(manager) {
    this.#manager = manager;
  }

  read() {
    const { totalInstancesSpawned, totalInstancesTerminated, failedScaleAttempts } = this.#manager.getStats?.() ?? {};
    const services = Object.entries(this.#manager.getAllInstances());
    return {
      spawned: totalInstancesSpawned,
      terminated: totalInstancesTerminated,
      failed: failedScaleAttempts,
      count: services.reduce((sum, [, instances]) => sum + instances.length, 0),
      instances: services
        .flatMap(([service, instances]) =>
          instances.map(({ port, pid, startTime, health }) => ({ service, port, pid, startTime, health })),
        )
        .slice(0, MOST),
    };
  }
}

module.exports = { InstancesReader };
