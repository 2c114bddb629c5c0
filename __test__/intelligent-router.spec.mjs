import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import Router, { IntelligentRouter } from '../src/js/lib/resilience/IntelligentRouter.mjs';
import { sleep, survives } from './support/resilience.mjs';

function made(options, ports = [1001, 1002]) {
  const router = new Router(options);
  for (const port of ports) router.addTarget('api', port);
  return router;
}
const ports = (router, count) => Array.from({ length: count }, () => router.routeRequest('api').port);
const heard = (router, ...names) => {
  const events = [];
  for (const name of names) router.on(name, (detail) => events.push([name, detail]));
  return events;
};
const trip = (router, targetId, times = 5) => { for (let index = 0; index < times; index += 1) router.recordFailure(targetId); };

test('import, require and the default export are one class; the fields are those of the original', () => {
  assert.equal(createRequire(import.meta.url)('../src/js/lib/resilience/IntelligentRouter.cjs').default, Router);
  assert.equal(IntelligentRouter, Router);
  const router = made();
  assert.deepEqual([router.routingAlgorithm, router.maxHistorySize, router.targets.get('api').size], ['weighted-round-robin', 1000, 2]);
  assert.deepEqual([...router.circuitBreakers.keys()], ['api:1001', 'api:1002']);
  assert.deepEqual([router.roundRobinCounters.get('api'), router.latencyHistogram.get('api:1001')], [0, []]);
  assert.ok(JSON.stringify({ ...router }).length > 0);
  assert.throws(() => new Router(null), TypeError);
});

test('a route says where; asking an unknown service or one without healthy targets throws', () => {
  const router = made();
  const { host, port, weight, serviceName, targetId } = router.routeRequest('api');
  assert.deepEqual({ host, port, weight, serviceName, targetId }, { host: '127.0.0.1', port: 1001, weight: 1, serviceName: 'api', targetId: 'api:1001' });
  assert.throws(() => router.routeRequest('other'), { message: "No healthy targets available for service 'other'", code: 'ERR_TOOLOO_NO_TARGET' });
});

test('IR-K1: by weight, in the order of insertion', () => {
  const router = new Router();
  router.addTarget('api', 1, 1);
  router.addTarget('api', 2, 3);
  assert.deepEqual(ports(router, 8), [1, 2, 2, 2, 1, 2, 2, 2]);
  assert.deepEqual(Array.from({ length: 4 }, () => router.weightedRoundRobin('x', [{ n: 'a', weight: 1 }, { n: 'b', weight: 2 }]).n), ['a', 'b', 'b', 'a']);
});

test('unknown algorithms choose as the default does and are reported back', () => {
  const router = made({ algorithm: 'health-aware' });
  assert.deepEqual(ports(router, 3), [1001, 1002, 1001]);
  assert.equal(router.getStats().routingAlgorithm, 'health-aware');
});

test('IR-K2: a tripped breaker is readable and a health update does not un-trip it', () => {
  const router = made();
  trip(router, 'api:1001');
  assert.equal(router.circuitBreakers.get('api:1001').tripped, true);
  router.updateTargetHealth('api', 1001, 'healthy');
  assert.equal(router.circuitBreakers.get('api:1001').tripped, true);
  assert.deepEqual(router.getHealthyTargets('api').map(({ port }) => port), [1002]);
  assert.deepEqual(ports(router, 3), [1002, 1002, 1002]);
});

test('IR-K3: the lowest average latency, ties go to the first, unmeasured is lowest', () => {
  const router = made({ algorithm: 'latency-aware' }, [1, 2, 3]);
  assert.deepEqual(ports(router, 2), [1, 1]);
  router.recordLatency({ serviceName: 'api', port: 1 }, 30);
  router.recordLatency({ serviceName: 'api', port: 2 }, 10);
  assert.deepEqual(ports(router, 2), [3, 3]);
  router.recordLatency({ serviceName: 'api', port: 3 }, 20);
  assert.deepEqual(ports(router, 2), [2, 2]);
  assert.equal(router.latencyAware(router.getHealthyTargets('api')).port, 2);
  assert.throws(() => router.latencyAware([]), TypeError);
});

test('IR-K4: leastConnections reads activeConnections from the live target', () => {
  const router = made({ algorithm: 'least-connections' });
  router.targets.get('api').get('api:1001').activeConnections = 4;
  assert.deepEqual(ports(router, 2), [1002, 1002]);
  assert.equal(router.leastConnections(router.getHealthyTargets('api')).port, 1002);
  assert.equal(router.leastConnections([{ n: 1, activeConnections: 2 }, { n: 2 }]).n, 2);
  assert.throws(() => router.leastConnections([]), TypeError);
});

test('IR-D1: who reads done is counted as under way until it is called', () => {
  const router = made({ algorithm: 'least-connections' });
  const first = router.routeRequest('api');
  const { done } = first;
  assert.equal(first.done, done);
  assert.equal(router.getHealthyTargets('api')[0].activeConnections, 1);
  assert.equal(router.routeRequest('api').port, 1002);
  done();
  done();
  assert.equal(router.getHealthyTargets('api')[0].activeConnections, 0);
  assert.equal(router.getRoutingMetrics('api').targets[0].latencyStats.count, 1);
  assert.deepEqual(ports(router, 2), [1001, 1001]);
});

test('done reports the outcome; what the asker gave up is none', () => {
  const router = made({ algorithm: 'least-connections' });
  for (let index = 0; index < 5; index += 1) router.routeRequest('api').done(new Error('down'), 5);
  assert.equal(router.circuitBreakers.get('api:1001').tripped, true);
  router.routeRequest('api').done(Object.assign(new Error('gone'), { name: 'AbortError' }));
  const circuit = router.circuitBreakers.get('api:1002');
  assert.deepEqual([circuit.failureCount, circuit.successCount, router.targets.get('api').get('api:1002').activeConnections], [0, 0, 0]);
});

test('IR-D2: seven failures trip once; after the timeout it is announced and one request tries', () => {
  const router = made({ algorithm: 'least-connections' });
  const events = heard(router, 'circuit-breaker-tripped', 'circuit-breaker-reset');
  trip(router, 'api:1001', 7);
  assert.deepEqual([events, router.stats.circuitBreakerTrips], [[['circuit-breaker-tripped', { targetId: 'api:1001' }]], 1]);
  router.circuitBreakers.get('api:1001').lastFailure = Date.now() - 61_000;
  assert.deepEqual(ports(router, 3), [1001, 1002, 1002]);
  assert.deepEqual(events.at(-1), ['circuit-breaker-reset', { targetId: 'api:1001' }]);
  router.recordFailure('api:1001');
  assert.deepEqual(events.at(-1), ['circuit-breaker-tripped', { targetId: 'api:1001' }]);
  router.circuitBreakers.get('api:1001').lastFailure = Date.now() - 61_000;
  assert.deepEqual(router.getHealthyTargets('api').map(({ port }) => port), [1001, 1002]);
  router.routeRequest('api').done();
  assert.deepEqual(ports(router, 2), [1001, 1001]);
});

test('the timeout is waited for on the clock, too', async () => {
  const router = made(undefined, [1]);
  router.setCircuitBreaker('api:1', { threshold: 1, timeout: 20 });
  router.recordFailure('api:1');
  assert.throws(() => router.routeRequest('api'));
  while (router.getHealthyTargets('api').length === 0) await sleep(5);
  assert.equal(router.routeRequest('api').port, 1);
});

test('successes above half the threshold bring a target back; reset does at once', () => {
  const router = made();
  const events = heard(router, 'circuit-breaker-reset');
  trip(router, 'api:1001');
  for (let index = 0; index < 3; index += 1) router.recordSuccess('api:1001');
  assert.equal(router.circuitBreakers.get('api:1001').tripped, false);
  trip(router, 'api:1001');
  router.resetCircuitBreaker('api:1001');
  assert.equal(router.circuitBreakers.get('api:1001').tripped, false);
  assert.equal(events.length, 2);
});

test('IR-D3: a routing that fails is counted, and reading metrics changes no statistic', () => {
  const router = made();
  router.updateTargetHealth('api', 1001, 'unhealthy');
  router.updateTargetHealth('api', 1002, 'degraded');
  assert.throws(() => router.routeRequest('api'));
  const { errors, healthFilters, routeCount } = router.getStats();
  assert.deepEqual([errors, healthFilters, routeCount], [1, 2, 0]);
  router.getRoutingMetrics('api');
  assert.equal(router.getStats().healthFilters, 2);
  router.getHealthyTargets('api');
  assert.equal(router.stats.healthFilters, 4);
});

test('IR-D4: a weight that is no positive number is 1, a fraction is a fraction', () => {
  const router = new Router();
  for (const [port, weight] of [[1, NaN], [2, 0], [3, -5], [4, 'x'], [5, 0.5]]) router.addTarget('api', port, weight);
  assert.deepEqual(router.getRoutingMetrics('api').targets.map(({ weight }) => weight), [1, 1, 1, 1, 0.5]);
  const seen = ports(router, 90);
  assert.deepEqual([1, 2, 3, 4, 5].map((port) => seen.filter((each) => each === port).length), [20, 20, 20, 20, 10]);
});

test('IR-D5: hosts, ids and removal', () => {
  const router = made(undefined, [1]);
  const events = heard(router, 'target-added', 'target-removed');
  router.addTarget('api', 1, 1, { host: '127.0.0.2' });
  assert.deepEqual(Array.from({ length: 2 }, () => { const { host, targetId } = router.routeRequest('api'); return [host, targetId]; }),
    [['127.0.0.1', 'api:1'], ['127.0.0.2', 'api:127.0.0.2:1']]);
  assert.equal(router.removeTarget('api', 1), true);
  assert.equal(router.removeTarget('api', 1), false);
  assert.equal(router.circuitBreakers.has('api:1'), false);
  assert.equal(router.routeRequest('api').host, '127.0.0.2');
  assert.deepEqual(events.map(([name, { targetId }]) => [name, targetId]), [['target-added', 'api:127.0.0.2:1'], ['target-removed', 'api:1']]);
});

test('IR-D6: setCircuitBreaker without a config is nothing; a target added again keeps its breaker', () => {
  const router = made();
  router.setCircuitBreaker('api:1001');
  router.setCircuitBreaker('unknown', { threshold: 1 });
  router.setCircuitBreaker('api:1001', { threshold: 0, timeout: 0 });
  assert.deepEqual([router.circuitBreakers.get('api:1001').threshold, router.circuitBreakers.get('api:1001').timeout], [5, 60000]);
  trip(router, 'api:1001');
  router.recordLatency({ serviceName: 'api', port: 1001 }, 5);
  router.updateTargetHealth('api', 1001, 'unhealthy');
  router.addTarget('api', 1001, 2);
  const [target] = router.getRoutingMetrics('api').targets;
  assert.deepEqual([target.health, target.weight, target.latencyStats.count, target.circuitBreakerStatus], ['healthy', 2, 0, 'tripped']);
});

test('latencies: average, nearest rank, a bounded history, and nothing for the unknown', () => {
  const router = made({ maxHistorySize: 100 });
  const target = { serviceName: 'api', port: 1001 };
  for (let ms = 1; ms <= 200; ms += 1) router.recordLatency(target, ms);
  router.recordLatency(target, NaN);
  router.recordLatency({ serviceName: 'x', port: 1 }, 5);
  assert.deepEqual([router.getAverageLatency(target), router.getLatencyPercentile(target, 95), router.getLatencyPercentile(target, 99)], [150.5, 195, 199]);
  assert.deepEqual([router.getAverageLatency({ serviceName: 'api', port: 1002 }), router.getLatencyPercentile({ serviceName: 'x', port: 1 }, 50)], [0, 0]);
  assert.deepEqual(router.getRoutingMetrics('api').targets[0].latencyStats, { count: 100, avg: 150.5, p95: 195, p99: 199 });
  assert.equal(router.latencyHistogram.get('api:1001').length, 100);
});

test('metrics of a service, and null for one that is unknown', () => {
  const router = made();
  router.updateTargetHealth('api', 1002, 'unhealthy');
  const { serviceName, targetCount, healthyCount, targets } = router.getRoutingMetrics('api');
  assert.deepEqual([serviceName, targetCount, healthyCount, targets[1].port, targets[1].health], ['api', 2, 1, 1002, 'unhealthy']);
  assert.equal(router.getRoutingMetrics('other'), null);
  assert.deepEqual(router.getHealthyTargets('other'), []);
});

test('events of targets and health', () => {
  const router = new Router();
  const events = heard(router, 'target-added', 'health-updated');
  router.addTarget('api', 5);
  router.updateTargetHealth('api', 5, 'degraded');
  router.updateTargetHealth('api', 6, 'degraded');
  assert.deepEqual(events, [
    ['target-added', { serviceName: 'api', port: 5, targetId: 'api:5' }],
    ['health-updated', { serviceName: 'api', port: 5, health: 'degraded', targetId: 'api:5' }],
  ]);
});

test('methods that somebody replaces take effect, and health that is assigned', () => {
  const router = made();
  router.getHealthyTargets('api')[0].health = 'down';
  assert.deepEqual(ports(router, 2), [1002, 1002]);
  router.getHealthyTargets = (name) => [...router.targets.get(name).values()];
  assert.deepEqual(ports(router, 2), [1001, 1002]);
  class Last extends Router {
    weightedRoundRobin(name, targets) { return targets.at(-1); }
  }
  const last = new Last();
  last.addTarget('api', 1);
  last.addTarget('api', 2);
  assert.deepEqual(ports(last, 2), [2, 2]);
  const emptied = made();
  emptied.targets.get('api').delete('api:1001');
  assert.deepEqual(ports(emptied, 2), [1002, 1002]);
  emptied.targets.delete('api');
  assert.throws(() => emptied.routeRequest('api'));
});

test('a listener that throws changes nothing', async () => {
  const router = new Router();
  const warned = new Promise((resolve) => { process.once('warning', resolve); });
  router.on('target-added', () => { throw new Error('listener'); });
  router.addTarget('api', 1);
  assert.equal(router.routeRequest('api').port, 1);
  assert.match((await warned).message, /target-added/);
});

test('a target that drains gets nothing new, and the wait ends with its last request', async () => {
  const router = made();
  const { done } = router.routeRequest('api');
  let ended = false;
  const drained = router.drainTarget('api', 1001).then(() => { ended = true; });
  assert.deepEqual(ports(router, 2), [1002, 1002]);
  await sleep(5);
  assert.equal(ended, false);
  done();
  await drained;
  await router.drainTarget('api', 1002);
  await router.drainTarget('api', 9);
  router.addTarget('api', 1001);
  assert.equal(router.routeRequest('api').port, 1001);
});

test('outliers are ejected for a while, and never too many of them', () => {
  const router = made({ outlier: { minimumRequests: 4, failureRate: 0.5 } }, [1, 2]);
  const events = heard(router, 'target-ejected');
  for (const id of ['api:1', 'api:2']) {
    for (const failed of [false, false, true, true]) if (failed) router.recordFailure(id); else router.recordSuccess(id);
  }
  assert.deepEqual(events, [['target-ejected', { serviceName: 'api', port: 1, targetId: 'api:1', forMs: 30000 }]]);
  assert.deepEqual(ports(router, 2), [2, 2]);
  assert.throws(() => new Router({ outlier: { failureRate: 7 } }), /failureRate/);
});

test('the own zone comes first, while enough of it is there', () => {
  const router = new Router({ zone: 'a' });
  router.addTarget('api', 1, 1, { zone: 'a' });
  router.addTarget('api', 2, 1, { zone: 'b' });
  assert.deepEqual(ports(router, 3), [1, 1, 1]);
  router.updateTargetHealth('api', 1, 'down');
  assert.deepEqual(ports(router, 1), [2]);
});

test('in a panic everybody is asked; without the option nobody', () => {
  const router = made({ panicThreshold: 0.5 });
  for (const port of [1001, 1002]) router.updateTargetHealth('api', port, 'down');
  assert.deepEqual(new Set(ports(router, 60)), new Set([1001, 1002]));
});

test('a key has a home, a retry goes elsewhere, and a seed repeats every choice', () => {
  const router = made({ algorithm: 'consistent-hash' }, [1, 2, 3, 4, 5]);
  const home = router.routeRequest('api', { key: 'user 7' });
  for (let index = 0; index < 20; index += 1) assert.equal(router.routeRequest('api', { key: 'user 7' }).port, home.port);
  assert.notEqual(router.routeRequest('api', { key: 'user 7', exclude: [home.targetId] }).port, home.port);
  const homes = new Set(Array.from({ length: 200 }, (_, index) => router.routeRequest('api', { key: index }).port));
  assert.equal(homes.size, 5);
  const draw = (seed) => ports(made({ algorithm: 'p2c-ewma', seed }, [1, 2, 3, 4, 5, 6]), 40).join();
  assert.equal(draw(1), draw(1));
  assert.notEqual(draw(1), draw(2));
});

test('a hundred thousand targets are added, chosen from and removed', () => {
  const router = new Router({ algorithm: 'least-connections' });
  for (let index = 0; index < 100_000; index += 1) router.addTarget('api', index % 60_000, 1, { host: `10.0.${index % 100}.1` });
  const first = router.routeRequest('api');
  const { done } = first;
  assert.notEqual(router.routeRequest('api').targetId, first.targetId);
  done();
  assert.equal(router.routeRequest('api').targetId, first.targetId);
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => new Router(value).addTarget('api', 1)), 40);
  assert.equal(await survives((value) => new Router({ algorithm: value, maxHistorySize: value })), 40);
  assert.equal(await survives((value) => new Router({ outlier: value, seed: value, slowStartMs: value })), 40);
  const router = made();
  assert.equal(await survives((value) => router.addTarget(value, value, value)), 40);
  assert.equal(await survives((value) => router.addTarget(value, 5, value, value)), 40);
  assert.equal(await survives((value) => router.routeRequest(value, value)), 40);
  assert.equal(await survives((value) => router.routeRequest('api', { key: value, exclude: value })), 40);
  assert.equal(await survives((value) => router.routeRequest('api').done(value, value)), 40);
  for (const method of ['recordLatency', 'getAverageLatency', 'getLatencyPercentile', 'setCircuitBreaker', 'recordFailure', 'recordSuccess',
    'updateTargetHealth', 'removeTarget', 'drainTarget', 'getRoutingMetrics', 'leastConnections', 'weightedRoundRobin', 'latencyAware']) {
    assert.equal(await survives((value) => router[method](value, value, value)), 40);
    assert.equal(await survives((value) => router[method]('api', value, value)), 40);
  }
  router.routingAlgorithm = 'random';
  assert.equal(typeof made().routeRequest('api').port, 'number');
});
