'use strict';
// Chooses among targets. The targets live here, in a public array; which one is next is decided in native code.

const { native } = require('../../addon.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { halvesOf } = require('../../balance/seed.cjs');
const { textOf } = require('../../resilience/text.cjs');

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('LoadBalancer');
const freed = new FinalizationRegistry((handle) => native.balancerFree(handle));

/** Tells native code of a target, at the end of those it knows. */
function take(inner, target) {
  native.balancerAdd(inner.handle, textOf(target?.id), target?.weight, inner.zone !== undefined && target?.zone === inner.zone);
  // Also one that was there before somebody changed the array.
  if (inner.leaving.has(target)) native.balancerDrain(inner.handle, inner.count);
  inner.count += 1;
}

/** What native code knows of the targets follows the array, also where somebody else has changed that. */
function follow(balancer) {
  const inner = balancer[INNER];
  const { targets } = balancer;
  if (inner.seen === targets && inner.count === targets.length) return;
  native.balancerClear(inner.handle);
  inner.places.clear();
  inner.count = 0;
  for (const target of targets) take(inner, target);
  inner.seen = targets;
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

/** The place of the next target; `key` is for `consistent-hash`. */
function pick(balancer, key) {
  const inner = balancer[INNER];
  follow(balancer);
  if (inner.name !== balancer.algorithm) {
    inner.name = balancer.algorithm;
    inner.number = native.balancerAlgorithm(textOf(balancer.algorithm));
  }
  const { handle, number } = inner;
  const place = typeof key === 'string' || typeof key === 'number'
    ? native.balancerPickFor(handle, number, balancer.roundRobinIndex, textOf(key))
    : native.balancerPick(handle, number, balancer.roundRobinIndex);
  if (place < 0) return place;
  if (inner.number === inner.roundRobin) balancer.roundRobinIndex = (place + 1) % balancer.targets.length;
  balancer.stats.requestsServed += 1;
  return place;
}

const timeOf = (latency) => (typeof latency === 'number' && Number.isFinite(latency) && latency >= 0 ? latency : NaN);

/** Counts a request in the public statistics; whether the id is known there. */
function count(balancer, id, latency) {
  const known = balancer.stats.targetStats.get(id);
  if (known === undefined) return false;
  const time = timeOf(latency);
  if (!Number.isNaN(time)) known.latency = known.latency === 0 ? time : (known.latency + time) / 2;
  known.requests += 1;
  return true;
}

/** A request that was counted as under way has ended. */
function end(balancer, target, place, latency, error) {
  const { handle, drains } = balancer[INNER];
  const drain = drains.get(target);
  if (drain !== undefined && (drain.open -= 1) === 0) drain.resolve();
  // It may stand somewhere else by now, or be gone.
  const now = balancer.targets[place] === target ? place : balancer.targets.indexOf(target);
  if (now < 0) return;
  follow(balancer);
  if (error?.name === 'AbortError') {
    // Who asked has given up: that says nothing of the target.
    native.balancerTrack(handle, now, false);
    return;
  }
  const failed = error !== undefined && error !== null;
  count(balancer, target.id, failed ? undefined : latency);
  native.balancerEnd(handle, now, failed, timeOf(latency), true);
}

class LoadBalancer {
  constructor(algorithm = 'round-robin', options = {}) {
    const { seed, outlier, zone } = options;
    this.targets = [];
    this.algorithm = algorithm;
    this.roundRobinIndex = 0;
    this.stats = { requestsServed: 0, targetStats: new Map() };
    const handle = native.balancerOpen(options, outlier ?? undefined, ...halvesOf(seed));
    const inner = {
      handle, zone, places: new Map(), seen: this.targets, count: 0, name: undefined, number: 0,
      roundRobin: native.balancerAlgorithm('round-robin'), leaving: new WeakSet(), drains: new Map(),
    };
    Object.defineProperty(this, INNER, { value: inner });
    freed.register(this, handle);
    enroll('LoadBalancer', this, options, { stats: this.stats });
  }

  addTarget(target) {
    const { id } = target;
    follow(this);
    if (typeof target === 'object') this[INNER].leaving.delete(target);
    const { places } = this[INNER];
    if (!places.has(id)) places.set(id, this.targets.length);
    this.targets.push(target);
    take(this[INNER], target);
    this.stats.targetStats.set(id, { requests: 0, latency: 0 });
  }

  removeTarget(id) {
    follow(this);
    for (let place = placeOf(this, id); place >= 0; place = placeOf(this, id)) {
      const [target] = this.targets.splice(place, 1);
      this[INNER].drains.get(target)?.resolve();
      this[INNER].places.clear();
      native.balancerRemove(this[INNER].handle, place);
      this[INNER].count -= 1;
      // The round goes on with the target that was next.
      if (place < this.roundRobinIndex) this.roundRobinIndex -= 1;
    }
    if (this.roundRobinIndex >= this.targets.length) this.roundRobinIndex = 0;
    this.stats.targetStats.delete(id);
  }

  /** Nothing new for a target; resolves when nothing is under way there. It stays in the list until it is removed. */
  drainTarget(id) {
    follow(this);
    const { handle, leaving, drains } = this[INNER];
    const waits = [];
    this.targets.forEach((target, place) => {
      if (target?.id !== id) return;
      const open = native.balancerDrain(handle, place);
      if (typeof target === 'object') leaving.add(target);
      if (open === 0) return;
      let drain = drains.get(target);
      if (drain === undefined) {
        drain = { open };
        drain.ended = new Promise((resolve) => {
          drain.resolve = () => {
            drains.delete(target);
            resolve();
          };
        });
        drains.set(target, drain);
      }
      waits.push(drain.ended);
    });
    return Promise.all(waits).then(() => undefined);
  }

  /** `key` is for `consistent-hash`. */
  nextTarget(options) {
    const place = pick(this, options?.key);
    return place < 0 ? null : this.targets[place];
  }

  /** The next target, counted as busy until `done(latencyMs?, error?)`; `null` where nobody is available. */
  acquire(options) {
    const place = pick(this, options?.key);
    if (place < 0) return null;
    const target = this.targets[place];
    native.balancerTrack(this[INNER].handle, place, true);
    let open = true;
    const done = (latency, error) => {
      if (!open) return;
      open = false;
      end(this, target, place, latency, error);
    };
    return { target, done };
  }

  recordRequest(id, latency) {
    if (!count(this, id, latency)) return;
    const place = placeOf(this, id);
    if (place < 0) return;
    follow(this);
    native.balancerEnd(this[INNER].handle, place, false, timeOf(latency), false);
  }

  /** A request that `nextTarget` chose a target for has failed. */
  recordFailure(id) {
    if (!count(this, id)) return;
    const place = placeOf(this, id);
    if (place < 0) return;
    follow(this);
    native.balancerEnd(this[INNER].handle, place, true, NaN, false);
  }

  setAlgorithm(algorithm) {
    this.algorithm = algorithm;
  }

  rebalance() {
    this.roundRobinIndex = 0;
  }

  getStats() {
    const { requestsServed, targetStats } = this.stats;
    follow(this);
    return {
      requestsServed, targetStats, activeTargets: this.targets.length, byTarget: Object.fromEntries(targetStats),
      availableTargets: native.balancerAvailable(this[INNER].handle),
    };
  }
}

exports.LoadBalancer = LoadBalancer;
exports.default = LoadBalancer;
Object.defineProperty(exports, '__esModule', { value: true });
