'use strict';
// Chooses a target for each request. The targets and their breakers stand here in public maps; which one is next, who is
// out and for how long is decided in native code.

const { EventEmitter } = require('node:events');
const { performance } = require('node:perf_hooks');
const { native } = require('../../addon.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { proxy } = require('../../balance/proxy.cjs');
const { halvesOf } = require('../../balance/seed.cjs');
const { Circuit, Target } = require('../../balance/targets.cjs');
const { read, textOf } = require('../../resilience/text.cjs');

const LOCALHOST = '127.0.0.1';
/** Beside a number from native code: there are events to fetch. */
const TOLD = 2 ** 32;
const NOBODY = new Float64Array(0);
const events = new Float64Array(3 * 64);

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('IntelligentRouter');
const freed = new FinalizationRegistry((handle) => native.routerFree(handle));

/** A service's targets by id, and its number. */
class Service extends Map {
  constructor(number) {
    super();
    Object.defineProperty(this, 'number', { value: number });
    // What native code knows of; a target that somebody took out of the map by hand is missing there soon.
    Object.defineProperty(this, 'known', { value: new Set() });
  }
}

/** Where a request goes. Who reads `done` has the request counted as under way until it is called. */
class Route {
  constructor(router, target) {
    this.host = target.host;
    this.port = target.port;
    this.weight = target.weight;
    this.serviceName = target.serviceName;
    this.targetId = target.targetId;
    Object.defineProperty(this, INNER, { value: { router, target, done: undefined } });
  }

  get done() {
    const inner = this[INNER];
    inner.done ??= track(inner.router, inner.target);
    return inner.done;
  }
}

function track(router, target) {
  const { handle } = router[INNER];
  const slot = Target.slotOf(target);
  const began = performance.now();
  let open = slot >= 0;
  if (open) native.routerBegin(handle, slot);
  return function done(error, latencyMs) {
    if (!open) return;
    open = false;
    if (target.isGone) return;
    const failed = error !== undefined && error !== null && error !== false;
    const latency = typeof latencyMs === 'number' ? latencyMs : performance.now() - began;
    // What the asker gave up says nothing about the target.
    const active = failed && read(error, 'name') === 'AbortError'
      ? native.routerGiveUp(handle, slot)
      : heard(router, native.routerEnd(handle, slot, failed, latency, true));
    if (active === 0) router[INNER].drains.get(target)?.resolve();
  };
}

/** The number itself, after what it says has happened was told. */
function heard(router, number) {
  if (number < TOLD - 1) return number;
  tell(router);
  return number - TOLD;
}

function tell(router) {
  const { handle, bySlot } = router[INNER];
  const count = native.routerEvents(handle, events);
  // Listeners may route themselves: what they are told must not change meanwhile.
  const rows = events.slice(0, count * 3);
  for (let row = 0; row < count; row += 1) {
    const [kind, slot, forMs] = rows.subarray(row * 3, row * 3 + 3);
    const target = bySlot[slot];
    if (target === undefined) continue;
    const { targetId, serviceName, port } = target;
    if (kind === 0) {
      router.stats.circuitBreakerTrips += 1;
      emit(router, 'circuit-breaker-tripped', { targetId });
    } else if (kind === 1) emit(router, 'circuit-breaker-reset', { targetId });
    else if (kind === 2) emit(router, 'target-ejected', { serviceName, port, targetId, forMs });
    else emit(router, 'target-returned', { serviceName, port, targetId });
  }
  if (rows.length === events.length) tell(router);
}

/** A listener that throws must not change where requests go. */
function emit(router, event, detail) {
  for (const listener of router.rawListeners(event)) {
    try {
      listener.call(router, detail);
    } catch (error) {
      process.emitWarning(`a listener of the router's event "${event}" threw: ${textOf(error)}`);
    }
  }
}

function idOf(serviceName, port, host = LOCALHOST) {
  return host === LOCALHOST ? `${textOf(serviceName)}:${textOf(port)}` : `${textOf(serviceName)}:${host}:${textOf(port)}`;
}

/** The live target that a route, a target, or `{ serviceName, port }` means. */
function find(router, what) {
  const service = router.targets.get(read(what, 'serviceName'));
  if (what instanceof Target) return Target.ownerOf(what) === router && !what.isGone ? what : undefined;
  return service?.get(read(what, 'targetId') ?? idOf(read(what, 'serviceName'), read(what, 'port'), read(what, 'host')));
}

function numberOfMethod(router) {
  const inner = router[INNER];
  if (inner.name !== router.routingAlgorithm) {
    inner.name = router.routingAlgorithm;
    inner.method = native.routerMethod(textOf(inner.name));
  }
  return inner.method;
}

/** Native code follows the map, also where somebody else has taken something out of it. */
function follow(router, service) {
  if (service.size === service.known.size) return;
  for (const target of service.known) {
    if (service.get(target.targetId) !== target) forget(router, service, target);
  }
}

function forget(router, service, target) {
  const inner = router[INNER];
  inner.bySlot[Target.slotOf(target)] = undefined;
  Target.remove(target);
  service.known.delete(target);
  inner.byId.delete(target.targetId);
  inner.drains.get(target)?.resolve();
}

class IntelligentRouter extends EventEmitter {
  constructor(options = {}) {
    super();
    const { algorithm, maxHistorySize, outlier, seed, zone } = options;
    const handle = native.routerOpen(options, outlier ?? undefined, ...halvesOf(seed));
    this.targets = new Map();
    this.routingAlgorithm = algorithm || 'weighted-round-robin';
    this.circuitBreakers = new Map();
    this.maxHistorySize = maxHistorySize || 1000;
    this.stats = { created: Date.now(), routeCount: 0, circuitBreakerTrips: 0, errors: 0 };
    Object.defineProperty(this.stats, 'healthFilters', { enumerable: true, get: () => native.routerFiltered(handle, 0) });
    const inner = { handle, zone, name: undefined, method: 0, bySlot: [], byId: new Map(), drains: new Map() };
    Object.defineProperty(this, INNER, { value: inner });
    freed.register(this, handle);
    enroll('IntelligentRouter', this, options, { stats: this.stats });
  }

  /** Service → how many requests went round; a copy. */
  get roundRobinCounters() {
    return new Map([...this.targets].map(([name, { number }]) => [name, native.routerTurn(this[INNER].handle, number)]));
  }

  /** Target's id → its latencies, oldest first; a copy. */
  get latencyHistogram() {
    return new Map([...this[INNER].byId].map(([id, target]) => [id, target.latencies]));
  }

  addTarget(serviceName, port, weight = 1, { host = LOCALHOST, zone } = {}) {
    native.routerCheckPort(port);
    const inner = this[INNER];
    const targetId = idOf(serviceName, port, host);
    let service = this.targets.get(serviceName);
    if (service === undefined) {
      service = new Service(native.routerService(inner.handle));
      this.targets.set(serviceName, service);
    }
    follow(this, service);
    const share = native.routerWeight(weight);
    const known = service.get(targetId);
    if (known === undefined) {
      const local = zone !== undefined && zone === inner.zone;
      const slot = native.routerAdd(inner.handle, service.number, targetId, share, local);
      const target = new Target(this, inner.handle, slot, { serviceName, port, host, zone, weight: share, targetId });
      inner.bySlot[slot] = target;
      inner.byId.set(targetId, target);
      service.set(targetId, target);
      service.known.add(target);
      this.circuitBreakers.set(targetId, new Circuit(inner.handle, target));
    } else {
      Target.renew(known, share);
      inner.drains.get(known)?.resolve();
    }
    emit(this, 'target-added', { serviceName, port, targetId });
  }

  /** Takes a target out, at once; whether there was one. */
  removeTarget(serviceName, port, { host } = {}) {
    const service = this.targets.get(serviceName);
    const target = service?.get(idOf(serviceName, port, host));
    if (target === undefined) return false;
    const { targetId } = target;
    service.delete(targetId);
    forget(this, service, target);
    this.circuitBreakers.delete(targetId);
    emit(this, 'target-removed', { serviceName, port, targetId });
    return true;
  }

  /** No new requests for a target; resolves once none is under way, or it is removed. */
  drainTarget(serviceName, port, { host } = {}) {
    const target = this.targets.get(serviceName)?.get(idOf(serviceName, port, host));
    if (target === undefined) return Promise.resolve();
    const { handle, drains } = this[INNER];
    native.routerDrain(handle, Target.slotOf(target));
    if (target.activeConnections === 0) return Promise.resolve();
    let drain = drains.get(target);
    if (drain === undefined) {
      drain = {};
      drain.ended = new Promise((resolve) => { drain.resolve = () => { drains.delete(target); resolve(); }; });
      drains.set(target, drain);
    }
    return drain.ended;
  }

  getHealthyTargets(serviceName) {
    const service = this.targets.get(serviceName);
    if (service === undefined) return [];
    follow(this, service);
    const { handle, bySlot } = this[INNER];
    const slots = new Float64Array(service.size);
    const count = heard(this, native.routerAvailable(handle, service.number, slots));
    native.routerFiltered(handle, service.size - count);
    return Array.from(slots.subarray(0, count), (slot) => bySlot[slot]);
  }

  routeRequest(serviceName, options = undefined) {
    const target = isHooked(this) ? routeByHooks(this, serviceName) : routeNatively(this, serviceName, options);
    if (target === undefined) {
      this.stats.errors += 1;
      throw native.routerNoTarget(textOf(serviceName));
    }
    this.stats.routeCount += 1;
    return new Route(this, target);
  }

  weightedRoundRobin(serviceName, targets) {
    const { counters = new Map() } = this[INNER];
    this[INNER].counters = counters;
    const turn = counters.get(serviceName) ?? 0;
    counters.set(serviceName, turn + 1);
    return targets[native.routerOwner(Float64Array.from(targets, (target) => Number(target.weight)), turn)];
  }

  leastConnections(targets) {
    return oneOf(targets, (target) => Number(target.activeConnections ?? 0));
  }

  latencyAware(targets) {
    return oneOf(targets, (target) => this.getAverageLatency(target));
  }

  recordLatency(target, latency) {
    const known = find(this, target);
    if (known === undefined || typeof latency !== 'number') return;
    native.routerLatency(this[INNER].handle, Target.slotOf(known), latency);
  }

  getAverageLatency(target) {
    return statsOf(this, target, 50).avg;
  }

  getLatencyPercentile(target, percentile) {
    return statsOf(this, target, Number(percentile)).percentile;
  }

  setCircuitBreaker(targetId, { threshold, timeout } = {}) {
    const circuit = this.circuitBreakers.get(targetId);
    if (circuit === undefined) return;
    if (threshold) circuit.threshold = threshold;
    if (timeout) circuit.timeout = timeout;
  }

  recordFailure(targetId) {
    record(this, targetId, true);
  }

  recordSuccess(targetId) {
    record(this, targetId, false);
  }

  resetCircuitBreaker(targetId) {
    const circuit = this.circuitBreakers.get(targetId);
    if (circuit === undefined) return;
    circuit.reset();
    emit(this, 'circuit-breaker-reset', { targetId });
  }

  updateTargetHealth(serviceName, port, health, { host } = {}) {
    const target = this.targets.get(serviceName)?.get(idOf(serviceName, port, host));
    if (target === undefined) return;
    target.health = health;
    target.lastHealthCheck = Date.now();
    emit(this, 'health-updated', { serviceName, port, health, targetId: target.targetId });
  }

  getRoutingMetrics(serviceName) {
    const service = this.targets.get(serviceName);
    if (service === undefined) return null;
    follow(this, service);
    const targets = [...service.values()].map((target) => {
      const { count, avg, percentile: p95 } = Target.latencyOf(target, 95);
      const { percentile: p99 } = Target.latencyOf(target, 99);
      const circuitBreakerStatus = this.circuitBreakers.get(target.targetId)?.tripped ? 'tripped' : 'closed';
      const { host, port, weight, health, activeConnections } = target;
      return { host, port, weight, health, activeConnections, latencyStats: { count, avg, p95, p99 }, circuitBreakerStatus };
    });
    const { handle } = this[INNER];
    const healthyCount = heard(this, native.routerAvailable(handle, service.number, NOBODY));
    return { serviceName, targetCount: targets.length, healthyCount, targets };
  }

  /** A handler for `http.createServer` or Express that sends requests on to the service's targets. */
  proxy(serviceName, options = {}) {
    return proxy(this, serviceName, options);
  }

  getStats() {
    const { created, routeCount, healthFilters, circuitBreakerTrips, errors } = this.stats;
    return {
      created,
      uptime: Date.now() - created,
      routingAlgorithm: this.routingAlgorithm,
      routeCount,
      healthFilters,
      circuitBreakerTrips,
      errors,
      serviceCount: this.targets.size,
    };
  }
}

const { getHealthyTargets, weightedRoundRobin, leastConnections, latencyAware } = IntelligentRouter.prototype;

/** Whether somebody has put own methods in the place of those that choose. */
function isHooked(router) {
  return router.getHealthyTargets !== getHealthyTargets || router.weightedRoundRobin !== weightedRoundRobin
    || router.leastConnections !== leastConnections || router.latencyAware !== latencyAware;
}

function routeByHooks(router, serviceName) {
  const targets = router.getHealthyTargets(serviceName);
  if (targets.length === 0) return undefined;
  if (router.routingAlgorithm === 'least-connections') return router.leastConnections(targets);
  if (router.routingAlgorithm === 'latency-aware') return router.latencyAware(targets);
  if (router.routingAlgorithm === 'random') return targets[Math.floor(Math.random() * targets.length)];
  return router.weightedRoundRobin(serviceName, targets);
}

function routeNatively(router, serviceName, options) {
  const service = router.targets.get(serviceName);
  if (service === undefined) return undefined;
  follow(router, service);
  const { handle, bySlot, byId } = router[INNER];
  const method = numberOfMethod(router);
  let slot;
  if (options === undefined) slot = native.routerPick(handle, service.number, method);
  else {
    const key = options.key === undefined ? undefined : textOf(options.key);
    const avoided = [...(options.exclude ?? [])].map((id) => byId.get(id)).filter((target) => target !== undefined);
    slot = native.routerPickFor(handle, service.number, method, key, Float64Array.from(avoided, Target.slotOf));
  }
  // Who hears of an event may add or remove targets: the slot is looked up before.
  const target = bySlot[slot < TOLD - 1 ? slot : slot - TOLD];
  if (slot >= TOLD - 1) tell(router);
  return target;
}

function record(router, targetId, failed) {
  const target = router[INNER].byId.get(targetId);
  if (target === undefined) return;
  heard(router, native.routerEnd(router[INNER].handle, Target.slotOf(target), failed, NaN, false));
}

function statsOf(router, target, percent) {
  const known = find(router, target);
  return known === undefined ? { count: 0, avg: 0, percentile: 0 } : Target.latencyOf(known, percent);
}

function oneOf(targets, keyOf) {
  const place = native.routerLeast(Float64Array.from(targets, keyOf));
  if (place < 0) throw new TypeError('there is no target to choose from');
  return targets[place];
}

exports.IntelligentRouter = IntelligentRouter;
exports.default = IntelligentRouter;
Object.defineProperty(exports, '__esModule', { value: true });
