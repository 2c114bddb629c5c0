'use strict';

const MOST_SERVICES = 20;
const MOST_TARGETS = 50;

class RouterReader {
  #router;

  constructor(router) {
    this.#router = router;
  }

  read() {
    const services = [...(this.#router.targets?.keys() ?? [])].slice(0, MOST_SERVICES);
    const stats = this.#router.getStats?.() ?? {};
    return {
      algorithm: stats.routingAlgorithm ?? this.#router.routingAlgorithm,
      routed: stats.routeCount,
      trips: stats.circuitBreakerTrips,
      errors: stats.errors,
      services: services
        .map((name) => this.#router.getRoutingMetrics(name))
        .filter(Boolean)
        .map(({ serviceName, targetCount, healthyCount, targets }) => ({
          service: serviceName,
          targetCount,
          healthyCount,
          targets: targets
            .slice(0, MOST_TARGETS)
            .map(({ host, port, weight, health, activeConnections, latencyStats, circuitBreakerStatus }) => ({
              target: `${host}:${port}`,
              weight,
              health,
              active: activeConnections,
              breaker: circuitBreakerStatus,
              ...latencyStats,
            })),
        })),
    };
  }
}

module.exports = { RouterReader };
