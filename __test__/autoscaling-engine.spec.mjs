import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import test from 'node:test';
import Engine, { AutoScalingDecisionEngine } from '../src/js/lib/resilience/AutoScalingDecisionEngine.mjs';
import { survives } from './support/resilience.mjs';

const HIGH = { cpuPercent: 85, memoryPercent: 40, latencyP95: 100, queueDepth: 5, errorRate: 0.5, instanceCount: 2 };
const LOW = { cpuPercent: 10, memoryPercent: 20, latencyP95: 20, queueDepth: 1, errorRate: 0, instanceCount: 2 };

function after(metrics, policy, current = 2) {
  const engine = new Engine();
  if (policy) engine.setScalingPolicy('s', policy);
  engine.recordMetrics('s', metrics);
  return [engine.evaluateScaling('s', current), engine];
}

test('import, require and the default export are one class, an emitter', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/resilience/AutoScalingDecisionEngine.cjs');
  assert.equal(required.default, Engine);
  assert.equal(AutoScalingDecisionEngine, Engine);
  assert.ok(new Engine() instanceof EventEmitter);
});

test('the default policy is the original’s', () => {
  assert.deepEqual(new Engine().defaultPolicy, {
    scaleUpThreshold: { cpuPercent: 70, memoryPercent: 80, latencyP95: 200, queueDepth: 100, errorRate: 5 },
    scaleDownThreshold: { cpuPercent: 30, memoryPercent: 50, latencyP95: 50, queueDepth: 10, errorRate: 1 },
    minInstances: 1,
    maxInstances: 10,
    cooldownSeconds: 300,
  });
});

test('AS-K1: a value too high scales up, and history, event, reason and counters say so', () => {
  const engine = new Engine();
  const heard = [];
  engine.on('scaling-decision', (event) => heard.push(event));
  engine.recordMetrics('s', { ...HIGH, latencyP95: 250 });
  assert.equal(engine.evaluateScaling('s', 2), 'SCALE_UP');
  const [entry] = engine.getScalingHistory('s');
  assert.deepEqual([entry.decision, entry.metrics.cpuPercent, entry.desired], ['SCALE_UP', 85, 3]);
  assert.equal(entry.reason, 'CPU 85% > 70%; Latency P95 250ms > 200ms');
  assert.equal(engine.getLastScalingEvent('s'), entry);
  assert.deepEqual([heard[0].serviceName, heard[0].decision, heard[0].metrics.cpuPercent], ['s', 'SCALE_UP', 85]);
  assert.equal(engine.stats.scaleUpDecisions, 1);
});

test('AS-K2: without metrics it holds and counts nothing', () => {
  const engine = new Engine();
  assert.equal(engine.evaluateScaling('s'), 'HOLD');
  assert.equal(engine.getStats().totalDecisions, 0);
  assert.deepEqual([engine.getScalingMetrics('s'), engine.getLastScalingEvent('s'), engine.getLastDecision('s')], [null, null, null]);
  assert.deepEqual(engine.getScalingHistory('s'), []);
});

test('AS-K3: it holds at the most instances and at a threshold', () => {
  assert.equal(after(HIGH, null, 10)[0], 'HOLD');
  assert.equal(after({ ...LOW, cpuPercent: 70 })[0], 'HOLD');
});

test('all values low scale down, not below the fewest, and not before the cooldown is over', () => {
  const [decision, engine] = after(LOW);
  assert.equal(decision, 'SCALE_DOWN');
  assert.equal(after(LOW, null, 1)[0], 'HOLD');
  engine.recordMetrics('s', HIGH);
  assert.equal(engine.evaluateScaling('s', 2), 'SCALE_UP');
  engine.recordMetrics('s', LOW);
  assert.equal(engine.evaluateScaling('s', 3), 'HOLD');
  engine.getLastScalingEvent('s').timestamp -= 301_000;
  assert.equal(engine.evaluateScaling('s', 3), 'SCALE_DOWN');
});

test('the latest metrics have all fields, and sixty samples are kept', () => {
  const engine = new Engine();
  for (let index = 0; index < 70; index += 1) engine.recordMetrics('s', { timestamp: index, cpuPercent: index });
  assert.equal(engine.metrics.get('s').length, 60);
  assert.deepEqual(engine.getScalingMetrics('s'), {
    timestamp: 69, cpuPercent: 69, memoryPercent: 0, latencyP95: 0, queueDepth: 0, errorRate: 0, instanceCount: 1, requestsPerSecond: 0,
  });
});

test('AS-D1: thresholds that a policy leaves out keep their defaults', () => {
  const [decision, engine] = after({ ...LOW, memoryPercent: 99 }, { scaleUpThreshold: { cpuPercent: 90 } });
  assert.equal(decision, 'SCALE_UP');
  assert.equal(engine.getScalingPolicy('s').scaleUpThreshold.cpuPercent, 90);
  assert.equal(after(LOW, { scaleDownThreshold: { cpuPercent: 20 } })[0], 'SCALE_DOWN');
});

test('AS-D2: repeats in one direction wait for their cooldown, where one is set', () => {
  const twice = (metrics, policy) => {
    const [, engine] = after(metrics, policy, 5);
    return engine.evaluateScaling('s', 5);
  };
  assert.equal(twice(HIGH, {}), 'SCALE_UP');
  assert.equal(twice(HIGH, { scaleUpCooldownSeconds: 60 }), 'HOLD');
  assert.equal(twice(LOW, {}), 'SCALE_DOWN');
  assert.equal(twice(LOW, { scaleDownCooldownSeconds: 60 }), 'HOLD');
});

test('AS-D3: what is unknown is not low', () => {
  const [decision, engine] = after({});
  assert.equal(decision, 'HOLD');
  assert.equal(engine.getLastDecision('s').reason, 'nothing is known');
  engine.recordMetrics('s', LOW);
  engine.recordMetrics('s', { ...LOW, memoryPercent: undefined });
  assert.equal(engine.evaluateScaling('s', 2), 'HOLD');
  assert.equal(engine.getLastDecision('s').reason, 'Memory is unknown');
});

test('AS-D4: smoothing averages a spike away', () => {
  const engine = new Engine();
  engine.setScalingPolicy('s', { smoothingSamples: 3 });
  for (const sample of [LOW, LOW, HIGH]) engine.recordMetrics('s', sample);
  assert.equal(engine.evaluateScaling('s', 2), 'HOLD');
});

test('AS-D5: history is bounded, and a prediction keeps to the limits and each sample’s own count', () => {
  const [, engine] = after(HIGH);
  for (let index = 0; index < 1100; index += 1) engine.evaluateScaling('s', 2);
  assert.equal(engine.getScalingHistory('s').length, 1000);
  assert.equal(engine.predictLoadNeeded('s'), 3);
  engine.recordMetrics('s', { cpuPercent: 90, instanceCount: 14 });
  assert.equal(engine.predictLoadNeeded('s'), 10);
  assert.equal(engine.predictLoadNeeded('unknown'), 1);
});

test('AS-D6: the default policy is nobody’s to change by accident, and an option sets it', () => {
  const engine = new Engine({ defaultPolicy: { maxInstances: 4 } });
  engine.getScalingPolicy('s').maxInstances = 99;
  assert.equal(engine.getScalingPolicy('other').maxInstances, 4);
  assert.equal(engine.getScalingPolicy('other').minInstances, 1);
  engine.setScalingPolicy('s', {});
  engine.getScalingPolicy('s').maxInstances = 99;
  assert.equal(engine.getScalingPolicy('s').maxInstances, 99);
});

test('getStats counts every decision', () => {
  const [, engine] = after(HIGH, {});
  const { created, uptime, ...counts } = engine.getStats();
  assert.ok(created <= Date.now() && uptime >= 0);
  assert.deepEqual(counts, { scaleUpDecisions: 1, scaleDownDecisions: 0, holdDecisions: 0, totalDecisions: 1, policiesConfigured: 1 });
});

test('hpa: the ratio of value and target decides how many, and the reason says why', () => {
  const policy = { algorithm: 'hpa', maxInstances: 20, hpa: { targets: { cpuPercent: 50 } } };
  const [decision, engine] = after({ cpuPercent: 100 }, policy, 4);
  assert.equal(decision, 'SCALE_UP');
  const { desired, reason } = engine.getLastDecision('s');
  assert.deepEqual([desired, reason], [8, 'cpuPercent 100 against a target of 50']);
  assert.equal(after({ cpuPercent: 54 }, policy, 4)[0], 'HOLD');
  assert.equal(after({}, policy, 4)[0], 'HOLD');
});

test('overriding getScaleUpReason takes effect', () => {
  class Mine extends Engine {
    getScaleUpReason() { return 'mine'; }
  }
  const engine = new Mine();
  engine.recordMetrics('s', HIGH);
  engine.evaluateScaling('s', 2);
  assert.equal(engine.getLastScalingEvent('s').reason, 'mine');
});

test('a bad policy is refused with its name', () => {
  const engine = new Engine();
  assert.throws(() => engine.setScalingPolicy('s', { algorithm: 'wild' }), { name: 'TypeError', message: /wild/ });
  assert.throws(() => engine.setScalingPolicy('s', { maxInstances: -1 }), { name: 'TypeError', message: /maxInstances.*-1/ });
  assert.equal(engine.policies.size, 0);
  engine.setScalingPolicy('s', { maxInstances: Infinity, scaleUpThreshold: { cpuPercent: Infinity } });
  engine.recordMetrics('s', { cpuPercent: 1e9 });
  assert.equal(engine.evaluateScaling('s', 50), 'HOLD');
});

test('services of any name pollute nothing', () => {
  const engine = new Engine();
  engine.setScalingPolicy('__proto__', JSON.parse('{"__proto__": {"polluted": 1}, "maxInstances": 3}'));
  engine.recordMetrics('__proto__', HIGH);
  assert.equal(engine.evaluateScaling('__proto__', 2), 'SCALE_UP');
  assert.equal({}.polluted, undefined);
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => new Engine(value)), 40);
  const engine = new Engine();
  assert.equal(await survives((value) => engine.setScalingPolicy(value, value)), 40);
  assert.equal(await survives((value) => engine.setScalingPolicy('s', { scaleUpThreshold: value, maxInstances: value, hpa: value })), 40);
  assert.equal(await survives((value) => {
    engine.recordMetrics(value, value);
    engine.evaluateScaling(value, value);
    engine.getScaleUpReason(value, value);
  }), 40);
  assert.equal(await survives((value) => {
    engine.recordMetrics('t', { cpuPercent: value, instanceCount: value, timestamp: value });
    engine.evaluateScaling('t', value);
    engine.predictLoadNeeded('t', value);
    JSON.stringify(engine.getStats());
  }), 40);
});
