import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import test from 'node:test';
import Probe, { ReadinessProbe } from '../src/js/lib/resilience/ReadinessProbe.mjs';
import { deferred, never, sleep, survives } from './support/resilience.mjs';

const until = async (holds) => {
  for (const end = Date.now() + 20_000; !holds(); ) {
    if (Date.now() > end) throw new Error('what was waited for did not happen');
    await sleep(5);
  }
};

test('import, require and the default export are one class, an emitter', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/resilience/ReadinessProbe.cjs');
  assert.equal(required.default, Probe);
  assert.equal(ReadinessProbe, Probe);
  assert.ok(new Probe() instanceof EventEmitter);
  assert.equal(new Probe().pollingInterval, 10_000);
  assert.ok(JSON.stringify(new Probe()).includes('pollingInterval'));
});

test('a probe is pending, then ready, not-ready or error', async () => {
  const probe = new Probe();
  probe.registerReadinessProbe('yes', () => true);
  probe.registerLivenessProbe('no', async () => 0);
  probe.registerResourceProbe('throws', () => { throw new Error('down'); });
  assert.deepEqual(probe.getProbeStatus('yes'), { name: 'yes', type: 'readiness', status: 'pending', lastCheck: null, passCount: 0, failCount: 0 });
  const heard = [];
  probe.on('probe-check', (event) => heard.push(event));
  probe.on('probe-error', (event) => heard.push(event));
  await probe.runAllProbes();
  assert.deepEqual(['yes', 'no', 'throws'].map((name) => probe.getProbeStatus(name).status), ['ready', 'not-ready', 'error']);
  assert.equal(probe.getProbeStatus('throws').error, 'down');
  assert.equal(probe.getProbeStatus('unknown'), null);
  assert.equal(heard.length, 3);
  assert.ok(heard.some((event) => event.error === 'down' && event.type === 'resource'));
  assert.ok(heard.some((event) => event.status === 'ready' && event.name === 'yes'));
  assert.deepEqual([probe.stats.probeCheckCount, probe.stats.probePassCount, probe.stats.probeFailureCount], [3, 1, 2]);
  assert.equal(probe.getAllProbeStatus().length, 3);
});

test('a check that is no function is refused, and registering again starts anew', async () => {
  const probe = new Probe();
  for (const name of ['Startup', 'Readiness', 'Liveness', 'Resource']) {
    assert.throws(() => probe[`register${name}Probe`]('x', 5), /^Error: checkFn must be a function$/);
  }
  probe.registerReadinessProbe('a', () => true);
  await probe.runAllProbes();
  probe.registerReadinessProbe('a', () => true);
  assert.equal(probe.getProbeStatus('a').status, 'pending');
  assert.equal(probe.stats.totalProbes, 2);
});

test('RP-K1: startup probes run in every round', async () => {
  const probe = new Probe();
  let runs = 0;
  probe.registerStartupProbe('s', () => (runs += 1, true));
  await probe.runAllProbes();
  await probe.runAllProbes();
  assert.equal(runs, 2);
});

test('RP-K2: polling runs at once and again until it is stopped, on a timer that holds the process', async () => {
  const probe = new Probe();
  let runs = 0;
  probe.registerReadinessProbe('a', () => (runs += 1, true));
  probe.startPolling(5);
  probe.startPolling(5);
  await until(() => runs >= 3 && probe.pollingTimeout !== null);
  assert.equal(probe.pollingTimeout.hasRef(), true);
  assert.equal(probe.isPolling, true);
  probe.stopPolling();
  probe.stopPolling();
  assert.equal(probe.pollingTimeout, null);
  const then = runs;
  await sleep(40);
  assert.ok(runs <= then + 1);
});

test('RP-K3: waitForReady runs no check itself', async () => {
  const probe = new Probe();
  let answers = 0;
  probe.registerReadinessProbe('third', () => (answers += 1) >= 3);
  await assert.rejects(probe.waitForReady('third', 20), { message: "Probe 'third' did not reach ready state within 20ms" });
  assert.equal(answers, 0);
  await assert.rejects(probe.waitForReady('missing'), { message: "Probe 'missing' not found" });
  const began = performance.now();
  probe.startPolling(50);
  assert.equal(await probe.waitForReady('third', 20_000), true);
  probe.stopPolling();
  assert.ok(performance.now() - began >= 99);
});

test('RP-D1: a check that hangs is an error, stops nobody, and is not started again', async () => {
  const probe = new Probe({ checkTimeoutMs: 10 });
  let [hung, other] = [0, 0];
  probe.registerReadinessProbe('hangs', () => (hung += 1, never()));
  probe.registerReadinessProbe('works', () => (other += 1, true));
  await probe.runAllProbes();
  await probe.runAllProbes();
  assert.deepEqual([hung, other], [1, 2]);
  assert.deepEqual([probe.getProbeStatus('hangs').status, probe.getProbeStatus('hangs').error], ['error', 'Timeout after 10ms']);
  assert.equal(probe.getProbeStatus('hangs').failCount, 2);
});

test('RP-D2: stopping and starting again during a round makes no second loop', async () => {
  const probe = new Probe();
  const gate = deferred();
  let rounds = 0;
  probe.runAllProbes = async () => { rounds += 1; if (rounds <= 2) await gate.promise; };
  probe.startPolling(60_000);
  probe.stopPolling();
  probe.startPolling(60_000);
  assert.equal(rounds, 2);
  gate.resolve();
  await until(() => probe.pollingTimeout !== null);
  await sleep(20);
  assert.equal(rounds, 2);
  probe.stopPolling();
});

test('RP-D3: listeners that throw and odd thrown values change no result', async () => {
  const warnings = [];
  const note = (warning) => warnings.push(warning.message);
  process.on('warning', note);
  const probe = new Probe();
  const heard = [];
  probe.on('probe-check', () => { throw new Error('listener'); });
  probe.on('probe-check', (event) => heard.push(event));
  probe.on('probe-error', () => { throw null; });
  probe.registerReadinessProbe('a', () => true);
  probe.registerReadinessProbe('null', () => { throw null; });
  await probe.runAllProbes();
  assert.deepEqual([probe.getProbeStatus('a').status, probe.getProbeStatus('a').passCount, heard.length], ['ready', 1, 1]);
  assert.deepEqual([probe.getProbeStatus('null').status, probe.getProbeStatus('null').error], ['error', 'null']);
  await until(() => warnings.length === 2);
  process.off('warning', note);
});

test('RP-D4: names may contain colons, and one name may stand under two types', async () => {
  const probe = new Probe();
  probe.registerReadinessProbe('db:main', () => true);
  probe.registerLivenessProbe('db:main', () => false);
  await probe.runAllProbes();
  assert.deepEqual(probe.getAllProbeStatus().map(({ name, type }) => [type, name]), [['readiness', 'db:main'], ['liveness', 'db:main']]);
  assert.deepEqual([probe.getProbeFailureRate('db:main'), probe.getProbeFailureRate('db:main', 'liveness')], [0, 1]);
  assert.equal(probe.getProbeStatus('db:main', 'liveness').status, 'not-ready');
  assert.equal(probe.getStats().probeStats['liveness:db:main'].failureRate, 1);
  assert.equal(probe.getProbeFailureRate('unknown'), null);
});

test('RP-D5: the error goes on recovery, unknown names are ignored, a probe can be unregistered', async () => {
  const probe = new Probe();
  let down = true;
  probe.registerReadinessProbe('a', () => { if (down) throw new Error('down'); return true; });
  await probe.runAllProbes();
  down = false;
  await probe.runAllProbes();
  assert.equal('error' in probe.getProbeStatus('a'), false);
  assert.equal(probe.getProbeFailureRate('a'), 0.5);
  assert.equal(await probe.runProbeCheck('readiness', 'unknown', () => true), undefined);
  assert.equal(probe.unregisterProbe('a'), true);
  assert.equal(probe.unregisterProbe('a'), false);
  assert.equal(probe.getProbeStatus('a'), null);
});

test('a round that fails is a polling-error', async () => {
  const probe = new Probe();
  probe.runAllProbes = async () => { throw new Error('round'); };
  const heard = new Promise((resolve) => probe.once('polling-error', resolve));
  probe.startPolling(60_000);
  assert.equal((await heard).message, 'round');
  probe.stopPolling();
});

async function serving(handler, body) {
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    await body(async (path, options) => {
      const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`, options);
      const text = await response.text();
      return [response.status, text === '' ? '' : JSON.parse(text)];
    });
  } finally {
    server.closeAllConnections?.();
    server.close();
  }
}

test('the handler answers as Kubernetes asks: startup gates, dependencies count for readiness only', async () => {
  const probe = new Probe({ cacheMs: 1 });
  const says = { start: false, live: false, db: false };
  probe.registerStartupProbe('start', () => says.start);
  probe.registerLivenessProbe('loop', () => says.live);
  probe.registerResourceProbe('db', () => says.db);
  await serving(probe.handler(), async (get) => {
    assert.equal((await get('/health/startup'))[0], 503);
    assert.equal((await get('/health/live'))[0], 200);
    const [status, body] = await get('/health/ready?verbose');
    assert.equal(status, 503);
    assert.deepEqual([body.status, body.reason], ['unavailable', 'startup: 1 of 1 not ready']);
    says.start = true;
    await sleep(5);
    assert.equal((await get('/health/live'))[0], 503);
    says.live = true;
    await sleep(5);
    assert.equal((await get('/health/live'))[0], 200);
    assert.deepEqual((await get('/health/ready'))[1].reason, 'resource: 1 of 1 not ready');
    says.db = true;
    says.start = false;
    await sleep(5);
    assert.deepEqual((await get('/health/ready'))[0], 200);
    assert.deepEqual(await get('/health/live', { method: 'HEAD' }), [200, '']);
    assert.equal((await get('/health/other'))[0], 404);
    assert.equal((await get('/health/live', { method: 'POST' }))[0], 404);
    probe.beginShutdown();
    assert.equal((await get('/health/ready'))[1].reason, 'shutting down');
    assert.equal((await get('/health/live'))[0], 200);
  });
});

test('askers share a round, and what is known is answered without one', async () => {
  const probe = new Probe({ cacheMs: 60_000 });
  let runs = 0;
  probe.registerReadinessProbe('a', async () => { runs += 1; await sleep(20); return true; });
  await serving(probe.handler({ path: '/z' }), async (get) => {
    await Promise.all(Array.from({ length: 10 }, () => get('/z/ready')));
    assert.equal((await get('/z/ready'))[0], 200);
    assert.equal(runs, 1);
  });
});

test('a bad option is named with its value', () => {
  assert.throws(() => new Probe({ checkTimeoutMs: 'soon' }), { name: 'TypeError', message: /"checkTimeoutMs".*"soon"/ });
  assert.throws(() => new Probe(null), TypeError);
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => new Probe(value)), 40);
  assert.equal(await survives(async (value) => {
    const probe = new Probe({ checkTimeoutMs: 20 });
    probe.registerReadinessProbe(value, () => value);
    probe.registerLivenessProbe(value, () => { throw value; });
    await probe.runAllProbes();
    JSON.stringify(probe.getStats());
    await probe.waitForReady(value, 1);
  }), 40);
  assert.equal(await survives((value) => new Probe().runProbeCheck(value, value, value)), 40);
  assert.equal(await survives(async (value) => {
    const probe = new Probe();
    probe.getProbeStatus(value, value);
    probe.getProbeFailureRate(value, value);
    await probe.waitForReady('none', value);
  }), 40);
});
