'use strict';
// Asks services how they are. The questions are asked and judged in native code, away from the event loop, which hears of
// changes only; a service with a function of its own, and whoever overrides a check, is asked here.

const { native, listen, request, unlisten } = require('../../addon.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { limited } = require('../../resilience/attempt.cjs');
const { textOf } = require('../../resilience/text.cjs');

const cells = new Float64Array(6);
/** Tells a round that nobody waits for it. */
const BACKGROUND = Symbol('background');

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('HealthMonitor');

const freed = new FinalizationRegistry(({ handle, listener }) => {
  native.healthFree(handle);
  unlisten(listener);
});

/** Rounds until nobody has the monitor any more; they hold neither it nor the process. */
function startRounds(monitor, interval) {
  const weak = new WeakRef(monitor);
  const timer = setInterval(() => {
    const alive = weak.deref();
    if (alive === undefined) clearInterval(timer);
    else alive._runHealthChecks(BACKGROUND)?.catch?.(() => {});
  }, interval);
  timer.unref?.();
  return timer;
}

/** What callers see of a service: live. */
class Service {
  // The owner of the handle below: as long as somebody holds a service, the handle is nobody else's.
  #owner;
  #handle;
  #number;

  constructor(owner, handle, number, { name, port, host, maxFailures }) {
    this.#owner = owner;
    this.#handle = handle;
    this.#number = number;
    this.name = name;
    this.port = port;
    this.host = host;
    this.maxFailures = maxFailures;
  }

  /** Whose service it is. */
  static ownerOf(service) {
    return service.#owner;
  }

  static numberOf(service) {
    return #number in service ? service.#number : 0;
  }

  #read(cell) {
    const status = native.healthRead(this.#handle, this.#number, cells);
    return cell === undefined ? status ?? 'unknown' : cells[cell];
  }

  get health() {
    return this.#read();
  }

  /** A `Date`, or null before the first check. */
  get lastCheck() {
    const time = this.#read(0);
    return Number.isNaN(time) ? null : new Date(time);
  }

  get consecutiveFailures() {
    return this.#read(1);
  }

  get liveness() {
    return this.#read(2) === 1;
  }

  get readiness() {
    return this.#read(3) === 1;
  }

  get startup() {
    return this.#read(4) === 1;
  }

  toJSON() {
    const { name, port, host, health, lastCheck, consecutiveFailures, maxFailures } = this;
    return { name, port, host, health, lastCheck, consecutiveFailures, maxFailures };
  }
}

/** The three answers of a service: live. */
class Checks {
  constructor(service) {
    for (const name of ['liveness', 'readiness', 'startup']) {
      Object.defineProperty(this, name, { enumerable: true, get: () => service[name] });
    }
  }
}

/** A status that changed, or a check that has ended: told to listeners and to the router. */
function changed(monitor, name, status) {
  const { router, routed } = monitor[INNER];
  const service = monitor.services.get(name);
  if (service === undefined) return;
  if (status === 'healthy' || status === 'unhealthy') {
    try {
      router?.updateTargetHealth(routed.get(name), service.port, status, { host: service.host === 'localhost' ? undefined : service.host });
    } catch (error) {
      process.emitWarning(`the router did not take the health of a service: ${textOf(error)}`);
    }
  }
  monitor._notifyListeners(name, status);
}

/** Asks a service by the monitor's own methods, or its function; never throws. */
async function askHere(monitor, name, service) {
  const { busy } = monitor[INNER];
  if (busy.has(service)) return;
  busy.add(service);
  try {
    await monitor._checkService(name, service);
  } catch (error) {
    report(monitor, name, service, false);
    process.emitWarning(`the check of a service failed: ${textOf(error)}`);
  } finally {
    busy.delete(service);
  }
}

function report(monitor, name, service, ok) {
  // It may have been unregistered, or registered anew, while it was asked.
  if (monitor.services.get(name) !== service || Service.ownerOf(service) !== monitor) return;
  const status = native.healthFound(monitor[INNER].handle, Service.numberOf(service), ok);
  if (status !== undefined) changed(monitor, name, status);
}

class HealthMonitor {
  constructor(options = {}) {
    const { router } = options;
    this.services = new Map();
    this.checks = new Map();
    this.listeners = new Map();
    const names = new Map();
    const weak = new WeakRef(this);
    const listener = listen(({ number, status }) => {
      const monitor = weak.deref();
      if (monitor !== undefined && names.has(number)) changed(monitor, names.get(number), status);
    });
    let handle;
    try {
      handle = native.healthOpen(options, listener, cells);
    } catch (error) {
      unlisten(listener);
      throw error;
    }
    const [interval, timeout] = cells;
    this.checkInterval = interval;
    const inner = { handle, listener, names, router, timeout, routed: new Map(), own: new Map(), busy: new Set(), timer: null };
    Object.defineProperty(this, INNER, { value: inner });
    inner.timer = startRounds(this, interval);
    freed.register(this, { handle, listener });
    enroll('HealthMonitor', this, options, { stats: { checksRun: 0, checkFailures: 0 } });
  }

  /** The timer of the rounds; null once destroyed. */
  get checkWorker() {
    return this[INNER].timer;
  }

  get stats() {
    const values = new Float64Array(4);
    native.healthStats(this[INNER].handle, values);
    const [checksRun, checkFailures, healthyServices, unhealthyServices] = values;
    return { checksRun, healthyServices, unhealthyServices, checkFailures };
  }

  registerService(name, port, options = {}) {
    const { handle, names, routed, own } = this[INNER];
    const { host = 'localhost', probe, service: target = name } = options;
    const values = new Float64Array(1);
    const number = native.healthAdd(handle, port, options, values);
    this.unregisterService(name);
    const service = new Service(this, handle, number, { name, port, host, maxFailures: values[0] });
    names.set(number, name);
    routed.set(name, target);
    if (typeof probe === 'function') own.set(service, probe);
    this.services.set(name, service);
    this.checks.set(name, new Checks(service));
    if (!this.listeners.has(name)) this.listeners.set(name, new Set());
  }

  unregisterService(name) {
    const service = this.services.get(name);
    if (service === undefined) return;
    const { handle, names, routed, own } = this[INNER];
    const number = Service.numberOf(service);
    native.healthRemove(handle, number);
    names.delete(number);
    routed.delete(name);
    own.delete(service);
    this.services.delete(name);
    this.checks.delete(name);
    this.listeners.delete(name);
  }

  getHealth(name) {
    const service = this.services.get(name);
    if (service === undefined) return { status: 'unknown', reason: 'service is not registered' };
    const { port, health, lastCheck, consecutiveFailures } = service;
    return { name, port, status: health, lastCheck, checks: this.checks.get(name), consecutiveFailures };
  }

  getAllHealth() {
    return Object.fromEntries([...this.services.keys()].map((name) => [textOf(name), this.getHealth(name)]));
  }

  isReadyForTraffic(name) {
    return this.services.get(name)?.readiness ?? false;
  }

  onHealthChange(name, callback) {
    this.listeners.get(name)?.add(callback);
  }

  offHealthChange(name, callback) {
    this.listeners.get(name)?.delete(callback);
  }

  /** One round: every service that is not being asked already. */
  async _runHealthChecks(mode) {
    const { handle, own } = this[INNER];
    const hooked = this._checkService !== checkService || this._checkLiveness !== checkLiveness;
    const here = hooked ? [...this.services.values()] : [...own.keys()];
    const asked = here.map((service) => askHere(this, service.name, service));
    if (!hooked && mode === BACKGROUND) native.healthRound(handle, true, 0);
    else if (!hooked) asked.push(request((number) => native.healthRound(handle, false, number)));
    await Promise.all(asked);
  }

  async _checkService(name, service) {
    const { own, timeout } = this[INNER];
    const probe = own.get(service);
    let ok;
    try {
      ok = probe === undefined ? (await this._checkLiveness(service.host, service.port)).ok : (await limited(probe, timeout)) !== false;
    } catch {
      ok = false;
    }
    report(this, name, service, Boolean(ok));
  }

  async _checkLiveness(host, port) {
    const ok = await request((number) => native.healthAsk(this[INNER].handle, textOf(host), port, number));
    return { ok };
  }

  _notifyListeners(name, newHealth) {
    for (const callback of [...(this.listeners.get(name) ?? [])]) {
      try {
        callback(name, newHealth);
      } catch (error) {
        process.emitWarning(`a listener for the health of a service threw: ${textOf(error)}`);
      }
    }
  }

  getStats() {
    return { ...this.stats, totalServices: this.services.size };
  }

  destroy() {
    clearInterval(this.checkWorker);
    this[INNER].timer = null;
    for (const name of [...this.services.keys()]) this.unregisterService(name);
    unlisten(this[INNER].listener);
  }
}

const { _checkService: checkService, _checkLiveness: checkLiveness } = HealthMonitor.prototype;

exports.HealthMonitor = HealthMonitor;
exports.default = HealthMonitor;
Object.defineProperty(exports, '__esModule', { value: true });
