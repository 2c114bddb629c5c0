// Real processes: started, ready, restarted, drained, ended, and never left behind.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { HorizontalScalingManager } from '../src/js/lib/resilience/HorizontalScalingManager.mjs';
import { IntelligentRouter } from '../src/js/lib/resilience/IntelligentRouter.mjs';
import { descendants, running } from './support/processes.mjs';
import { sleep } from './support/resilience.mjs';

const INSTANCE = fileURLToPath(new URL('./support/instance.mjs', import.meta.url));
const FACE = fileURLToPath(new URL('../src/js/lib/resilience/HorizontalScalingManager.cjs', import.meta.url));
const managers = [];

function made(options = {}) {
  const router = new IntelligentRouter();
  const manager = new HorizontalScalingManager({ fork: INSTANCE, router, restartDelayMs: 20, ...options });
  manager.registerService('api', 4000);
  managers.push(manager);
  return { manager, router };
}
const get = async (port, path = '/') => (await fetch(`http://127.0.0.1:${port}${path}`)).text();
const until = async (condition) => { while (!(await condition())) await sleep(10); };
const gone = (pids) => until(() => running(pids).length === 0);

test.afterEach(async () => {
  for (const manager of managers.splice(0)) await manager.shutdown();
});

test('instances are processes on free ports, ready before they are reported, and known to the router', async () => {
  const { manager, router } = made({ env: { MODE: 'late' } });
  const spawned = await manager.scaleUp('api', 2);
  assert.equal(new Set(spawned.map(({ port }) => port)).size, 2);
  for (const { port, pid } of spawned) assert.equal(await get(port), String(pid));
  assert.deepEqual(manager.getInstanceDetails('api').map(({ health }) => health), ['healthy', 'healthy']);
  assert.deepEqual(router.getHealthyTargets('api').map(({ port }) => port), spawned.map(({ port }) => port));
  assert.deepEqual(await manager.scaleDown('api', 2), { stopped: 2, skipped: 0 });
  assert.deepEqual(router.getHealthyTargets('api'), []);
  await gone(spawned.map(({ pid }) => pid));
});

test('a command works as a module does, for one service alone', async () => {
  const { manager } = made({ fork: undefined });
  manager.registerService('other', 5000, { command: [process.execPath, INSTANCE], readyPath: '/' });
  const [{ port, pid }] = await manager.scaleUp('other');
  assert.equal(await get(port), String(pid));
  assert.equal((await manager.scaleUp('api'))[0].port, 4010);
});

test('a process that dies leaves the router and is started again on its port', async () => {
  const { manager, router } = made();
  const heard = [];
  for (const name of ['instance-died', 'instance-restarted']) manager.on(name, (detail) => heard.push([name, detail, router.getHealthyTargets('api').length]));
  const [{ port, pid }] = await manager.scaleUp('api');
  await get(port, '/crash').catch(() => {});
  await until(() => heard.length === 2);
  const [details] = manager.getInstanceDetails('api');
  assert.notEqual(details.pid, pid);
  assert.deepEqual([details.port, details.health, await get(port)], [port, 'healthy', String(details.pid)]);
  assert.deepEqual(heard, [
    ['instance-died', { serviceName: 'api', port, pid, how: 'exit code 3' }, 0],
    ['instance-restarted', { serviceName: 'api', port, pid: details.pid }, 1],
  ]);
  process.kill(details.pid, 'SIGKILL');
  await until(() => heard.length === 4);
});

test('a scale-down waits for the last request of an instance', async () => {
  const { manager, router } = made();
  await manager.scaleUp('api');
  const { port, done } = router.routeRequest('api');
  const answer = get(port, '/slow').finally(() => done());
  const down = manager.scaleDown('api');
  await until(() => router.getHealthyTargets('api').length === 0);
  assert.throws(() => router.routeRequest('api'), { code: 'ERR_TOOLOO_NO_TARGET' });
  assert.equal(await answer, 'slow');
  assert.deepEqual(await down, { stopped: 1, skipped: 0 });
});

test('one that ignores SIGTERM is ended by force', async () => {
  const { manager } = made({ shutdownTimeout: 100, env: { MODE: 'stubborn' } });
  const [{ pid }] = await manager.scaleUp('api');
  assert.deepEqual(await manager.scaleDown('api'), { stopped: 1, skipped: 0 });
  await gone([pid]);
});

test('a program that is not there, ends at once or is never ready is an error, and nothing stays', async () => {
  const before = new Set(descendants(process.pid));
  for (const options of [
    { fork: undefined, command: ['/no/such/program'] },
    { fork: undefined, command: [process.execPath, '-e', 'process.exit(2)'] },
    { readyPath: '/crash', startTimeoutMs: 2000 },
    { fork: undefined, command: [process.execPath, '-e', 'setInterval(() => {}, 1000)'], startTimeoutMs: 100, shutdownTimeout: 100 },
  ]) {
    const { manager } = made(options);
    const errors = [];
    manager.on('scale-error', ({ error }) => errors.push(error));
    assert.deepEqual(await manager.scaleUp('api'), []);
    assert.equal(errors.length, 1);
    assert.match(errors[0], /^an instance of 'api' did not start: /);
    assert.deepEqual([manager.stats.failedScaleAttempts, manager.getInstanceCount('api')], [1, 0]);
  }
  await until(() => descendants(process.pid).every((pid) => before.has(pid)));
});

test('registering again ends what is forgotten, and shutdown ends everything', async () => {
  const { manager } = made({ minInstances: 1 });
  const first = await manager.scaleUp('api', 1);
  manager.registerService('api', 4000);
  await gone(first.map(({ pid }) => pid));
  const second = await manager.scaleUp('api', 2);
  await manager.shutdown();
  assert.deepEqual([manager.getInstanceCount('api'), manager.runningInstances.get('api')], [0, 0]);
  await gone(second.map(({ pid }) => pid));
});

/** A parent with two instances; its own pid, theirs and the guardian's. */
async function parent(rest) {
  const script = `const { HorizontalScalingManager } = require(${JSON.stringify(FACE)});
    const manager = new HorizontalScalingManager({ fork: ${JSON.stringify(INSTANCE)} });
    manager.registerService('api', 4000);
    manager.scaleUp('api', 2).then(() => { console.log('up'); ${rest} });`;
  const child = spawn(process.execPath, ['-e', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  const pids = descendants(child.pid);
  assert.equal(pids.length, 3);
  return { child, pids };
}

test('none survives a parent that is killed', async () => {
  const { child, pids } = await parent('setInterval(() => {}, 1000);');
  child.kill('SIGKILL');
  await gone(pids);
});

test('instances keep no process alive, and end with it', async () => {
  const { child, pids } = await parent('process.stdin.once("end", () => {}).resume();');
  child.stdin.end();
  if (child.exitCode === null) await once(child, 'exit');
  assert.equal(child.exitCode, 0);
  await gone(pids);
});

test('bad options name the option', () => {
  assert.throws(() => new HorizontalScalingManager({ command: [] }), /command/);
  assert.throws(() => new HorizontalScalingManager({ command: ['a', 5] }), /command/);
  assert.throws(() => new HorizontalScalingManager({ command: 'node' }), TypeError);
  assert.throws(() => new HorizontalScalingManager({ fork: 5 }), /fork/);
  assert.throws(() => new HorizontalScalingManager({ command: ['a'], fork: 'b' }), /fork/);
  assert.throws(() => new HorizontalScalingManager({ startTimeoutMs: -1 }), /startTimeoutMs/);
});
