'use strict';
// Checks of the app's own, run in rounds, and what they say about the process. This face runs them; what their states
// mean for liveness, readiness and startup is decided in native code.

const { EventEmitter } = require('node:events');
const { performance } = require('node:perf_hooks');
const { native } = require('../../addon.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { Deadline } = require('../../resilience/deadlines.cjs');
const { steadyNow } = require('../../resilience/steady.cjs');
const { read, textOf } = require('../../resilience/text.cjs');

const TYPES = ['startup', 'readiness', 'liveness', 'resource'];
const LOOK_EVERY = 100;
const LONGEST_TIMER = 2147483647;

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('ReadinessProbe');

/** One check under way. */
class Check extends Deadline {
  constructor(timeout, resolve, reject) {
    super();
    this.timeout = timeout;
    this.resolve = resolve;
    this.reject = reject;
  }

  end(settle, value) {
    this.stop();
    settle(value);
  }

  expired() {
    this.reject(native.resilienceTimeoutError(textOf(this.timeout)));
  }
}

/** What a check answers, within its time. `running` holds the key of a check that has not ended yet. */
function ask(checkFn, timeout, running, key) {
  return new Promise((resolve, reject) => {
    const check = new Check(timeout, resolve, reject);
    running.add(key);
    const done = (settle, value) => {
      running.delete(key);
      check.end(settle, value);
    };
    try {
      check.start(timeout);
      Promise.resolve(checkFn()).then((value) => done(resolve, value), (error) => done(reject, error));
    } catch (error) {
      done(reject, error);
    }
  });
}

const messageOf = (error) => {
  const message = read(error, 'message');
  return typeof message === 'string' ? message : textOf(error);
};

/** A listener that throws must not change what the check said. */
function tell(probe, event, detail) {
  for (const listener of probe.rawListeners(event)) {
    try {
      listener.call(probe, detail);
    } catch (error) {
      process.emitWarning(`a listener of the readiness probe's event "${event}" threw: ${textOf(error)}`);
    }
  }
}

/** By name, in the order of the types; `type` narrows it down. */
function find(probe, name, type) {
  for (const each of TYPES) {
    if (type !== undefined && type !== each) continue;
    const entry = probe.probeStatus.get(`${each}:${textOf(name)}`);
    if (entry !== undefined) return entry;
  }
  return undefined;
}

function viewOf({ name, type, status, lastCheck, passCount, failCount, error }) {
  const view = { name, type, status, lastCheck, passCount, failCount };
  if (error !== undefined) view.error = error;
  return view;
}

function register(probe, type, name, checkFn) {
  if (typeof checkFn !== 'function') throw new Error('checkFn must be a function');
  const label = textOf(name);
  probe.probes[type].set(label, checkFn);
  probe.probeStatus.set(`${type}:${label}`, { type, name: label, status: 'pending', lastCheck: null, passCount: 0, failCount: 0 });
  probe.stats.totalProbes += 1;
}

function schedule(probe, generation, interval) {
  const inner = probe[INNER];
  const round = async () => {
    try {
      await probe.runAllProbes();
    } catch (error) {
      tell(probe, 'polling-error', error instanceof Error ? error : new Error(messageOf(error)));
    }
    if (inner.generation !== generation) return;
    probe.pollingTimeout = setTimeout(round, Math.min(interval, LONGEST_TIMER));
  };
  round();
}

/** Looks again where what is known is too old; many askers share one round. */
function refresh(probe) {
  const inner = probe[INNER];
  if (probe.isPolling || steadyNow() - inner.lastRound <= inner.cacheMs) return Promise.resolve();
  inner.refreshing ??= Promise.resolve(probe.runAllProbes()).catch(() => {}).finally(() => { inner.refreshing = null; });
  return inner.refreshing;
}

class ReadinessProbe extends EventEmitter {
  constructor(options = {}) {
    super();
    const cells = new Float64Array(3);
    native.readinessConfig(options, cells);
    const [pollingInterval, timeout, cacheMs] = cells;
    this.probes = Object.fromEntries(TYPES.map((type) => [type, new Map()]));
    this.probeStatus = new Map();
    this.pollingInterval = pollingInterval;
    this.isPolling = false;
    this.stats = { created: Date.now(), probeCheckCount: 0, probePassCount: 0, probeFailureCount: 0, totalProbes: 0 };
    const inner = { timeout, cacheMs, generation: 0, running: new Set(), lastRound: -Infinity, refreshing: null, started: false, leaving: false };
    Object.defineProperty(this, INNER, { value: inner });
    enroll('ReadinessProbe', this, options, { stats: this.stats });
    // A running timer would make JSON.stringify of the instance throw.
    Object.defineProperty(this, 'pollingTimeout', { value: null, writable: true, enumerable: false });
  }

  registerStartupProbe(name, checkFn) {
    register(this, 'startup', name, checkFn);
  }

  registerReadinessProbe(name, checkFn) {
    register(this, 'readiness', name, checkFn);
  }

  registerLivenessProbe(name, checkFn) {
    register(this, 'liveness', name, checkFn);
  }

  registerResourceProbe(name, checkFn) {
    register(this, 'resource', name, checkFn);
  }

  /** Forgets a check, of all types without `type`; says whether there was one. */
  unregisterProbe(name, type) {
    let found = false;
    for (const each of TYPES) {
      if (type !== undefined && type !== each) continue;
      found = this.probes[each].delete(textOf(name)) || found;
      this.probeStatus.delete(`${each}:${textOf(name)}`);
    }
    return found;
  }

  getProbeStatus(name, type) {
    const entry = find(this, name, type);
    return entry === undefined ? null : viewOf(entry);
  }

  getAllProbeStatus() {
    return [...this.probeStatus.values()].map(viewOf);
  }

  async waitForReady(name, timeout = 30000) {
    const start = performance.now();
    for (;;) {
      const entry = find(this, name);
      if (entry === undefined) throw new Error(`Probe '${textOf(name)}' not found`);
      if (entry.status === 'ready') return true;
      const left = timeout - (performance.now() - start);
      if (!(left > 0)) throw new Error(`Probe '${textOf(name)}' did not reach ready state within ${textOf(timeout)}ms`);
      await new Promise((resolve) => setTimeout(resolve, Math.min(LOOK_EVERY, Math.ceil(left))));
    }
  }

  async runProbeCheck(type, name, checkFn) {
    const inner = this[INNER];
    const key = `${textOf(type)}:${textOf(name)}`;
    const entry = this.probeStatus.get(key);
    if (entry === undefined) return;
    let status;
    let failure;
    try {
      // A check that has not ended since the last round is not started a second time.
      if (inner.running.has(key)) throw native.resilienceTimeoutError(textOf(inner.timeout));
      status = (await ask(checkFn, inner.timeout, inner.running, key)) ? 'ready' : 'not-ready';
    } catch (error) {
      status = 'error';
      failure = messageOf(error);
    }
    if (this.probeStatus.get(key) !== entry) return;
    this.stats.probeCheckCount += 1;
    entry.lastCheck = Date.now();
    entry.status = status;
    delete entry.error;
    if (status === 'ready') {
      entry.passCount += 1;
      this.stats.probePassCount += 1;
    } else {
      entry.failCount += 1;
      this.stats.probeFailureCount += 1;
    }
    if (status === 'error') {
      entry.error = failure;
      tell(this, 'probe-error', { type, name, error: failure });
    } else {
      tell(this, 'probe-check', { type, name, status });
    }
  }

  async runAllProbes() {
    const checks = [];
    for (const type of TYPES) {
      for (const [name, checkFn] of this.probes[type]) checks.push(this.runProbeCheck(type, name, checkFn));
    }
    await Promise.all(checks);
    this[INNER].lastRound = steadyNow();
  }

  startPolling(interval = null) {
    if (this.isPolling) return;
    this.isPolling = true;
    this[INNER].generation += 1;
    schedule(this, this[INNER].generation, interval || this.pollingInterval);
  }

  stopPolling() {
    this.isPolling = false;
    this[INNER].generation += 1;
    clearTimeout(this.pollingTimeout);
    this.pollingTimeout = null;
  }

  getProbeFailureRate(name, type) {
    const entry = find(this, name, type);
    return entry === undefined ? null : native.readinessRate(entry.passCount, entry.failCount);
  }

  getStats() {
    const { created, probeCheckCount, probePassCount, probeFailureCount, totalProbes } = this.stats;
    const probeStats = [...this.probeStatus].map(([key, { type, name, status, passCount, failCount, lastCheck }]) => {
      const failureRate = native.readinessRate(passCount, failCount);
      return [key, { type, name, status, passCount, failCount, failureRate, lastCheck }];
    });
    return {
      created,
      uptime: Date.now() - created,
      isPolling: this.isPolling,
      pollingInterval: this.pollingInterval,
      probeCheckCount,
      probePassCount,
      probeFailureCount,
      totalProbes,
      probeStats: Object.fromEntries(probeStats),
    };
  }

  /** From now on the process is not ready, whatever its checks say: it is shutting down. */
  beginShutdown() {
    this[INNER].leaving = true;
  }

  /** Whether the process is `'live'`, `'ready'` or past its `'startup'`: `{ ok, reason, checks }`. */
  answer(question) {
    const inner = this[INNER];
    const words = TYPES.map((type) => [...this.probes[type].keys()].map((name) => this.probeStatus.get(`${type}:${name}`).status).join());
    const { started, reason } = native.readinessAnswer(question, inner.started, inner.leaving, ...words);
    inner.started = started === 1;
    const checks = Object.fromEntries([...this.probeStatus].map(([key, { status }]) => [key, status]));
    return { ok: reason === '', reason, checks };
  }

  /** Answers `GET /health/live`, `/health/ready` and `/health/startup`; all else goes to `next`, or is a 404. */
  handler({ path = '/health' } = {}) {
    return (request, response, next) => {
      const [url] = (request.url ?? '').split('?');
      const question = url.startsWith(`${path}/`) ? url.slice(path.length + 1) : '';
      const known = ['live', 'ready', 'startup'].includes(question) && ['GET', 'HEAD'].includes(request.method);
      if (!known) {
        if (typeof next === 'function') return next();
        response.writeHead(404).end();
        return undefined;
      }
      return refresh(this).then(() => {
        const { ok, reason, checks } = this.answer(question);
        const body = JSON.stringify(ok ? { status: 'ok', checks } : { status: 'unavailable', reason, checks });
        response.writeHead(ok ? 200 : 503, { 'Content-Type': 'application/json; charset=utf-8', 'Cache-Control': 'no-store' });
        response.end(request.method === 'HEAD' ? undefined : body);
      });
    };
  }
}

exports.ReadinessProbe = ReadinessProbe;
exports.default = ReadinessProbe;
Object.defineProperty(exports, '__esModule', { value: true });
