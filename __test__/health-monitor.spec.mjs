// Real services on loopback ports; a round is run by hand, or waited for.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import Monitor, { HealthMonitor } from '../src/js/lib/resilience/HealthMonitor.mjs';
import { IntelligentRouter } from '../src/js/lib/resilience/IntelligentRouter.mjs';
import { deferred, sleep, survives } from './support/resilience.mjs';

const open = [];
const FACE = new URL('../src/js/lib/resilience/HealthMonitor.cjs', import.meta.url).pathname;

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => { server.closeAllConnections?.(); server.close(); });
  return server.address().port;
}

/** A service whose answer is `state.status`. */
async function service(state = { status: 200 }) {
  state.asked ??= [];
  return listen(http.createServer((request, response) => {
    state.asked.push(request.url);
    response.writeHead(typeof state.status === 'function' ? state.status(request.url) : state.status);
    response.end('x'.repeat(state.length ?? 2));
  }));
}

function monitor(options = {}) {
  const made = new Monitor({ checkInterval: 60_000, ...options });
  open.push(() => made.destroy());
  return made;
}
const until = async (condition) => { while (!condition()) await sleep(5); };

test.after(() => { for (const close of open) close(); });

test('import, require and the default export are one class', () => {
  assert.equal(createRequire(import.meta.url)(FACE).default, Monitor);
  assert.equal(HealthMonitor, Monitor);
  assert.ok(JSON.stringify({ ...monitor() }).length > 0);
  assert.equal(monitor({ checkInterval: undefined }).checkInterval, 10_000);
  assert.throws(() => new Monitor(null), TypeError);
});

test('HM-K1: unknown, then healthy, degraded and unhealthy', async () => {
  const state = { status: 200 };
  const health = monitor();
  health.registerService('api', await service(state));
  assert.deepEqual([health.getHealth('api').status, health.getHealth('api').lastCheck], ['unknown', null]);
  const seen = [];
  for (const status of [200, 500, 500, 500, 500, 204]) {
    state.status = status;
    await health._runHealthChecks();
    const { status: word, consecutiveFailures, checks } = health.getHealth('api');
    seen.push([word, consecutiveFailures, checks.liveness, checks.readiness]);
  }
  assert.deepEqual(seen, [
    ['healthy', 0, true, true], ['degraded', 1, true, false], ['degraded', 2, true, false], ['unhealthy', 3, false, false],
    ['unhealthy', 4, false, false], ['healthy', 0, true, true],
  ]);
  assert.ok(health.getHealth('api').lastCheck instanceof Date);
  assert.deepEqual(new Set(state.asked), new Set(['/health']));
});

test('HM-K2: an unknown service has an answer too', () => {
  const health = monitor();
  const { status, reason } = health.getHealth('nobody');
  assert.deepEqual([status, typeof reason, health.isReadyForTraffic('nobody')], ['unknown', 'string', false]);
  health.onHealthChange('nobody', () => {});
  health.offHealthChange('nobody', () => {});
  health.unregisterService('nobody');
});

test('HM-K3: a 3xx is a failure', async () => {
  const health = monitor();
  health.registerService('moved', await service({ status: 302 }));
  await health._runHealthChecks();
  assert.equal(health.getHealth('moved').status, 'degraded');
});

test('HM-D1: a healthy service is ready; a readiness path has its say', async () => {
  const state = { status: (url) => (url === '/ready' ? 503 : 200) };
  const health = monitor();
  health.registerService('plain', await service());
  health.registerService('busy', await service(state), { readyPath: '/ready', path: '/live' });
  await health._runHealthChecks();
  assert.deepEqual([health.isReadyForTraffic('plain'), health.isReadyForTraffic('busy'), health.getHealth('busy').status], [true, false, 'healthy']);
  assert.deepEqual(state.asked, ['/live', '/ready']);
  assert.deepEqual({ ...health.checks.get('busy') }, { liveness: true, readiness: false, startup: true });
});

test('HM-D2: unregistering or destroying during a check is no error', async () => {
  const gate = deferred();
  const port = await listen(http.createServer((request, response) => { gate.promise.then(() => response.writeHead(500).end()); }));
  const health = monitor();
  health.registerService('a', port);
  health.registerService('b', port, { probe: () => gate.promise.then(() => { throw new Error('down'); }) });
  const round = health._runHealthChecks();
  health.unregisterService('a');
  health.destroy();
  gate.resolve();
  await round;
  assert.deepEqual([health.getStats().totalServices, health.getStats().checksRun], [0, 0]);
  await health._runHealthChecks();
  health.destroy();
});

test('HM-D3: every change is announced, once', async () => {
  const state = { status: 500 };
  const health = monitor();
  health.registerService('api', await service(state), { maxFailures: 2 });
  const heard = [];
  const listener = (name, status) => heard.push([name, status]);
  health.onHealthChange('api', () => { throw new Error('listener'); });
  health.onHealthChange('api', listener);
  for (const status of [500, 500, 500, 200, 200]) {
    state.status = status;
    await health._runHealthChecks();
  }
  assert.deepEqual(heard, [['api', 'degraded'], ['api', 'unhealthy'], ['api', 'healthy']]);
  health.offHealthChange('api', listener);
  state.status = 500;
  await health._runHealthChecks();
  assert.equal(heard.length, 3);
});

test('HM-D4: services are asked at the same time, and nobody twice at once', async () => {
  const gate = deferred();
  let waiting = 0;
  const port = await listen(http.createServer((request, response) => {
    waiting += 1;
    gate.promise.then(() => response.end());
  }));
  const health = monitor();
  for (let index = 0; index < 20; index += 1) health.registerService(`s${index}`, port);
  const round = health._runHealthChecks();
  await until(() => waiting === 20);
  await health._runHealthChecks();
  assert.equal(waiting, 20);
  gate.resolve();
  await round;
  assert.equal(health.getStats().checksRun, 20);
});

test('HM-D5: no socket stays open', async () => {
  const server = http.createServer((request, response) => { response.end('x'.repeat(50_000)); });
  const port = await listen(server);
  const health = monitor();
  health.registerService('api', port);
  for (let round = 0; round < 10; round += 1) await health._runHealthChecks();
  const connections = () => new Promise((resolve) => { server.getConnections((error, count) => resolve(count)); });
  while ((await connections()) > 0) await sleep(5);
  assert.equal(health.getHealth('api').status, 'healthy');
});

test('HM-D6: failures are counted, localhost is 127.0.0.1, and nothing keeps the process', async () => {
  const health = monitor();
  health.registerService('api', await service({ status: 500 }));
  assert.equal(health.services.get('api').host, 'localhost');
  await health._runHealthChecks();
  assert.deepEqual(health.getStats(), { checksRun: 1, healthyServices: 0, unhealthyServices: 0, checkFailures: 1, totalServices: 1 });
  const script = `const { HealthMonitor } = require(${JSON.stringify(FACE)}); new HealthMonitor({ checkInterval: 5 }).registerService('a', 1); setTimeout(() => {}, 30);`;
  execFileSync(process.execPath, ['-e', script], { timeout: 60_000 });
});

test('registering again resets the state', async () => {
  const health = monitor();
  const port = await service();
  health.registerService('api', port);
  await health._runHealthChecks();
  health.registerService('api', port, { maxFailures: 1 });
  assert.equal(health.getHealth('api').status, 'unknown');
  assert.equal(health.services.get('api').maxFailures, 1);
  assert.deepEqual(Object.keys(health.getAllHealth()), ['api']);
});

test('rounds come by themselves', async () => {
  const health = monitor({ checkInterval: 10 });
  health.registerService('api', await service());
  await until(() => health.getStats().checksRun >= 3);
  assert.equal(health.getHealth('api').status, 'healthy');
});

test('nobody there, silence, and what is no HTTP are failures; a port alone can be asked', async () => {
  const health = monitor({ timeoutMs: 100 });
  const mute = await listen(net.createServer((socket) => { socket.on('error', () => {}); }));
  const strange = await listen(net.createServer((socket) => { socket.on('error', () => {}); socket.end('SSH-2.0-x\r\n'); }));
  health.registerService('mute', mute);
  health.registerService('strange', strange);
  health.registerService('nobody', 1);
  health.registerService('port', mute, { probe: 'tcp' });
  await health._runHealthChecks();
  const words = Object.fromEntries(Object.entries(health.getAllHealth()).map(([name, { status }]) => [name, status]));
  assert.deepEqual(words, { mute: 'degraded', strange: 'degraded', nobody: 'degraded', port: 'healthy' });
});

test('an own function is asked: false, throwing, rejecting and taking too long are failures', async () => {
  const health = monitor({ timeoutMs: 20 });
  const probes = {
    fine: () => undefined, no: () => false, throws: () => { throw new Error('x'); }, rejects: async () => { throw new Error('x'); }, hangs: () => new Promise(() => {}),
  };
  for (const [name, probe] of Object.entries(probes)) health.registerService(name, 1, { probe });
  await health._runHealthChecks();
  assert.deepEqual(Object.values(health.getAllHealth()).map(({ status }) => status), ['healthy', 'degraded', 'degraded', 'degraded', 'degraded']);
});

test('rise: an unhealthy service has to succeed so often', async () => {
  const state = { status: 500 };
  const health = monitor({ rise: 2 });
  health.registerService('api', await service(state), { maxFailures: 1 });
  await health._runHealthChecks();
  state.status = 200;
  await health._runHealthChecks();
  assert.equal(health.getHealth('api').status, 'unhealthy');
  await health._runHealthChecks();
  assert.equal(health.getHealth('api').status, 'healthy');
});

test('it feeds a router', async () => {
  const router = new IntelligentRouter();
  const state = { status: 500 };
  const port = await service(state);
  router.addTarget('api', port);
  const health = monitor({ router });
  health.registerService('api-1', port, { service: 'api', maxFailures: 2 });
  await health._runHealthChecks();
  assert.equal(router.getHealthyTargets('api').length, 1);
  await health._runHealthChecks();
  assert.equal(router.getHealthyTargets('api').length, 0);
  state.status = 200;
  await health._runHealthChecks();
  assert.equal(router.getHealthyTargets('api').length, 1);
});

test('methods that somebody overrides take effect', async () => {
  const told = [];
  class Fake extends Monitor {
    async _checkLiveness(host, port) { return { ok: port === 1 }; }
    _notifyListeners(name, status) { told.push([name, status]); }
  }
  const health = new Fake({ checkInterval: 60_000 });
  health.registerService('a', 1);
  health.registerService('b', 2);
  await health._runHealthChecks();
  assert.deepEqual(told.sort(), [['a', 'healthy'], ['b', 'degraded']]);
  const asked = [];
  health._checkService = async (name) => { asked.push(name); throw new Error('x'); };
  await health._runHealthChecks();
  assert.deepEqual([asked, health.getHealth('a').status], [['a', 'b'], 'degraded']);
  health.destroy();
  assert.deepEqual(await monitor()._checkLiveness('127.0.0.1', await service()), { ok: true });
});

test('a terminated worker in the middle of a round is clean', async () => {
  const port = await listen(net.createServer((socket) => { socket.on('error', () => {}); }));
  const script = `const { HealthMonitor } = require(${JSON.stringify(FACE)}); const { parentPort } = require('node:worker_threads');
    const monitor = new HealthMonitor({ checkInterval: 5 });
    for (let index = 0; index < 50; index += 1) monitor.registerService('s' + index, ${port}, { host: '127.0.0.1' });
    monitor._runHealthChecks(); parentPort.postMessage('asked');`;
  const worker = new Worker(script, { eval: true });
  await once(worker, 'message');
  await worker.terminate();
});

test('bad options name the option', () => {
  assert.throws(() => new Monitor({ checkInterval: -1 }), /checkInterval/);
  assert.throws(() => new Monitor({ jitter: 2 }), /jitter/);
  const health = monitor();
  assert.throws(() => health.registerService('a', 'x'), /port/);
  assert.throws(() => health.registerService('a', 80, { host: 'a\r\nb' }), /host/);
  assert.throws(() => health.registerService('a', 80, { path: 'health' }), /path/);
  assert.throws(() => health.registerService('a', 80, { probe: 'icmp' }), /probe/);
  assert.equal(health.getStats().totalServices, 0);
});

test('forty odd values are answered, wherever they are put', async () => {
  const made = [];
  assert.equal(await survives((value) => { made.push(new Monitor(value)); }), 40);
  assert.equal(await survives((value) => { made.push(new Monitor({ checkInterval: 60_000, timeoutMs: value, rise: value, router: value })); }), 40);
  const health = monitor({ timeoutMs: 50 });
  assert.equal(await survives((value) => health.registerService(value, 1, { probe: () => value })), 40);
  assert.equal(await survives((value) => health.registerService('a', value, value)), 40);
  assert.equal(await survives((value) => health.onHealthChange('a', value)), 40);
  for (const method of ['getHealth', 'isReadyForTraffic', 'offHealthChange', '_notifyListeners', '_checkLiveness', 'unregisterService']) {
    assert.equal(await survives((value) => health[method](value, value)), 40);
  }
  await health._runHealthChecks();
  for (const each of made) each.destroy();
});

test('a monitor that nobody has any more goes, and what is kept of it stays its own', async () => {
  const script = `
    const { HealthMonitor } = require(${JSON.stringify(FACE)});
    const kept = [];
    const weak = [];
    for (let index = 0; index < 50; index += 1) {
      const monitor = new HealthMonitor({ checkInterval: 5 });
      monitor.registerService('a', 1);
      if (index === 0) kept.push(monitor.services.get('a'));
      else weak.push(new WeakRef(monitor));
    }
    (async () => {
      for (let round = 0; round < 50 && weak.some((each) => each.deref() !== undefined); round += 1) {
        await new Promise((resolve) => setTimeout(resolve, 10));
        gc();
      }
      new HealthMonitor().registerService('b', 1);
      console.log(weak.filter((each) => each.deref() !== undefined).length, kept[0].health !== undefined);
    })();`;
  assert.equal(execFileSync(process.execPath, ['--expose-gc', '-e', script], { timeout: 60_000 }).toString().trim(), '0 true');
});
