// What the modules report by themselves.
import assert from 'node:assert/strict';
import path from 'node:path';
import test from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import * as tooloo from 'tooloo-native';
import addon from '../src/js/addon.cjs';
import kinds from '../src/js/metrics/kinds.cjs';
import { ROOT, run, temporaryFolder } from './support/app.mjs';
import { familiesOf, seriesOf, sumOf } from './support/metrics.mjs';
import { until } from './support/until.mjs';

const {
  metrics, AutoScalingDecisionEngine, Bulkhead, CircuitBreaker, ConnectionPool, DiskCacheLayer, DistributedCacheCoordinator, DistributedTracer,
  HealthMonitor, hedge, HorizontalScalingManager, IntelligentRouter, LoadBalancer, MemoryCacheLayer, MultiLayerCacheManager,
  PersistentCache, policy, ProviderQualityLearner, QueryOptimizer, RateLimiter, ReadinessProbe, RequestDeduplicator, retry, RetryBudget,
} = tooloo;

const sum = (name, ...parts) => sumOf(metrics.text(), name, ...parts);
const failing = async () => {
  throw new Error('wanted');
};

test('the cache reports hits by tier, misses, writes, evictions and its size', async (t) => {
  const cacheDir = temporaryFolder(t);
  const cache = new PersistentCache({ cacheDir, name: 'prices', maxMemoryItems: 10 });
  for (let key = 0; key < 30; key += 1) await cache.set(`k${key}`, key);
  await cache.get('k29');
  await cache.get('none');
  for (let key = 0; key < 30; key += 1) await cache.get(`k${key}`);
  const { hits, misses, writes, evictions } = cache.getStats();
  const name = 'name="prices"';
  assert.equal(sum('tooloo_cache_hits_total', name), hits);
  assert.ok(sum('tooloo_cache_hits_total', name, 'tier="memory"') >= 1);
  assert.ok(sum('tooloo_cache_hits_total', name, 'tier="lower"') >= 10);
  assert.equal(sum('tooloo_cache_misses_total', name), misses);
  assert.equal(sum('tooloo_cache_writes_total', name), writes);
  assert.equal(sum('tooloo_cache_evictions_total', name), evictions);
  assert.ok(evictions > 0);
  assert.equal(sum('tooloo_cache_entries', name), cache.memoryCache.size);
  assert.equal(sum('tooloo_cache_entries_limit', name), 10);
  await cache.flush();
  assert.equal(sum('tooloo_cache_pending_writes', name), 0);
  const before = sum('tooloo_cache_hits_total', name);
  cache.resetStats();
  await cache.get('k0');
  assert.equal(sum('tooloo_cache_hits_total', name), before + 1, 'a reset of its statistics does not set a counter back');
  await cache.close();
});

test('the pool reports its connections, who waits, and how long waits and queries took', async () => {
  let sick = false;
  const create = async () => ({
    query: async () => {
      await wait(2);
      if (sick) throw new Error('wanted');
      return { rows: [] };
    },
  });
  const pool = new ConnectionPool({ factory: { create }, name: 'ledger', minConnections: 1, maxConnections: 1 });
  const first = await pool.acquire();
  const second = pool.acquire();
  const name = 'name="ledger"';
  await until(() => sum('tooloo_pool_waiters', name) === 1);
  assert.equal(sum('tooloo_pool_connections', name, 'state="in_use"'), 1);
  assert.equal(sum('tooloo_pool_connections_limit', name), 1);
  await wait(5);
  pool.release(first);
  pool.release(await second);
  await pool.query('SELECT 1');
  sick = true;
  await assert.rejects(pool.query('SELECT 1'), /wanted/);
  assert.equal(sum('tooloo_pool_waiters', name), 0);
  assert.equal(sum('tooloo_pool_wait_seconds_count', name), 1);
  assert.ok(sum('tooloo_pool_wait_seconds_sum', name) >= 0.004);
  assert.equal(sum('tooloo_pool_query_seconds_count', name), 2);
  assert.equal(sum('tooloo_pool_query_errors_total', name), 1);
  assert.equal(sum('tooloo_pool_created_total', name), 1);
  assert.equal(sum('tooloo_pool_acquired_total', name), pool.getStats().acquired);
  await pool.drain();
  assert.equal(sum('tooloo_pool_closed_total', name), 1);
});

test('the limiter reports what it let through and denied, and how long it made wait', async () => {
  const limiter = new RateLimiter({ name: 'api', rateLimit: 2, refillRate: 1, refillInterval: 10 });
  assert.deepEqual([1, 2, 3].map(() => limiter.isAllowed('client')), [true, true, false]);
  await limiter.acquire('client');
  const name = 'name="api"';
  assert.equal(sum('tooloo_limiter_requests_total', name, 'outcome="allowed"'), 3);
  assert.equal(sum('tooloo_limiter_requests_total', name, 'outcome="denied"'), 1);
  assert.equal(sum('tooloo_limiter_queued_total', name), 1);
  assert.equal(sum('tooloo_limiter_wait_seconds_count', name), 1);
  assert.equal(sum('tooloo_limiter_clients', name), 1);
  const later = limiter.acquire('client', 2);
  assert.equal(sum('tooloo_limiter_waiting', name), 1);
  await later;
  assert.equal(sum('tooloo_limiter_waiting', name), 0);
  limiter.shutdown();
});

test('every trace counts, sampled or not, and sampled ones are examples of it', async () => {
  const counted = new DistributedTracer({ serviceName: 'unsampled', samplingRate: 0 });
  const sampled = new DistributedTracer({ serviceName: 'sampled', samplingRate: 1 });
  for (const tracer of [counted, sampled]) {
    for (let turn = 0; turn < 9; turn += 1) await tracer.run('work', () => wait(2));
    await assert.rejects(tracer.run('work', failing));
  }
  const openMetrics = metrics.scrape('application/openmetrics-text').body.toString();
  for (const service of ['unsampled', 'sampled']) {
    const labels = [`name="${service}"`, 'operation="work"'];
    assert.equal(sum('tooloo_operation_requests_total', ...labels), 10);
    assert.equal(sum('tooloo_operation_errors_total', ...labels), 1);
    assert.equal(sum('tooloo_operation_duration_seconds_count', ...labels), 10);
    assert.ok(sum('tooloo_operation_duration_seconds_sum', ...labels) > 0.015);
    assert.equal(sum('tooloo_tracer_traces_total', `name="${service}"`), 10);
  }
  const examples = (service) =>
    openMetrics.split('\n').filter((line) => line.includes(`name="${service}"`) && line.includes('# {trace_id=')).map((line) => /trace_id="(\w+)"/.exec(line)[1]);
  assert.ok(examples('sampled').length > 0);
  for (const traceId of examples('sampled')) assert.notEqual(sampled.getTrace(traceId), null);
  assert.equal(examples('unsampled').length, 0, 'nobody can look at a trace that is not kept');
  for (const tracer of [counted, sampled]) tracer.shutdown();
});

test('operations beyond the tracer’s bound are one', () => {
  const tracer = new DistributedTracer({ serviceName: 'many', samplingRate: 0, maxOperations: 5 });
  for (let number = 0; number < 1000; number += 1) tracer.run(`operation ${number}`, () => 1);
  const series = [...seriesOf(metrics.text()).keys()].filter((one) => one.startsWith('tooloo_operation_requests_total{name="many"'));
  assert.equal(series.length, 6);
  assert.equal(sum('tooloo_operation_requests_total', 'name="many"', 'operation="(other)"'), 995);
  tracer.shutdown();
});

test('the breaker reports its state and the outcomes of its calls', async () => {
  const breaker = new CircuitBreaker('llm', { failureThreshold: 2 });
  await breaker.execute(async () => 1);
  for (let turn = 0; turn < 4; turn += 1) await assert.rejects(breaker.execute(failing));
  const outcome = (one) => sum('tooloo_breaker_calls_total', 'name="llm"', `outcome="${one}"`);
  assert.deepEqual(['success', 'failure', 'rejected'].map(outcome), [1, 2, 2]);
  const state = (one) => sum('tooloo_breaker_state', 'name="llm"', `state="${one}"`);
  assert.deepEqual(['closed', 'open', 'half_open'].map(state), [0, 1, 0]);
  breaker.reset();
  assert.deepEqual(['closed', 'open', 'half_open'].map(state), [1, 0, 0]);
});

test('retry, hedge, bulkhead, deduplicator and budget report', async () => {
  await retry(() => 1);
  await assert.rejects(retry(() => failing(), { maxAttempts: 3, backoffMs: 1, shouldRetry: () => true }));
  assert.deepEqual(['calls', 'repeats', 'given_up'].map((one) => sum(`tooloo_retry_${one}_total`)), [2, 2, 1]);

  let turn = 0;
  await hedge(async () => (turn++ === 0 ? wait(50) : 1), { delayMs: 1 });
  assert.deepEqual(['calls', 'launched', 'won'].map((one) => sum(`tooloo_hedge_${one}_total`)), [1, 1, 1]);

  const bulkhead = new Bulkhead({ name: 'narrow', maxConcurrent: 1, maxQueue: 1 });
  const calls = [1, 2, 3].map(() => bulkhead.execute(() => wait(20)));
  assert.equal(sum('tooloo_bulkhead_running', 'name="narrow"'), 1);
  assert.equal(sum('tooloo_bulkhead_waiting', 'name="narrow"'), 1);
  await Promise.allSettled(calls);
  assert.equal(sum('tooloo_bulkhead_calls_total', 'name="narrow"'), 2);
  assert.equal(sum('tooloo_bulkhead_rejected_total', 'name="narrow"'), 1);

  const dedup = new RequestDeduplicator({ name: 'prompts' });
  await Promise.all([1, 2].map(() => dedup.deduplicate('k', () => wait(5, 1))));
  await dedup.deduplicate('k', () => 1);
  const from = (source) => sum('tooloo_dedup_requests_total', 'name="prompts"', `source="${source}"`);
  assert.deepEqual(['run', 'shared', 'kept'].map(from), [1, 1, 1]);
  assert.equal(sum('tooloo_dedup_entries', 'name="prompts"'), 1);
  dedup.destroy();

  const budget = new RetryBudget({ name: 'shared', minPerSecond: 5 });
  assert.equal(sum('tooloo_retry_budget_balance', 'name="shared"'), Math.round(budget.balance));
});

test('the others report too: each kind of the catalogue is there with all its columns', async (t) => {
  const folder = temporaryFolder(t);
  const manager = new MultiLayerCacheManager({ name: 'layers', disk: { dbPath: path.join(folder, 'layers') } });
  await manager.set('a', 1);
  await manager.get('a');
  const monitor = new HealthMonitor({ name: 'fleet', checkInterval: 60_000 });
  monitor.registerService('billing', 1);
  const router = new IntelligentRouter({ name: 'edge' });
  router.addTarget('billing', 9001);
  router.routeRequest('billing');
  const balancer = new LoadBalancer('round-robin', { name: 'inner' });
  const scaling = new HorizontalScalingManager({ name: 'scaling' });
  const engine = new AutoScalingDecisionEngine({ name: 'engine' });
  engine.recordMetrics('web', { cpuPercent: 99 });
  engine.evaluateScaling('web', 1);
  const probe = new ReadinessProbe({ name: 'ready' });
  const learner = new ProviderQualityLearner({ name: 'learner' });
  learner.record('prompt', 'provider', 1, 1, 1);
  const coordinator = new DistributedCacheCoordinator(manager, 'service-1');
  const kept = [
    new MemoryCacheLayer({ name: 'memory' }), new DiskCacheLayer({ name: 'disk', dbPath: path.join(folder, 'disk') }),
    new QueryOptimizer({ name: 'optimizer' }), new CircuitBreaker('any'), new RateLimiter({}), new ConnectionPool({}),
    new DistributedTracer({}), new PersistentCache({ cacheDir: folder }), new RequestDeduplicator(), new Bulkhead(), new RetryBudget(), policy, balancer, scaling,
  ];
  const tracer = kept[6];
  tracer.run('once', () => 1);
  scaling.instances.set('web', new Map([[1, {}]]));
  const text = metrics.text();
  assert.equal(sumOf(text, 'tooloo_layered_cache_hits_total', 'name="layers"', 'layer="memory"'), 1);
  assert.equal(sumOf(text, 'tooloo_router_routes_total', 'name="edge"'), 1);
  assert.equal(sumOf(text, 'tooloo_router_targets', 'name="edge"', 'service="billing"'), 1);
  assert.equal(sumOf(text, 'tooloo_autoscaler_decisions_total', 'name="engine"', 'decision="up"'), 1);
  assert.equal(sumOf(text, 'tooloo_provider_records_total', 'name="learner"'), 1);
  assert.equal(sumOf(text, 'tooloo_scaling_instances', 'service="web"'), 1);
  assert.equal(sumOf(text, 'tooloo_coordinator_broadcasts_total', 'name="service-1"'), 0);
  assert.ok(text.includes('tooloo_health_service_up{name="fleet",service="billing"} 0'));
  const families = familiesOf(text);
  const reported = addon.native.metricsFamilies();
  assert.ok(reported.length > 80, `${reported.length} families`);
  assert.deepEqual(reported.filter((name) => !families.has(name)), [], 'families that no instance reported');
  for (const kind of addon.native.metricsKinds().map(([name]) => name)) {
    const known = kind in kinds.KINDS || Object.values(kinds.KINDS).some(({ part }) => part === kind);
    assert.ok(known, `nobody reads ${kind}`);
  }
  manager.destroy();
  monitor.destroy();
  coordinator.destroy?.();
  probe.stopPolling?.();
  assert.ok(kept.length > 0);
});

test('the process reports its memory, processor time and event loop', () => {
  const text = metrics.text();
  assert.ok(Math.abs(sumOf(text, 'process_start_time_seconds') - Date.now() / 1e3) < 3600);
  assert.ok(sumOf(text, 'process_resident_memory_bytes') > 1e7);
  assert.ok(sumOf(text, 'process_cpu_seconds_total') > 0);
  assert.match(text, /^nodejs_eventloop_utilization_ratio [\d.e-]+$/m);
});

test('`metrics: false` keeps an instance out, and names without end are bounded', () => {
  const hidden = new CircuitBreaker('hidden', { metrics: false });
  assert.equal(metrics.instances('CircuitBreaker').some(({ instance }) => instance === hidden), false);
  const many = Array.from({ length: 300 }, (_, number) => new CircuitBreaker(`tenant ${number}`));
  const text = metrics.text();
  assert.ok(!text.includes('hidden'));
  const named = [...seriesOf(text).keys()].filter((series) => series.startsWith('tooloo_breaker_calls_total') && series.includes('success'));
  assert.ok(named.length <= 101, `${named.length} names`);
  assert.ok(sumOf(text, 'tooloo_metrics_overflows_total') >= 200);
  assert.ok(sumOf(text, 'tooloo_breaker_state', 'name="(other)"', 'closed') >= 200);
  assert.equal(many.length, 300);
});

test('hostile names are cut and escaped, and statistics that a caller replaced by nonsense stop nobody', () => {
  const odd = new LoadBalancer('round-robin', { name: '"\\\n<script>é\u{1F600}' });
  const long = new LoadBalancer('round-robin', { name: 'x'.repeat(10_000) });
  const broken = new LoadBalancer('round-robin', { name: 'broken' });
  broken.stats = null;
  const throwing = new LoadBalancer('round-robin', { name: 'throwing' });
  Object.defineProperty(throwing, 'stats', { get() { throw new Error('getter'); } });
  const text = metrics.text();
  assert.ok(text.includes('tooloo_balancer_requests_total{name="\\"\\\\\\n<script>é\u{1F600}"} 0'));
  assert.ok(text.includes(`{name="${'x'.repeat(200)}"}`));
  assert.ok([odd, long, broken, throwing].every(Boolean));
});

test('an instance that is collected leaves, and what it counted stays', () => {
  const script = path.join(ROOT, '__test__', 'support', 'collected.mjs');
  const { code, out, err } = run(process.execPath, ['--expose-gc', script], ROOT);
  assert.equal(code, 0, err);
  const { left, before, after } = JSON.parse(out);
  assert.deepEqual(left, []);
  assert.deepEqual(after, before);
  assert.ok(Object.values(before).every((value) => value > 0), out);
});

test('a worker thread has a registry of its own, with its own instances and metrics', async () => {
  const own = metrics.counter({ name: 'only_here', help: 'Of the main thread.' });
  own.inc();
  const code = `
    const { parentPort } = require('node:worker_threads');
    const { metrics, RateLimiter } = require(${JSON.stringify(ROOT)});
    const limiter = new RateLimiter({ name: 'in the worker' });
    limiter.isAllowed('a');
    metrics.counter({ name: 'only_there', help: 'Of the worker.' }).inc(7);
    parentPort.postMessage(metrics.text());`;
  const worker = new Worker(code, { eval: true });
  const [text, exit] = await Promise.all([
    new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject)),
    new Promise((resolve) => worker.once('exit', resolve)),
  ]);
  assert.equal(exit, 0);
  assert.equal(sumOf(text, 'tooloo_limiter_requests_total', 'name="in the worker"'), 1);
  assert.equal(sumOf(text, 'only_there_total'), 7);
  assert.ok(!text.includes('only_here'));
  assert.ok(!metrics.text().includes('only_there') && !metrics.text().includes('in the worker'));
});
