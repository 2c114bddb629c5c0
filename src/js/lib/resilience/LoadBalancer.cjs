'use strict';
// Chooses among targets. The targets live here, in a public array; which one is next is decided in native code.

const { native } = require('../../addon.cjs');
const { halvesOf } = require('../../balance/seed.cjs');
const { textOf } = require('../../resilience/text.cjs');

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('LoadBalancer');
const freed = new FinalizationRegistry((handle) => native.balancerFree(handle));

/** What native code knows of the targets follows the array, also where somebody else has changed that. */
function follow(balancer) {
  const inner = balancer[INNER];
  const { targets } = balancer;
  if (inner.seen === targets && inner.count === targets.length) return;
  native.balancerClear(inner.handle);
  inner.places.clear();
  for (const target of targets) native.balancerAdd(inner.handle, target?.weight);
  inner.seen = targets;
  inner.count = targets.length;
}

/** The first place of an id: looked up, and searched for where the array has changed since. */
function placeOf(balancer, id) {
  const { targets } = balancer;
  const { places } = balancer[INNER];
  const known = places.get(id);
  if (known !== undefined && targets[known]?.id === id) return known;
  const place = targets.findIndex((target) => target?.id === id);
  if (place >= 0) places.set(id, place);
  else places.delete(id);
  return place;
}

function pick(balancer) {
  const inner = balancer[INNER];
  follow(balancer);
  if (inner.name !== balancer.algorithm) {
    inner.name = balancer.algorithm;
    inner.number = native.balancerAlgorithm(textOf(balancer.algorithm));
  }
  const place = native.balancerPick(inner.handle, inner.number, balancer.roundRobinIndex);
  if (place < 0) return place;
  if (inner.number === inner.roundRobin) balancer.roundRobinIndex = (place + 1) % balancer.targets.length;
  balancer.stats.requestsServed += 1;
  return place;
}

class LoadBalancer {
  constructor(algorithm = 'round-robin', { seed } = {}) {
    this.targets = [];
    this.algorithm = algorithm;
    this.roundRobinIndex = 0;
    this.stats = { requestsServed: 0, targetStats: new Map() };
    const handle = native.balancerOpen(...halvesOf(seed));
    const inner = { handle, places: new Map(), seen: this.targets, count: 0, name: undefined, number: 0, roundRobin: native.balancerAlgorithm('round-robin') };
    Object.defineProperty(this, INNER, { value: inner });
    freed.register(this, handle);
  }

  addTarget(target) {
    const { id, weight } = target;
    follow(this);
    const { places } = this[INNER];
    if (!places.has(id)) places.set(id, this.targets.length);
    this.targets.push(target);
    native.balancerAdd(this[INNER].handle, weight);
    this[INNER].count += 1;
    this.stats.targetStats.set(id, { requests: 0, latency: 0 });
  }

  removeTarget(id) {
    follow(this);
    for (let place = placeOf(this, id); place >= 0; place = placeOf(this, id)) {
      this.targets.splice(place, 1);
      this[INNER].places.clear();
      native.balancerRemove(this[INNER].handle, place);
      this[INNER].count -= 1;
      // The round goes on with the target that was next.
      if (place < this.roundRobinIndex) this.roundRobinIndex -= 1;
    }
    if (this.roundRobinIndex >= this.targets.length) this.roundRobinIndex = 0;
    this.stats.targetStats.delete(id);
  }

  nextTarget() {
    const place = pick(this);
    return place < 0 ? null : this.targets[place];
  }

  /** The next target, counted as busy until `done(latencyMs?)`; `null` without targets. */
  acquire() {
    const place = pick(this);
    if (place < 0) return null;
    const target = this.targets[place];
    const { handle } = this[INNER];
    native.balancerTrack(handle, place, true);
    let open = true;
    const done = (latency) => {
      if (!open) return;
      open = false;
      // It may stand somewhere else by now, or be gone.
      const now = this.targets[place] === target ? place : this.targets.indexOf(target);
      if (now < 0) return;
      follow(this);
      native.balancerTrack(handle, now, false);
      this.recordRequest(target.id, latency);
    };
    return { target, done };
  }

  recordRequest(id, latency) {
    const known = this.stats.targetStats.get(id);
    if (known === undefined) return;
    const counts = typeof latency === 'number' && Number.isFinite(latency) && latency >= 0;
    if (counts) known.latency = known.latency === 0 ? latency : (known.latency + latency) / 2;
    known.requests += 1;
    const place = placeOf(this, id);
    if (place < 0) return;
    follow(this);
    native.balancerRecord(this[INNER].handle, place, counts ? latency : NaN);
  }

  setAlgorithm(algorithm) {
    this.algorithm = algorithm;
  }

  rebalance() {
    this.roundRobinIndex = 0;
  }

  getStats() {
    const { requestsServed, targetStats } = this.stats;
    return { requestsServed, targetStats, activeTargets: this.targets.length, byTarget: Object.fromEntries(targetStats) };
  }
}

exports.LoadBalancer = LoadBalancer;
exports.default = LoadBalancer;
Object.defineProperty(exports, '__esModule', { value: true });
