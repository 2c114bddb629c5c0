'use strict';
// What callers see of a router's targets and of their breakers: live objects in front of native numbers.

const { native } = require('../addon.cjs');

const cells = new Float64Array(6);
const [TRIPPED, FAILURES, SUCCESSES, AGE, THRESHOLD, TIMEOUT, RESET] = [0, 1, 2, 3, 4, 5, 6];

/** One target of a service. `health` is a word; exactly `'healthy'` lets requests through. */
class Target {
  // The owner of the handle below: as long as somebody holds a target, the handle is nobody else's.
  #owner;
  #router;
  #slot;
  #weight;
  #health = 'healthy';

  constructor(owner, router, slot, { serviceName, port, host, zone, weight, targetId }) {
    this.#owner = owner;
    this.#router = router;
    this.#slot = slot;
    this.#weight = weight;
    this.serviceName = serviceName;
    this.host = host;
    this.port = port;
    this.zone = zone;
    this.targetId = targetId;
    this.lastHealthCheck = Date.now();
  }

  /** Whether it was removed since. */
  get isGone() {
    return this.#slot < 0;
  }

  /** Whose target it is. */
  static ownerOf(target) {
    return target.#owner;
  }

  /** Its number among the router's targets; below 0 once it is gone. */
  static slotOf(target) {
    return #slot in target ? target.#slot : -1;
  }

  static remove(target) {
    if (target.#slot >= 0) native.routerRemove(target.#router, target.#slot);
    target.#slot = -1;
  }

  static renew(target, weight) {
    target.#weight = weight;
    target.#health = 'healthy';
    native.routerRenew(target.#router, target.#slot, weight);
  }

  get weight() {
    return this.#weight;
  }

  set weight(weight) {
    this.#weight = this.isGone ? weight : native.routerSetWeight(this.#router, this.#slot, weight);
  }

  get health() {
    return this.#health;
  }

  set health(health) {
    this.#health = health;
    if (!this.isGone) native.routerHealthy(this.#router, this.#slot, health === 'healthy');
  }

  /** Requests under way; may be set. */
  get activeConnections() {
    return this.isGone ? 0 : native.routerActive(this.#router, this.#slot);
  }

  set activeConnections(count) {
    if (!this.isGone) native.routerSetActive(this.#router, this.#slot, Number(count));
  }

  /** The latencies kept, oldest first: a copy. */
  get latencies() {
    return this.isGone ? [] : native.routerLatencies(this.#router, this.#slot);
  }

  /** `{ count, avg, percentile }` of the latencies kept. */
  static latencyOf(target, percent) {
    if (target.isGone) return { count: 0, avg: 0, percentile: 0 };
    native.routerLatencyStats(target.#router, target.#slot, percent, cells);
    const [count, avg, percentile] = cells;
    return { count, avg, percentile };
  }

  toJSON() {
    const { serviceName, host, port, zone, weight, health, lastHealthCheck } = this;
    return { serviceName, host, port, zone, weight, health, lastHealthCheck };
  }
}

/** A target's breaker; every field may be set. */
class Circuit {
  #router;
  #target;

  constructor(router, target) {
    this.#router = router;
    this.#target = target;
  }

  #get(field) {
    const slot = Target.slotOf(this.#target);
    if (slot < 0) return 0;
    native.routerCircuit(this.#router, slot, cells);
    return cells[field];
  }

  #set(field, value) {
    const slot = Target.slotOf(this.#target);
    if (slot >= 0) native.routerSetCircuit(this.#router, slot, field, Number(value));
  }

  get tripped() {
    return this.#get(TRIPPED) === 1;
  }

  set tripped(tripped) {
    this.#set(TRIPPED, tripped ? 1 : 0);
  }

  get failureCount() {
    return this.#get(FAILURES);
  }

  set failureCount(count) {
    this.#set(FAILURES, count);
  }

  get successCount() {
    return this.#get(SUCCESSES);
  }

  set successCount(count) {
    this.#set(SUCCESSES, count);
  }

  /** When the last failure was, in milliseconds since 1970; `null` before the first. */
  get lastFailure() {
    const age = this.#get(AGE);
    return Number.isNaN(age) ? null : Math.round(Date.now() - age);
  }

  set lastFailure(time) {
    this.#set(AGE, time === null ? NaN : Date.now() - Number(time));
  }

  get threshold() {
    return this.#get(THRESHOLD);
  }

  set threshold(threshold) {
    this.#set(THRESHOLD, threshold);
  }

  /** Milliseconds. */
  get timeout() {
    return this.#get(TIMEOUT);
  }

  set timeout(timeout) {
    this.#set(TIMEOUT, timeout);
  }

  reset() {
    this.#set(RESET, 0);
  }

  toJSON() {
    const { tripped, failureCount, successCount, lastFailure, threshold, timeout } = this;
    return { tripped, failureCount, successCount, lastFailure, threshold, timeout };
  }
}

exports.Target = Target;
exports.Circuit = Circuit;
