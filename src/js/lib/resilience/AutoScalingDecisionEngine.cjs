'use strict';
// Decides when a service needs more or fewer instances. Samples, policies and history live here in public Maps; what
// they say is decided in native code.

const { EventEmitter } = require('node:events');
const { native } = require('../../addon.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { steadyNow } = require('../../resilience/steady.cjs');
const { textOf } = require('../../resilience/text.cjs');

const METRICS = ['cpuPercent', 'memoryPercent', 'latencyP95', 'queueDepth', 'errorRate'];
const FIELDS = METRICS.length + 2;
const MAX_SAMPLES = 60;
const MAX_HISTORY = 1000;
const COUNTERS = { SCALE_UP: 'scaleUpDecisions', SCALE_DOWN: 'scaleDownDecisions', HOLD: 'holdDecisions' };

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('AutoScalingDecisionEngine');
const freed = new FinalizationRegistry((handle) => native.scaleFree(handle));

const isPlain = (value) => value !== null && typeof value === 'object' && !Array.isArray(value);

/** `extra` over `base`, member by member, as own properties only; neither is changed. */
function merged(base, extra) {
  const result = isPlain(base) ? structuredClone(base) : {};
  for (const [name, value] of Object.entries(extra)) {
    if (value === undefined || name === '__proto__') continue;
    result[name] = isPlain(value) ? merged(result[name], value) : value;
  }
  return result;
}

/** JSON knows no infinity: the largest number stands in for it. What is no number at all has its default. */
const toJson = (policy) =>
  JSON.stringify(policy, (name, value) => {
    if (typeof value !== 'number') return value;
    if (Number.isNaN(value)) return undefined;
    return Math.max(-Number.MAX_VALUE, Math.min(value, Number.MAX_VALUE));
  });

const numberOf = (value) => (typeof value === 'number' ? value : NaN);
const instancesOf = (metrics) => Math.max(1, numberOf(metrics.instanceCount) || 1);

function flatten(samples) {
  const flat = new Float64Array(samples.length * FIELDS);
  samples.forEach((sample, index) => {
    const values = METRICS.map((name) => numberOf(sample[name]));
    flat.set([numberOf(sample.timestamp), ...values, instancesOf(sample)], index * FIELDS);
  });
  return flat;
}

class AutoScalingDecisionEngine extends EventEmitter {
  constructor(options = {}) {
    super();
    const { defaultPolicy } = options;
    this.policies = new Map();
    this.metrics = new Map();
    this.scalingHistory = new Map();
    const base = JSON.parse(native.scaleDefaultPolicy());
    this.defaultPolicy = isPlain(defaultPolicy) ? merged(base, defaultPolicy) : base;
    native.scaleCheckPolicy(toJson(this.defaultPolicy));
    this.stats = { created: Date.now(), scaleUpDecisions: 0, scaleDownDecisions: 0, holdDecisions: 0 };
    const handle = native.scaleOpen();
    Object.defineProperty(this, INNER, { value: { handle, decisions: new Map() } });
    freed.register(this, handle);
    enroll('AutoScalingDecisionEngine', this, options, { stats: this.stats });
  }

  setScalingPolicy(serviceName, policy) {
    const whole = merged(this.defaultPolicy, policy);
    native.scaleCheckPolicy(toJson(whole));
    this.policies.set(serviceName, whole);
  }

  getScalingPolicy(serviceName) {
    return this.policies.get(serviceName) ?? structuredClone(this.defaultPolicy);
  }

  recordMetrics(serviceName, metrics) {
    const samples = this.metrics.get(serviceName) ?? [];
    samples.push({ timestamp: steadyNow(), ...metrics });
    if (samples.length > MAX_SAMPLES) samples.splice(0, samples.length - MAX_SAMPLES);
    this.metrics.set(serviceName, samples);
  }

  getScalingMetrics(serviceName) {
    const latest = this.metrics.get(serviceName)?.at(-1);
    if (latest === undefined) return null;
    const { timestamp, requestsPerSecond } = latest;
    const values = Object.fromEntries(METRICS.map((name) => [name, latest[name] || 0]));
    return { timestamp, ...values, instanceCount: instancesOf(latest), requestsPerSecond: requestsPerSecond || 0 };
  }

  evaluateScaling(serviceName, currentInstanceCount = 1) {
    const metrics = this.getScalingMetrics(serviceName);
    if (metrics === null) return 'HOLD';
    const inner = this[INNER];
    const policy = this.getScalingPolicy(serviceName);
    const history = this.getScalingHistory(serviceName);
    const last = (decision) => history.findLast((entry) => entry.decision === decision)?.timestamp;
    const now = steadyNow();
    const verdict = native.scaleEvaluate(
      inner.handle, textOf(serviceName), toJson(policy), flatten(this.metrics.get(serviceName) ?? []),
      currentInstanceCount, now, numberOf(last('SCALE_UP')), numberOf(last('SCALE_DOWN')),
    );
    const { decision, desired } = verdict;
    const byRules = decision === 'SCALE_UP' && policy.algorithm !== 'hpa';
    const reason = byRules ? this.getScaleUpReason(metrics, policy) || verdict.reason : verdict.reason;
    this.stats[COUNTERS[decision]] += 1;
    inner.decisions.set(serviceName, { timestamp: now, decision, desired, reason });
    if (decision === 'HOLD') return decision;
    if (!this.scalingHistory.has(serviceName)) this.scalingHistory.set(serviceName, []);
    const entries = this.scalingHistory.get(serviceName);
    entries.push({ timestamp: now, decision, metrics, reason, desired });
    if (entries.length > MAX_HISTORY) entries.splice(0, entries.length - MAX_HISTORY);
    this.emit('scaling-decision', { serviceName, decision, metrics, reason, desired });
    return decision;
  }

  getScaleUpReason(metrics, policy) {
    return native.scaleUpReason(Float64Array.from(METRICS, (name) => numberOf(metrics[name])), toJson(policy));
  }

  predictLoadNeeded(serviceName, windowSeconds = 300) {
    const samples = this.metrics.get(serviceName) ?? [];
    const since = steadyNow() - (numberOf(windowSeconds) || 0) * 1000;
    return native.scaleNeeded(flatten(samples), toJson(this.getScalingPolicy(serviceName)), since);
  }

  getScalingHistory(serviceName) {
    return this.scalingHistory.get(serviceName) ?? [];
  }

  getLastScalingEvent(serviceName) {
    return this.getScalingHistory(serviceName).at(-1) ?? null;
  }

  /** The last decision of any kind and its reason; `null` before the first. */
  getLastDecision(serviceName) {
    return this[INNER].decisions.get(serviceName) ?? null;
  }

  getStats() {
    const { created, scaleUpDecisions, scaleDownDecisions, holdDecisions } = this.stats;
    return {
      created,
      uptime: Date.now() - created,
      scaleUpDecisions,
      scaleDownDecisions,
      holdDecisions,
      totalDecisions: scaleUpDecisions + scaleDownDecisions + holdDecisions,
      policiesConfigured: this.policies.size,
    };
  }
}

exports.AutoScalingDecisionEngine = AutoScalingDecisionEngine;
exports.default = AutoScalingDecisionEngine;
Object.defineProperty(exports, '__esModule', { value: true });
