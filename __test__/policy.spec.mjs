import assert from 'node:assert/strict';
import test from 'node:test';
import { Bulkhead, CircuitBreaker, hedge, policy, retry, RetryBudget } from '../src/js/index.mjs';
import { deferred, fails, never, sleep, survives } from './support/resilience.mjs';

const down = () => Object.assign(new Error('down'), { code: 'ECONNRESET' });

test('a budget lets a fifth of the calls be repeated, and some a second', () => {
  const budget = new RetryBudget({ ratio: 0.2, minPerSecond: 0.1, windowMs: 60_000 });
  assert.equal(budget.balance, 6);
  for (let index = 0; index < 10; index += 1) budget.deposit();
  assert.equal(budget.balance, 8);
  let taken = 0;
  while (budget.withdraw()) taken += 1;
  assert.equal(taken, 8);
});

test('without anything left in its budget an error is final', async () => {
  const budget = new RetryBudget({ ratio: 1e-9, minPerSecond: 0.05, windowMs: 60_000 });
  let calls = 0;
  const failing = () => { calls += 1; throw down(); };
  for (let index = 0; index < 5; index += 1) {
    await assert.rejects(retry(failing, { budget, backoffMs: 1, maxAttempts: 2 }), /down/);
  }
  assert.equal(calls, 5 + 3);
});

test('a bulkhead runs, lets wait in order of arrival, and refuses', async () => {
  const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 2 });
  const gates = [deferred(), deferred(), deferred()];
  const begun = [];
  const calls = gates.map((gate, index) => bulkhead.execute(() => { begun.push(index); return gate.promise; }));
  await assert.rejects(bulkhead.execute(() => 1), { code: 'ERR_TOOLOO_QUEUE_FULL', message: /1 calls are running, 2 are waiting/ });
  assert.deepEqual([bulkhead.active, bulkhead.waiting], [1, 2]);
  for (const [index, gate] of gates.entries()) {
    gate.resolve(index);
    assert.equal(await calls[index], index);
  }
  assert.deepEqual(begun, [0, 1, 2]);
  assert.deepEqual([bulkhead.active, bulkhead.waiting], [0, 0]);
});

test('a failing call frees its place, and who gives up waiting leaves the queue', async () => {
  const bulkhead = new Bulkhead({ maxConcurrent: 1, maxQueue: 5 });
  await assert.rejects(bulkhead.execute(fails()), /down/);
  await assert.rejects(bulkhead.execute(() => { throw down(); }), /down/);
  const gate = deferred();
  const running = bulkhead.execute(() => gate.promise);
  const controller = new AbortController();
  let ran = false;
  const given = bulkhead.execute(() => { ran = true; }, { signal: controller.signal });
  const next = bulkhead.execute(() => 'next');
  controller.abort(new Error('enough'));
  await assert.rejects(given, /enough/);
  assert.equal(bulkhead.waiting, 1);
  gate.resolve('first');
  assert.deepEqual([await running, await next, ran, bulkhead.active], ['first', 'next', false, 0]);
});

test('a hedge makes a second call when the first is slow; the first success wins and the other is told', async () => {
  const signals = [];
  const fn = (signal) => (signals.push(signal), signals.length === 1 ? never() : 'second');
  assert.equal(await hedge(fn, { delayMs: 5 }), 'second');
  assert.equal(signals.length, 2);
  assert.deepEqual(signals.map((signal) => signal.aborted), [true, false]);
});

test('a call that is fast is made once', async () => {
  let calls = 0;
  assert.equal(await hedge(() => (calls += 1, 'first'), { delayMs: 5 }), 'first');
  await sleep(20);
  assert.equal(calls, 1);
});

test('a hedge fails when all its calls have, and at once when the first fails before its time', async () => {
  let calls = 0;
  await assert.rejects(hedge(() => { calls += 1; throw down(); }, { delayMs: 1e6 }), /down/);
  assert.equal(calls, 1);
  const gate = deferred();
  const both = hedge(() => (calls += 1, gate.promise), { delayMs: 1, maxHedges: 2 });
  for (const end = Date.now() + 20_000; calls < 4 && Date.now() < end; ) await sleep(2);
  gate.reject(down());
  await assert.rejects(both, /down/);
  assert.equal(calls, 4);
});

test('a percentile hedges when enough latencies of the function are known', async () => {
  let calls = 0;
  let slow = false;
  const fn = () => (calls += 1, slow && calls % 2 === 1 ? never() : 'ok');
  for (let index = 0; index < 10; index += 1) await hedge(fn, { percentile: 90 });
  assert.equal(calls, 10);
  slow = true;
  assert.equal(await hedge(fn, { percentile: 90 }), 'ok');
  assert.equal(calls, 12);
});

test('an abort ends all calls of a hedge', async () => {
  const controller = new AbortController();
  const signals = [];
  const call = hedge((signal) => (signals.push(signal), never()), { delayMs: 1, signal: controller.signal });
  for (const end = Date.now() + 20_000; signals.length < 2 && Date.now() < end; ) await sleep(2);
  const reason = new Error('enough');
  controller.abort(reason);
  await assert.rejects(call, (given) => given === reason);
  assert.deepEqual(signals.map((signal) => signal.reason), [reason, reason]);
});

test('policy: from outside in, fallback, retry, bulkhead, breaker, hedge, time limit', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 100 });
  const bulkhead = new Bulkhead({ maxConcurrent: 1 });
  let calls = 0;
  const guarded = policy({
    timeoutMs: 20, hedge: { delayMs: 1 }, breaker, bulkhead, retry: { maxAttempts: 3, backoffMs: 1 },
    fallback: (error) => `instead of ${error.message}`,
  });
  const answer = await guarded.execute((signal) => {
    calls += 1;
    assert.ok(signal instanceof AbortSignal);
    assert.equal(bulkhead.active, 1);
    return never();
  });
  assert.equal(answer, 'instead of Timeout after 20ms');
  // Three attempts with a hedge each; the breaker counted attempts.
  assert.equal(calls, 6);
  assert.deepEqual([breaker.metrics.totalAttempts, breaker.metrics.totalFailures, bulkhead.active], [3, 3, 0]);
});

test('policy: an open circuit is not retried, and the fallback may be a value', async () => {
  const breaker = new CircuitBreaker('b', { failureThreshold: 1 });
  await assert.rejects(breaker.execute(fails()));
  let retried = 0;
  const guarded = policy({ breaker, retry: { onRetry: () => { retried += 1; } }, fallback: 'spare' });
  assert.equal(await guarded.execute(() => 1), 'spare');
  assert.equal(retried, 0);
});

test('policy: an abort reaches the function and is not answered by the fallback', async () => {
  const guarded = policy({ timeoutMs: 1e6, hedge: { delayMs: 1e6 }, breaker: {}, bulkhead: {}, retry: {}, fallback: 'spare' });
  const controller = new AbortController();
  const reason = new Error('enough');
  let inner;
  const call = guarded.execute((signal) => (inner = signal, never()), { signal: controller.signal });
  for (const end = Date.now() + 20_000; inner === undefined && Date.now() < end; ) await sleep(2);
  controller.abort(reason);
  await assert.rejects(call, (given) => given === reason);
  assert.equal(inner.reason, reason);
  await assert.rejects(guarded.execute(() => 1, { signal: AbortSignal.abort(reason) }), (given) => given === reason);
});

test('policy: without any part it calls the function', async () => {
  assert.equal(await policy().execute(async () => 7), 7);
  await assert.rejects(policy().execute(fails()), /down/);
});

test('a bad option is named with its value', () => {
  assert.throws(() => new Bulkhead({ maxConcurrent: -1 }), { name: 'RangeError', message: /"maxConcurrent".*-1/ });
  assert.throws(() => new RetryBudget({ ratio: 'much' }), { name: 'TypeError', message: /"ratio".*"much"/ });
  assert.throws(() => policy({ hedge: {} }), { name: 'TypeError', message: /"delayMs".*"percentile"/ });
  assert.throws(() => policy({ hedge: { percentile: 100 } }), { name: 'RangeError', message: /"percentile".*100/ });
  assert.throws(() => policy({ timeoutMs: -1 }), { name: 'RangeError', message: /"timeoutMs".*-1/ });
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => new Bulkhead(value)), 40);
  assert.equal(await survives((value) => new RetryBudget(value)), 40);
  assert.equal(await survives((value) => new Bulkhead().execute(value)), 40);
  assert.equal(await survives((value) => hedge(value, { delayMs: 1 })), 40);
  assert.equal(await survives((value) => hedge(() => 1, { delayMs: value, percentile: value, maxHedges: value })), 40);
  assert.equal(await survives((value) => policy(value)?.execute(() => 1)), 40);
  assert.equal(await survives((value) => policy({ timeoutMs: 50, retry: { backoffMs: 1 }, fallback: value }).execute(() => { throw value; })), 40);
});
