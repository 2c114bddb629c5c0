'use strict';
// Services that a HealthMonitor asks, or checks that a ReadinessProbe makes.

const MOST = 100;

const timeOf = (when) => (when === null || when === undefined ? null : Number(when));

class HealthReader {
  #health;

  constructor(health) {
    this.#health = health;
  }

  read() {
    if (typeof this.#health.getAllHealth !== 'function') return { checks: this.#probes() };
    const checks = Object.values(this.#health.getAllHealth())
      .slice(0, MOST)
      .map((service) => ({
        name: service.name,
        kind: `port ${service.port}`,
        status: service.status,
        failures: service.consecutiveFailures,
        lastCheck: timeOf(service.lastCheck),
      }));
    return { checks };
  }

  #probes() {
    return this.#health
      .getAllProbeStatus()
      .slice(0, MOST)
      .map(({ name, type, status, failCount, lastCheck }) => ({
        name,
        kind: type,
        status,
        failures: failCount,
        lastCheck: timeOf(lastCheck),
      }));
  }
}

module.exports = { HealthReader };
