import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { inspect } from 'node:util';
import Default, { CircuitBreaker } from '../src/js/lib/circuit-breaker.mjs';
import { deferred, fails, ODD, sleep, survives } from './support/resilience.mjs';

const FACE = fileURLToPath(new URL('../src/js/lib/circuit-breaker.mjs', import.meta.url));

async function opened(options) {
  const breaker = new CircuitBreaker('b', { failureThreshold: 1, ...options });
  await assert.rejects(breaker.execute(fails()));
  assert.equal(breaker.state, 'OPEN');
  return breaker;
}

async function halfOpen(options) {
  const breaker = await opened(options);
  breaker.lastFailureTime = Date.now() - breaker.resetTimeout - 10_000;
  return breaker;
}

test('exports: named, default and required are one class', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/circuit-breaker.cjs');
  assert.equal(Default, CircuitBreaker);
  assert.equal(required.CircuitBreaker, CircuitBreaker);
  assert.equal(required.default, CircuitBreaker);
  assert.equal(required.__esModule, true);
  assert.equal(CircuitBreaker.name, 'CircuitBreaker');
});

test('fields and their defaults', () => {
  const breaker = new CircuitBreaker('llm');
  const { name, state, failureCount, successCount, failureThreshold, successThreshold, resetTimeout } = breaker;
  assert.deepEqual([name, state, failureCount, successCount], ['llm', 'CLOSED', 0, 0]);
  assert.deepEqual([failureThreshold, successThreshold, resetTimeout], [5, 2, 30000]);
  assert.equal(breaker.lastFailureTime, null);
  assert.ok(Math.abs(breaker.lastStateChange - Date.now()) < 5000);
  assert.deepEqual(breaker.metrics, { totalAttempts: 0, totalFailures: 0, totalSuccesses: 0, stateChanges: [] });
  assert.equal(new CircuitBreaker().name, undefined);
});

test('options: falsy means the default, null is refused, nonsense is refused by name', () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 0, successThreshold: NaN, resetTimeout: null, monitoringPeriodMs: 1 });
  assert.deepEqual([breaker.failureThreshold, breaker.successThreshold, breaker.resetTimeout], [5, 2, 30000]);
  assert.throws(() => new CircuitBreaker('b', null), TypeError);
  assert.throws(() => new CircuitBreaker('b', { failureThreshold: 'many' }), /failureThreshold/);
  assert.throws(() => new CircuitBreaker('b', { halfOpenProbes: -1 }), RangeError);
  assert.throws(() => new CircuitBreaker('b', { window: { kind: 'moon' } }), /window\.kind/);
});

test('execute: gives the value of an async and of a sync function', async () => {
  const breaker = new CircuitBreaker('b');
  assert.equal(await breaker.execute(async () => 7), 7);
  assert.equal(await breaker.execute(() => 'now'), 'now');
  const promise = breaker.execute(() => 1);
  assert.ok(promise instanceof Promise);
  await promise;
  assert.equal(breaker.metrics.totalAttempts, 3);
  assert.equal(breaker.metrics.totalSuccesses, 3);
});

test('execute: rethrows whatever was thrown, unchanged, and counts it', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 10 });
  const error = new Error('mine');
  await assert.rejects(breaker.execute(fails(error)), (thrown) => thrown === error);
  await assert.rejects(breaker.execute(() => { throw error; }), (thrown) => thrown === error);
  await assert.rejects(breaker.execute(fails(null)), (thrown) => thrown === null);
  await assert.rejects(breaker.execute('no function'), TypeError);
  assert.equal(breaker.failureCount, 4);
  assert.equal(breaker.metrics.totalFailures, 4);
});

test('execute: a slow call rejects and counts as a failure', async () => {
  const breaker = new CircuitBreaker('b');
  const late = deferred();
  await assert.rejects(breaker.execute(() => late.promise, { timeout: 20 }), { message: 'Timeout after 20ms', code: 'ERR_TOOLOO_TIMEOUT' });
  late.reject(new Error('nobody hears this'));
  assert.equal(breaker.failureCount, 1);
});

test('CB-K1 open: message, code, fn not called, only the attempt counted', async () => {
  const breaker = await opened();
  let called = false;
  await assert.rejects(breaker.execute(() => { called = true; }, { name: 'ask' }), {
    message: "Circuit breaker 'b' is OPEN (ask)",
    code: 'CIRCUIT_BREAKER_OPEN',
  });
  await assert.rejects(breaker.execute(() => 1), /is OPEN \(unnamed\)/);
  assert.equal(called, false);
  const { totalAttempts, totalFailures, totalSuccesses } = breaker.metrics;
  assert.deepEqual([totalAttempts, totalFailures, totalSuccesses], [3, 1, 0]);
});

test('CB-K1 getState: shape and types', async () => {
  const breaker = await opened();
  const state = breaker.getState();
  assert.deepEqual(Object.keys(state).slice(0, 7), ['name', 'state', 'failureCount', 'successCount', 'lastFailureTime', 'lastStateChange', 'metrics']);
  assert.match(state.lastFailureTime, /^\d{4}-.*Z$/);
  assert.match(state.lastStateChange, /^\d{4}-.*Z$/);
  assert.equal(state.metrics, breaker.metrics);
  assert.equal(state.resetTimeout, 30000);
  assert.equal(new CircuitBreaker('x').getState().lastFailureTime, null);
  const [change] = state.metrics.stateChanges;
  assert.deepEqual([change.from, change.to], ['CLOSED', 'OPEN']);
  assert.match(change.timestamp, /Z$/);
});

test('CB-K2 failureCount reads 0 while open', async () => {
  const breaker = await opened();
  assert.equal(breaker.failureCount, 0);
});

test('CB-K3 the default timeout of 5000 holds without options and for a falsy one', async () => {
  for (const options of [undefined, { timeout: 0 }]) {
    const started = Date.now();
    await assert.rejects(new CircuitBreaker('b').execute(() => new Promise(() => {}), options), { message: 'Timeout after 5000ms' });
    assert.ok(Date.now() - started > 4500);
    if (options === undefined) break;
  }
});

test('state machine: failures in a row open, a success between them starts over', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 2 });
  await assert.rejects(breaker.execute(fails()));
  await breaker.execute(() => 1);
  assert.equal(breaker.failureCount, 0);
  await assert.rejects(breaker.execute(fails()));
  assert.equal(breaker.state, 'CLOSED');
  await assert.rejects(breaker.execute(fails()));
  assert.equal(breaker.state, 'OPEN');
});

test('state machine: half-open after resetTimeout, closed after successThreshold, open after one failure', async () => {
  const breaker = await opened({ resetTimeout: 30 });
  await sleep(45);
  assert.equal(breaker.state, 'OPEN');
  await breaker.execute(() => 1);
  assert.equal(breaker.state, 'HALF_OPEN');
  await breaker.execute(() => 1);
  assert.equal(breaker.state, 'CLOSED');
  const again = await halfOpen();
  await assert.rejects(again.execute(fails()));
  assert.equal(again.state, 'OPEN');
});

test('Appendix D: state, failureCount and lastFailureTime are written from outside', async () => {
  const breaker = await opened();
  breaker.lastFailureTime = Date.now() - 31_000;
  assert.equal(await breaker.execute(() => 'probe'), 'probe');
  assert.equal(breaker.state, 'HALF_OPEN');
  breaker.state = 'CLOSED';
  breaker.failureThreshold = 3;
  breaker.failureCount = 2;
  await assert.rejects(breaker.execute(fails()));
  assert.equal(breaker.state, 'OPEN');
  breaker.lastFailureTime = null;
  assert.equal(breaker.lastFailureTime, null);
  breaker.state = 'HALF_OPEN';
  breaker.successCount = 1;
  await breaker.execute(() => 1);
  assert.equal(breaker.state, 'CLOSED');
});

test('Appendix D: a failureCount written from outside is zeroed by a success', async () => {
  const breaker = new CircuitBreaker('b');
  breaker.failureCount = 4;
  await breaker.execute(() => 1);
  assert.equal(breaker.failureCount, 0);
});

test('onSuccess, onFailure, transition and reset answer undefined; reset keeps lastFailureTime', async () => {
  const breaker = await opened();
  const { lastFailureTime } = breaker;
  assert.equal(breaker.reset(), undefined);
  assert.equal(breaker.state, 'CLOSED');
  assert.equal(breaker.lastFailureTime, lastFailureTime);
  assert.equal(breaker.onSuccess(), undefined);
  assert.equal(breaker.onFailure(), undefined);
  assert.equal(breaker.transition('HALF_OPEN'), undefined);
  assert.equal(breaker.state, 'HALF_OPEN');
});

test('hooks of a subclass, of the instance and of the prototype take effect', async () => {
  const seen = [];
  class Mine extends CircuitBreaker {
    transition(to) { seen.push(to); super.transition(to); }
    onFailure(ms) { seen.push('failure'); super.onFailure(ms); }
  }
  const breaker = new Mine('m', { failureThreshold: 1 });
  breaker.onSuccess = () => seen.push('success');
  await breaker.execute(() => 1);
  await assert.rejects(breaker.execute(fails()));
  assert.deepEqual(seen, ['success', 'failure', 'OPEN']);
  assert.equal(inspect(breaker).startsWith('Mine'), true);
});

test('instances can be printed, copied and serialised', async () => {
  const breaker = await opened({ resetTimeout: Infinity });
  assert.ok(inspect(breaker).startsWith('CircuitBreaker'));
  assert.equal({ ...breaker }.name, 'b');
  assert.equal(JSON.parse(JSON.stringify(breaker)).state, 'OPEN');
});

test('CB-D2 resetTimeoutMs stands in for an absent resetTimeout', () => {
  assert.equal(new CircuitBreaker('b', { resetTimeoutMs: 20000 }).resetTimeout, 20000);
  assert.equal(new CircuitBreaker('b', { resetTimeoutMs: 20000, resetTimeout: 7 }).resetTimeout, 7);
});

test('CB-D3 half-open lets one probe through and answers the others with the open error', async () => {
  const breaker = await halfOpen();
  const probe = deferred();
  const calls = Array.from({ length: 5 }, () => breaker.execute(() => probe.promise));
  const settled = Promise.allSettled(calls);
  probe.resolve('ok');
  const results = await settled;
  assert.deepEqual(results.map((one) => one.status), ['fulfilled', 'rejected', 'rejected', 'rejected', 'rejected']);
  assert.equal(results[1].reason.code, 'CIRCUIT_BREAKER_OPEN');
});

test('CB-D4 a late failure of the closed period does not extend the cool-down', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 1 });
  const late = deferred();
  const call = breaker.execute(() => late.promise);
  await assert.rejects(breaker.execute(fails()));
  const { lastFailureTime } = breaker;
  await sleep(20);
  late.reject(new Error('late'));
  await assert.rejects(call);
  assert.equal(breaker.lastFailureTime, lastFailureTime);
});

test('CB-D4 a late success of the closed period does not close a half-open circuit', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 1, successThreshold: 1 });
  const [late, probe] = [deferred(), deferred()];
  const call = breaker.execute(() => late.promise);
  await assert.rejects(breaker.execute(fails()));
  breaker.lastFailureTime = 0;
  const probing = breaker.execute(() => probe.promise);
  late.resolve(1);
  await call;
  assert.equal(breaker.state, 'HALF_OPEN');
  probe.resolve(1);
  await probing;
  assert.equal(breaker.state, 'CLOSED');
});

test('CB-D5 a settled call leaves no timer that keeps the process alive', () => {
  const started = Date.now();
  const code = `import { CircuitBreaker } from ${JSON.stringify(FACE)};
    await new CircuitBreaker('b').execute(async () => 1, { timeout: 60000 });`;
  assert.equal(spawnSync(process.execPath, ['--input-type=module', '-e', code]).status, 0);
  assert.ok(Date.now() - started < 30_000);
});

test('CB-D5 a function that takes an argument gets a signal, aborted by the timeout', async () => {
  let signal;
  const breaker = new CircuitBreaker('b');
  await assert.rejects(breaker.execute((given) => { signal = given; return new Promise(() => {}); }, { timeout: 10 }));
  assert.equal(signal.aborted, true);
  assert.equal(signal.reason.message, 'Timeout after 10ms');
  await breaker.execute((...none) => assert.equal(none.length, 0));
});

test('CB-D6 stateChanges keeps the last hundred', () => {
  const breaker = new CircuitBreaker('b');
  for (let index = 0; index < 500; index += 1) breaker.transition(index % 2 ? 'CLOSED' : 'OPEN');
  assert.equal(breaker.metrics.stateChanges.length, 100);
  assert.equal(breaker.metrics.stateChanges.at(-1).to, 'CLOSED');
});

test('CB-D7 recordFailure and recordSuccess work, also to recover', () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 3 });
  for (let index = 0; index < 3; index += 1) breaker.recordFailure();
  assert.equal(breaker.state, 'OPEN');
  breaker.recordSuccess();
  assert.equal(breaker.state, 'OPEN');
  breaker.lastFailureTime = Date.now() - 40_000;
  breaker.recordSuccess();
  assert.deepEqual([breaker.state, breaker.successCount], ['HALF_OPEN', 1]);
  breaker.recordSuccess();
  assert.equal(breaker.state, 'CLOSED');
});

test('CB-D8 errors that isFailure does not count leave the circuit closed', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 1, isFailure: (error) => error.statusCode !== 404 });
  await assert.rejects(breaker.execute(fails(Object.assign(new Error('gone'), { statusCode: 404 }))), /gone/);
  assert.equal(breaker.state, 'CLOSED');
  await assert.rejects(breaker.execute(fails()));
  assert.equal(breaker.state, 'OPEN');
});

test('CB-D8 a bogus state is refused instead of letting calls through', () => {
  const breaker = new CircuitBreaker('b');
  assert.throws(() => breaker.transition('AJAR'), TypeError);
  assert.throws(() => { breaker.state = 'AJAR'; }, TypeError);
  assert.equal(breaker.state, 'CLOSED');
});

test('40 bad inputs: never a crash or an unhandled rejection', async () => {
  assert.equal(ODD.length, 40);
  await survives(async (value) => new CircuitBreaker(value, value).execute(() => 1));
  await survives(async (value) => {
    const breaker = new CircuitBreaker(value, { failureThreshold: 1 });
    await assert.rejects(breaker.execute(fails(value)));
    await assert.rejects(breaker.execute(() => 1, { name: value }), /is OPEN/);
    JSON.stringify(breaker.getState().state);
  });
  for (const option of ['failureThreshold', 'resetTimeout', 'window', 'halfOpenProbes', 'isFailure', 'useFallback']) {
    await survives(async (value) => new CircuitBreaker('b', { [option]: value }).execute(fails(value), { timeout: 5 }));
  }
  const shared = new CircuitBreaker('b', { failureThreshold: 1e9 });
  await survives((value) => shared.execute(value, { timeout: 5 }));
  await survives((value) => shared.execute(() => value, { timeout: 5, fallback: value }));
  await survives((value) => shared.execute(() => new Promise((resolve) => setTimeout(resolve, 3)), { timeout: value }));
  await survives((value) => shared.restore(value));
  await survives((value) => shared.restore({ state: 'OPEN', failureCount: value, lastFailureTime: value, metrics: value }));
  await survives((value) => { shared.lastFailureTime = value; });
  await survives((value) => { shared.failureCount = value; });
  await survives((value) => shared.transition(value));
  await survives((value) => shared.onSuccess(value));
  shared.lastFailureTime = 1e300;
  shared.getState();
});
