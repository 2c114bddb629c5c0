import assert from 'node:assert/strict';
import test from 'node:test';
import { CircuitBreaker } from '../src/js/lib/circuit-breaker.mjs';
import { deferred, fails, sleep } from './support/resilience.mjs';

const REFUSED = { code: 'CIRCUIT_BREAKER_OPEN' };

async function opened(options) {
  const breaker = new CircuitBreaker('b', { failureThreshold: 1, ...options });
  await assert.rejects(breaker.execute(fails()));
  return breaker;
}

test('opossum 119: a half-open circuit refuses all but its probe, and one failed probe opens it again', async () => {
  const breaker = await opened({ resetTimeout: 10 });
  await sleep(25);
  const probe = deferred();
  const probing = breaker.execute(() => probe.promise);
  for (let index = 0; index < 10; index += 1) await assert.rejects(breaker.execute(() => 1), REFUSED);
  probe.reject(new Error('still down'));
  await assert.rejects(probing, /still down/);
  assert.equal(breaker.state, 'OPEN');
  await assert.rejects(breaker.execute(() => 1), REFUSED);
});

test('opossum 385: failures that arrive together still let the circuit become half-open', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 5, successThreshold: 1, resetTimeout: 20 });
  const down = deferred();
  const calls = Array.from({ length: 6 }, () => breaker.execute(() => down.promise));
  down.reject(new Error('down'));
  await Promise.allSettled(calls);
  assert.equal(breaker.state, 'OPEN');
  assert.equal(breaker.metrics.stateChanges.length, 1);
  await sleep(40);
  assert.equal(await breaker.execute(() => 'back'), 'back');
  assert.equal(breaker.state, 'CLOSED');
});

test('opossum 613: a half-open circuit takes as many probes as asked for before it closes', async () => {
  const breaker = await opened({ resetTimeout: 10, halfOpenProbes: 3, successThreshold: 3 });
  await sleep(25);
  const probes = [deferred(), deferred(), deferred()];
  const calls = probes.map((probe) => breaker.execute(() => probe.promise));
  await assert.rejects(breaker.execute(() => 1), REFUSED);
  probes[0].resolve();
  probes[1].resolve();
  await Promise.all(calls.slice(0, 2));
  assert.equal(breaker.state, 'HALF_OPEN');
  probes[2].resolve();
  await calls[2];
  assert.equal(breaker.state, 'CLOSED');
});

test('a probe that times out frees its place', async () => {
  const breaker = await opened({ resetTimeout: 10 });
  await sleep(25);
  await assert.rejects(breaker.execute(() => new Promise(() => {}), { timeout: 10 }), /Timeout/);
  await sleep(25);
  assert.equal(await breaker.execute(() => 'ok'), 'ok');
});

test('a probe whose hook does nothing frees its place too', async () => {
  const breaker = await opened({ resetTimeout: 10 });
  await sleep(25);
  breaker.onSuccess = () => {};
  await breaker.execute(() => 1);
  assert.equal(await breaker.execute(() => 2), 2);
});

test('window: the failure rate opens a circuit whose failures never come in a row', async () => {
  const breaker = new CircuitBreaker('b', { window: { kind: 'count', size: 10 }, failureRate: 0.4, minimumCalls: 5 });
  for (const fn of [() => 1, fails(), () => 1]) await breaker.execute(fn).catch(() => {});
  assert.equal(breaker.state, 'CLOSED');
  assert.deepEqual(breaker.getState().window, { calls: 3, failureRate: 1 / 3, slowCallRate: 0 });
  for (const fn of [() => 1, fails()]) await breaker.execute(fn).catch(() => {});
  assert.equal(breaker.state, 'OPEN');
});

test('window: slow calls open the circuit though they succeed', async () => {
  const breaker = new CircuitBreaker('b', { window: { kind: 'time', size: 60_000 }, slowCallMs: 15, slowCallRate: 0.5, minimumCalls: 2 });
  await breaker.execute(() => 1);
  await breaker.execute(() => sleep(30));
  assert.equal(breaker.state, 'OPEN');
  await assert.rejects(breaker.execute(() => 1), REFUSED);
});

test('the reset time grows with each failed probe', async () => {
  const breaker = await opened({ resetTimeout: 1000, resetTimeoutFactor: 3, maxResetTimeoutMs: 5000 });
  const remaining = () => breaker.getState().nextProbeInMs;
  const waits = [remaining()];
  for (let round = 0; round < 2; round += 1) {
    breaker.lastFailureTime = 0;
    await assert.rejects(breaker.execute(fails()));
    waits.push(remaining());
  }
  [1000, 3000, 5000].forEach((wait, index) => assert.ok(waits[index] > wait * 0.7 && waits[index] <= wait, String(waits)));
});

test('CB-D1 fallback is ignored unless useFallback asks for it', async () => {
  const breaker = await opened();
  await assert.rejects(breaker.execute(() => 1, { fallback: () => 'cached' }), REFUSED);
});

test('CB-D1 useFallback: runs only while open, and the result is marked', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 1, useFallback: true });
  const options = { fallback: async (error) => `instead of ${error.code}` };
  await assert.rejects(breaker.execute(fails(), options), /down/);
  const result = await breaker.execute(() => 1, options);
  assert.ok(result instanceof CircuitBreaker.FallbackResult);
  assert.deepEqual({ ...result }, { isFallback: true, value: 'instead of CIRCUIT_BREAKER_OPEN' });
  assert.equal(result.reason.code, 'CIRCUIT_BREAKER_OPEN');
  assert.equal((await breaker.execute(() => 1, { fallback: 'plain' })).value, 'plain');
  await assert.rejects(breaker.execute(() => 1, { fallback: () => { throw new Error('fallback down'); } }), /fallback down/);
});

test('isolate holds the circuit open until forceClose', async () => {
  const breaker = new CircuitBreaker('b', { resetTimeout: 1 });
  breaker.isolate();
  await sleep(15);
  await assert.rejects(breaker.execute(() => 1), REFUSED);
  assert.equal(breaker.getState().isolated, true);
  assert.equal(breaker.getState().nextProbeInMs, Infinity);
  breaker.forceClose();
  assert.equal(await breaker.execute(() => 1), 1);
  assert.equal(breaker.getState().isolated, false);
});

test('events tell what happens; a listener that throws harms nobody', async () => {
  const seen = [];
  const breaker = new CircuitBreaker('b', { failureThreshold: 1, successThreshold: 1 });
  for (const event of ['open', 'halfOpen', 'close', 'success', 'failure', 'reject', 'timeout', 'stateChange']) {
    breaker.on(event, () => seen.push(event));
  }
  breaker.once('success', () => { throw new Error('listener'); });
  assert.equal(await breaker.execute(() => 1), 1);
  await assert.rejects(breaker.execute(() => new Promise(() => {}), { timeout: 5 }));
  await assert.rejects(breaker.execute(() => 1));
  breaker.lastFailureTime = 0;
  await breaker.execute(() => 1);
  assert.deepEqual(seen, [
    'success', 'stateChange', 'open', 'failure', 'timeout', 'reject', 'stateChange', 'halfOpen', 'stateChange', 'close', 'success',
  ]);
});

test('toJSON and restore carry a breaker over', async () => {
  const breaker = await opened();
  const saved = JSON.parse(JSON.stringify(breaker));
  const other = new CircuitBreaker('b').restore(saved);
  assert.equal(other.state, 'OPEN');
  assert.equal(other.lastFailureTime, breaker.lastFailureTime);
  assert.equal(other.metrics.totalFailures, 1);
  assert.equal(other.failureThreshold, 1);
  await assert.rejects(other.execute(() => 1), REFUSED);
  breaker.isolate();
  const held = new CircuitBreaker('b').restore(breaker.toJSON());
  held.lastFailureTime = 0;
  await assert.rejects(held.execute(() => 1), REFUSED);
});

test('ten thousand calls at once keep their own deadlines', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: Infinity });
  const calls = Array.from({ length: 10_000 }, (_, index) =>
    breaker.execute(() => (index % 2 ? Promise.resolve(index) : new Promise(() => {})), { timeout: 30 + (index % 3) }),
  );
  const results = await Promise.allSettled(calls);
  assert.equal(results.filter((one) => one.status === 'fulfilled').length, 5000);
  assert.ok(results.every((one, index) => one.status === 'fulfilled' || one.reason.message === `Timeout after ${30 + (index % 3)}ms`));
});

test('long limits: ten thousand calls at once, none given up early, all given up', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: Infinity });
  const began = performance.now();
  let earliest = Infinity;
  const calls = Array.from({ length: 10_000 }, (_, index) => {
    const call = breaker.execute(() => (index % 2 ? Promise.resolve(index) : new Promise(() => {})), { timeout: 1000 });
    return call.catch((error) => {
      earliest = Math.min(earliest, performance.now() - began);
      return error.message;
    });
  });
  const results = await Promise.all(calls);
  assert.ok(results.every((one, index) => one === (index % 2 ? index : 'Timeout after 1000ms')));
  assert.ok(earliest >= 1000, `${earliest} ms`);
});
