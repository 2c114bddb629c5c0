// Routing as the contract describes it, in plain JavaScript: a filtered list on each call.
export class BaselineRouter {
  targets = new Map();
  counters = new Map();

  addTarget(serviceName, port, weight = 1) {
    if (!this.targets.has(serviceName)) this.targets.set(serviceName, new Map());
    const id = `${serviceName}:${port}`;
    this.targets.get(serviceName).set(id, { id, serviceName, port, weight, health: 'healthy', tripped: false, activeConnections: 0 });
  }

  routeRequest(serviceName) {
    const healthy = [...this.targets.get(serviceName).values()].filter((target) => target.health === 'healthy' && !target.tripped);
    const total = healthy.reduce((sum, target) => sum + target.weight, 0);
    const turn = this.counters.get(serviceName) ?? 0;
    this.counters.set(serviceName, turn + 1);
    let rest = turn % total;
    const target = healthy.find(({ weight }) => { rest -= weight; return rest < 0; });
    return { host: '127.0.0.1', port: target.port, weight: target.weight, serviceName };
  }
}

export class BaselineBalancer {
  targets = [];
  requests = new Map();

  addTarget(target) {
    this.targets.push(target);
    this.requests.set(target.id, { requests: 0, latency: 0 });
  }

  nextTarget() {
    return this.targets.filter(Boolean).reduce((best, target) => (this.requests.get(target.id).requests < this.requests.get(best.id).requests ? target : best));
  }

  recordRequest(id, latency) {
    const known = this.requests.get(id);
    known.requests += 1;
    known.latency = (known.latency + latency) / 2;
  }
}
