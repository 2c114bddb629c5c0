import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { createRequire } from 'node:module';
import test from 'node:test';
import Manager, { HorizontalScalingManager } from '../src/js/lib/resilience/HorizontalScalingManager.mjs';
import { never, survives } from './support/resilience.mjs';

/** Terminations that take no time. */
class Quick extends Manager {
  terminateInstance() {}
}
function made(options, Class = Quick) {
  const manager = new Class(options);
  manager.registerService('s', 4000);
  return manager;
}
const portsOf = (manager) => manager.getInstanceDetails('s').map(({ port }) => port);

test('import, require and the default export are one class, an emitter', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/resilience/HorizontalScalingManager.cjs');
  assert.equal(required.default, Manager);
  assert.equal(HorizontalScalingManager, Manager);
  assert.ok(new Manager() instanceof EventEmitter);
  assert.equal(new Manager().shutdownTimeout, 5000);
  assert.ok(JSON.stringify(new Manager()).includes('shutdownTimeout'));
});

test('HS-K1: ports go up from ten above the base, unique across services', async () => {
  const manager = made();
  manager.registerService('other', 4000);
  assert.deepEqual((await manager.scaleUp('s', 2)).map(({ port }) => port), [4010, 4011]);
  assert.deepEqual((await manager.scaleUp('other', 2)).map(({ port }) => port), [4012, 4013]);
  await manager.scaleDown('s', 2);
  assert.deepEqual((await manager.scaleUp('s')).map(({ port }) => port), [4010]);
  assert.deepEqual([manager.isPortInUse(4010), manager.isPortInUse(4011)], [true, false]);
});

test('HS-K2: new instances are starting, and details have the fields callers read', async () => {
  const manager = made();
  const [spawned] = await manager.scaleUp('s');
  assert.deepEqual(Object.keys(spawned), ['port', 'pid', 'startTime']);
  const { uptime, ...rest } = manager.getInstance('s', 0);
  assert.ok(uptime >= 0);
  assert.deepEqual(rest, { ...spawned, health: 'starting' });
  assert.deepEqual(manager.getAllInstances(), { s: [{ ...spawned, health: 'starting' }] });
  assert.deepEqual([manager.getInstanceCount('s'), manager.runningInstances.get('s')], [1, 1]);
});

test('HS-K3: one entry of history a call, in order', async () => {
  const manager = made();
  await manager.scaleUp('s', 2);
  await manager.scaleDown('s', 1);
  const [up, down] = manager.getScalingHistory();
  assert.deepEqual([up.action, up.serviceName, up.count, up.oldInstanceCount, up.newInstanceCount, up.instances.length], ['SCALE_UP', 's', 2, 0, 2, 2]);
  assert.deepEqual([down.action, down.count, down.skipped, down.oldInstanceCount, down.newInstanceCount], ['SCALE_DOWN', 1, 0, 2, 1]);
  assert.equal(manager.getScalingHistory(), manager.scalingHistory);
  assert.deepEqual(manager.getScalingHistory('other'), []);
});

test('HS-K4: without hooks nothing is started, and pids stand for no process', async () => {
  const manager = made(undefined, Manager);
  const spawned = await manager.scaleUp('s', 50);
  const pids = new Set(spawned.map(({ pid }) => pid));
  assert.equal(pids.size, 50);
  assert.ok(!pids.has(0));
  const began = performance.now();
  assert.deepEqual(await manager.scaleDown('s'), { stopped: 1, skipped: 0 });
  assert.ok(performance.now() - began >= 95);
});

test('hooks start and end real instances', async () => {
  const ended = [];
  class Real extends Manager {
    async spawnInstance(name, port) { return { pid: 100_000 + port, startTime: 5 }; }
    async terminateInstance(name, { pid }) { ended.push(pid); }
  }
  const manager = made(undefined, Real);
  assert.deepEqual(await manager.scaleUp('s'), [{ port: 4010, pid: 104_010, startTime: 5 }]);
  await manager.scaleDown('s');
  assert.deepEqual(ended, [104_010]);
});

test('an unknown service is refused, and reads as empty', async () => {
  const manager = new Quick();
  await assert.rejects(manager.scaleUp('x'), { message: "Service 'x' not registered" });
  await assert.rejects(manager.scaleDown('x'), { message: "Service 'x' not registered" });
  assert.deepEqual([manager.getInstanceCount('x'), manager.getInstanceDetails('x'), manager.getInstance('x', 0)], [0, [], null]);
});

test('events tell of instances and their health', async () => {
  const manager = made();
  const heard = [];
  for (const event of ['instance-spawned', 'instance-terminated', 'instance-health-updated']) manager.on(event, (detail) => heard.push([event, detail]));
  const [{ pid }] = await manager.scaleUp('s');
  manager.updateInstanceHealth('s', 4010, 'healthy');
  manager.updateInstanceHealth('s', '4010', 'odd');
  assert.equal(manager.getInstance('s', 0).health, 'healthy');
  await manager.scaleDown('s');
  assert.deepEqual(heard, [
    ['instance-spawned', { serviceName: 's', port: 4010, pid }],
    ['instance-health-updated', { serviceName: 's', port: 4010, health: 'healthy' }],
    ['instance-terminated', { serviceName: 's', port: 4010, pid }],
  ]);
});

test('HS-D1: what is no positive number stops nothing', async () => {
  const manager = made();
  await manager.scaleUp('s', 4);
  for (const count of [0, -1, NaN, null, 'x']) assert.deepEqual(await manager.scaleDown('s', count), { stopped: 0, skipped: 0 });
  assert.equal(manager.getInstanceCount('s'), 4);
  assert.deepEqual(await manager.scaleDown('s', '2'), { stopped: 2, skipped: 0 });
  assert.deepEqual(portsOf(manager), [4010, 4011]);
});

test('HS-D2: a base port may be text, and no port is above 65535', async () => {
  const manager = new Quick();
  manager.registerService('s', '4000');
  assert.equal((await manager.scaleUp('s'))[0].port, 4010);
  manager.registerService('high', 65_524);
  const errors = [];
  manager.on('scale-error', (detail) => errors.push(detail));
  assert.deepEqual((await manager.scaleUp('high', 5)).map(({ port }) => port), [65_534, 65_535]);
  assert.deepEqual(errors, [{ serviceName: 'high', error: "no free port for 'high'" }]);
  assert.equal(manager.stats.failedScaleAttempts, 1);
  for (const port of [70_000, -5, 'x', undefined]) assert.throws(() => manager.registerService('bad', port), { name: 'RangeError', message: /"basePort"/ });
});

test('HS-D3: concurrent scale-downs never pick the same instance', async () => {
  const manager = made(undefined, Manager);
  await manager.scaleUp('s', 4);
  const results = await Promise.all([manager.scaleDown('s'), manager.scaleDown('s'), manager.scaleDown('s')]);
  assert.deepEqual(results, Array.from({ length: 3 }, () => ({ stopped: 1, skipped: 0 })));
  assert.deepEqual(portsOf(manager), [4010]);
  assert.deepEqual((await Promise.all([manager.scaleUp('s'), manager.scaleUp('s')])).flat().map(({ port }) => port), [4011, 4012]);
});

test('HS-D4: totals are each service’s own', async () => {
  const manager = made();
  manager.registerService('other', 5000);
  await manager.scaleUp('s', 3);
  await manager.scaleUp('other', 1);
  await manager.scaleDown('s', 1);
  const { serviceStats, totalInstancesSpawned, totalInstancesTerminated, scalingHistoryCount } = manager.getStats();
  assert.deepEqual(serviceStats, {
    s: { currentInstanceCount: 2, totalSpawned: 3, totalTerminated: 1 },
    other: { currentInstanceCount: 1, totalSpawned: 1, totalTerminated: 0 },
  });
  assert.deepEqual([totalInstancesSpawned, totalInstancesTerminated, scalingHistoryCount], [4, 1, 3]);
});

test('HS-D5: a listener that throws changes no report', async () => {
  const manager = made();
  manager.on('instance-spawned', () => { throw new Error('listener'); });
  assert.equal((await manager.scaleUp('s', 2)).length, 2);
});

test('HS-D6: history is bounded, getInstance without an index is null, a termination has its time limit', async () => {
  const manager = made();
  for (let index = 0; index < 1005; index += 1) await manager.scaleDown('s', 0);
  assert.equal(manager.scalingHistory.length, 1000);
  assert.equal(manager.getInstance('s'), null);
  class Stuck extends Manager {
    terminateInstance() { return never(); }
  }
  const stuck = made({ shutdownTimeout: 10 }, Stuck);
  await stuck.scaleUp('s');
  const errors = [];
  stuck.on('shutdown-error', (detail) => errors.push(detail));
  assert.deepEqual(await stuck.scaleDown('s'), { stopped: 0, skipped: 1 });
  assert.deepEqual(errors, [{ serviceName: 's', error: 'Timeout after 10ms' }]);
  assert.equal(stuck.getInstance('s', 0).health, 'stopping');
});

test('HS-D7: fewest and most instances hold, and a router hears of ports', async () => {
  const heard = [];
  const router = { addTarget: (...args) => heard.push(['add', ...args]), removeTarget: (...args) => heard.push(['remove', ...args]) };
  const manager = made({ minInstances: 1, maxInstances: 2, router });
  assert.equal((await manager.scaleUp('s', 5)).length, 2);
  assert.equal((await manager.scaleDown('s', 5)).stopped, 1);
  assert.deepEqual(heard, [['add', 's', 4010], ['add', 's', 4011], ['remove', 's', 4011]]);
});

test('a spawn that fails is counted and told, and its port is free again', async () => {
  let down = true;
  class Failing extends Quick {
    spawnInstance() { if (down) throw new Error('no memory'); }
  }
  const manager = made(undefined, Failing);
  const errors = [];
  manager.on('scale-error', (detail) => errors.push(detail));
  assert.deepEqual(await manager.scaleUp('s'), []);
  assert.deepEqual(errors, [{ serviceName: 's', error: 'no memory' }]);
  down = false;
  assert.equal((await manager.scaleUp('s'))[0].port, 4010);
});

test('registering again forgets the instances', async () => {
  const manager = made();
  await manager.scaleUp('s', 2);
  manager.registerService('s', 4500);
  assert.equal(manager.getInstanceCount('s'), 0);
  assert.equal((await manager.scaleUp('s'))[0].port, 4510);
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => new Manager(value)), 40);
  const manager = made();
  assert.equal(await survives(async (value) => {
    manager.registerService(value, 4000);
    await manager.scaleUp(value);
    await manager.scaleDown(value);
    JSON.stringify([manager.getStats(), manager.getAllInstances()]);
  }), 40);
  assert.equal(await survives((value) => manager.registerService('t', value)), 40);
  manager.registerService('u', 4000);
  const counts = Object.assign(made({ maxInstances: 5 }), {});
  assert.equal(await survives(async (value) => {
    await counts.scaleUp('s', value);
    await counts.scaleDown('s', value);
    counts.getInstance('s', value);
    counts.updateInstanceHealth('s', value, value);
    counts.getScalingHistory(value);
    counts.isPortInUse(value);
  }), 40);
});
