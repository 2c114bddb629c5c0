import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import http from 'node:http';
import { createRequire } from 'node:module';
import net from 'node:net';
import test from 'node:test';
import same, { retry } from '../src/js/lib/retry-policy.mjs';
import { never, sleep, survives } from './support/resilience.mjs';

const coded = (code, message = 'failed') => Object.assign(new Error(message), { code });

/** Fails with each error in turn, then gives `'done'`. */
function failing(...errors) {
  const fn = () => {
    fn.calls += 1;
    if (fn.calls <= errors.length) throw errors[fn.calls - 1];
    return 'done';
  };
  fn.calls = 0;
  return fn;
}
const transient = (count) => failing(...Array.from({ length: count }, () => coded('ECONNRESET')));
const fast = { backoffMs: 1 };
async function calls(error, options) {
  const fn = failing(error, error, error, error);
  await assert.rejects(retry(fn, { ...fast, ...options }), (given) => given === error);
  return fn.calls;
}

test('import, require and the default export are one function', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/retry-policy.cjs');
  assert.equal(same, retry);
  assert.equal(required.retry, retry);
  assert.equal(required.default, retry);
});

test('a call that fails twice for a passing reason succeeds at the third', async () => {
  const fn = transient(2);
  assert.equal(await retry(fn, fast), 'done');
  assert.equal(fn.calls, 3);
});

test('the last error comes back unchanged after three attempts', async () => {
  assert.equal(await calls(coded('ETIMEDOUT')), 3);
});

test('the function gets no arguments unless it asks for a signal', async () => {
  assert.equal(await retry(function () { return arguments.length; }), 0);
  assert.ok(await retry((signal) => signal instanceof AbortSignal));
});

test('RT-K1: delays double, onRetry hears of each before the wait and not of the last attempt', async () => {
  const heard = [];
  const error = coded('ECONNREFUSED');
  const onRetry = (...args) => heard.push(args);
  await assert.rejects(retry(failing(error, error, error), { backoffMs: 2, jitter: false, onRetry }));
  assert.deepEqual(heard, [[1, error, 2], [2, error, 4]]);
});

test('RT-K1: jitter leaves between half and the whole of a delay', async () => {
  const heard = [];
  await retry(transient(2), { backoffMs: 8, onRetry: (attempt, error, delay) => heard.push(delay) });
  assert.ok(heard[0] >= 4 && heard[0] <= 8 && heard[1] >= 8 && heard[1] <= 16, `${heard}`);
});

test('RT-K1: each attempt has its own time limit, and an attempt that took too long is made again', async () => {
  let signals = [];
  const fn = (signal) => (signals.push(signal), signals.length === 1 ? never() : 'done');
  assert.equal(await retry(fn, { ...fast, timeout: 20 }), 'done');
  assert.equal(signals[0].aborted, true);
  await assert.rejects(retry(never, { timeout: 5, maxAttempts: 1 }), { message: 'Timeout after 5ms', code: 'ERR_TOOLOO_TIMEOUT' });
});

test('timeout 0 is over at once', async () => {
  await assert.rejects(retry(never, { timeout: 0, maxAttempts: 1 }), /Timeout after 0ms/);
});

test('RT-K2: the caller’s predicate is asked about the last attempt too, which is final all the same', async () => {
  const asked = [];
  const error = new Error('odd');
  const shouldRetry = (...args) => asked.push(args) > 0;
  await assert.rejects(retry(failing(error, error), { ...fast, maxAttempts: 2, shouldRetry }), (given) => given === error);
  assert.deepEqual(asked, [[error, 1, 2], [error, 2, 2]]);
  assert.equal(await calls(coded('ECONNRESET'), { shouldRetry: () => false }), 1);
});

test('what onRetry throws replaces the error', async () => {
  const mine = new Error('mine');
  await assert.rejects(retry(transient(1), { ...fast, onRetry() { throw mine; } }), (given) => given === mine);
});

test('a predicate that gives a promise has said yes, even if it rejects', async () => {
  assert.equal(await retry(transient(1), { ...fast, shouldRetry: async () => { throw new Error('no'); } }), 'done');
});

test('the built-in rules, in their order', async () => {
  const status = (statusCode, message = 'x') => Object.assign(new Error(message), { statusCode });
  assert.equal(await calls(status(404, 'Timeout')), 1);
  assert.equal(await calls(status(429, '503')), 1);
  assert.equal(await calls(coded('EAUTH', 'Timeout')), 1);
  assert.equal(await calls(new Error('unauthorized: 503')), 1);
  for (const code of ['ECONNREFUSED', 'ECONNRESET', 'ETIMEDOUT', 'EHOSTUNREACH']) {
    assert.equal(await calls(coded(code)), 3);
    assert.equal(await calls(new Error(`request failed: ${code} here`)), 3);
  }
  for (const message of ['Timeout after 3ms', 'HTTP 502', 'got 503', '504: gateway']) assert.equal(await calls(new Error(message)), 3);
  assert.equal(await calls(new Error('something else')), 1);
});

test('RT-D1: nothing of an attempt that succeeded keeps the process alive', () => {
  const url = new URL('../src/js/lib/retry-policy.mjs', import.meta.url).href;
  const code = `import { retry } from ${JSON.stringify(url)}; await retry(() => 1, { timeout: 3_600_000 });`;
  assert.equal(spawnSync(process.execPath, ['--input-type=module', '-e', code], { timeout: 60_000 }).status, 0);
});

test('RT-D2: what is thrown and is no Error comes back as it is', async () => {
  for (const value of ['text', null, undefined, 5, {}, Object.create(null)]) assert.equal(await calls(value), 1);
  assert.equal(await calls('Timeout'), 3);
});

test('RT-D3: a refused connection of the built-in fetch is made again', async () => {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  let attempts = 0;
  await assert.rejects(retry(() => (attempts += 1, fetch(`http://127.0.0.1:${port}/`)), fast), TypeError);
  assert.equal(attempts, 3);
});

test('RT-D3: statuses 502 to 504 and further network errors are made again', async () => {
  for (const statusCode of [502, 503, 504]) assert.equal(await calls(Object.assign(new Error('x'), { statusCode })), 3);
  assert.equal(await calls(Object.assign(new Error('x'), { statusCode: 500 })), 1);
  for (const code of ['ENOTFOUND', 'EAI_AGAIN', 'EPIPE']) assert.equal(await calls(coded(code)), 3);
  assert.equal(await calls(new DOMException('aborted', 'AbortError')), 3);
});

test('RT-D4: a number that merely contains a status is no reason', async () => {
  assert.equal(await calls(new Error('order 15020 was refused')), 1);
});

test('RT-D5: no attempts is an error that names the option, and null options are none', async () => {
  for (const maxAttempts of [0, -1, NaN]) {
    await assert.rejects(retry(never, { maxAttempts }), { name: 'RangeError', message: /"maxAttempts"/ });
  }
  assert.equal(await retry(() => 1, null), 1);
});

test('RT-D5: a delay is capped, and an abort ends the call or the wait', async () => {
  const heard = [];
  await retry(transient(2), { backoffMs: 50, jitter: false, maxDelayMs: 3, onRetry: (n, error, delay) => heard.push(delay) });
  assert.deepEqual(heard, [3, 3]);
  const reason = new Error('enough');
  const waiting = new AbortController();
  const onRetry = () => setImmediate(() => waiting.abort(reason));
  await assert.rejects(retry(transient(9), { backoffMs: 1e6, signal: waiting.signal, onRetry }), (given) => given === reason);
  const running = new AbortController();
  let inner;
  setTimeout(() => running.abort(reason), 5);
  await assert.rejects(retry((signal) => (inner = signal, never()), { signal: running.signal }), (given) => given === reason);
  assert.equal(inner.aborted, true);
  let ran = false;
  await assert.rejects(retry(() => { ran = true; }, { signal: AbortSignal.abort(reason) }), (given) => given === reason);
  assert.equal(ran, false);
});

test('decorrelated jitter stays between the first delay and the longest', async () => {
  const heard = [];
  const options = { jitter: 'decorrelated', backoffMs: 2, maxDelayMs: 10, maxAttempts: 6, onRetry: (n, error, delay) => heard.push(delay) };
  await retry(transient(5), options);
  assert.equal(heard.length, 5);
  assert.ok(heard.every((delay) => delay >= 2 && delay <= 10), `${heard}`);
});

test('Retry-After is waited for: as seconds, as a date, on fetch’s headers; one beyond maxDelayMs is final', async () => {
  const heard = [];
  const options = { backoffMs: 1, jitter: false, maxDelayMs: 60_000, onRetry: (n, error, delay) => { heard.push(delay); throw error; } };
  const asking = (extra) => Object.assign(new Error('503'), extra);
  const date = new Date(Date.now() + 30_000).toUTCString();
  for (const extra of [
    { retryAfterMs: 700 }, { headers: { 'retry-after': '2' } },
    { response: { headers: new Headers({ 'retry-after': '3' }) } }, { headers: { 'retry-after': date } },
  ]) await assert.rejects(retry(failing(asking(extra)), options));
  assert.deepEqual(heard.slice(0, 3), [700, 2000, 3000]);
  assert.ok(heard[3] > 1000 && heard[3] <= 30_000, `${heard[3]}`);
  assert.equal(await calls(asking({ retryAfterMs: 61_000 }), { maxDelayMs: 60_000 }), 1);
});

test('a real server that answers 503 twice is asked a third time', async () => {
  let asked = 0;
  const server = http.createServer((request, response) => {
    asked += 1;
    response.writeHead(asked < 3 ? 503 : 200).end();
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  try {
    const status = await retry(async () => {
      const response = await fetch(`http://127.0.0.1:${server.address().port}/`);
      await response.arrayBuffer();
      if (!response.ok) throw Object.assign(new Error('refused'), { statusCode: response.status });
      return response.status;
    }, fast);
    assert.deepEqual([status, asked], [200, 3]);
  } finally {
    server.closeAllConnections?.();
    server.close();
  }
});

test('an open circuit is not knocked at again', async () => {
  assert.equal(await calls(coded('CIRCUIT_BREAKER_OPEN', "Circuit breaker 'Timeout' is OPEN (503)")), 1);
});

test('a bad option is named with its value', async () => {
  await assert.rejects(retry(never, { backoffMs: 'x' }), { name: 'TypeError', message: /"backoffMs".*"x"/ });
  await assert.rejects(retry(never, { jitter: 'wild' }), { name: 'TypeError', message: /"jitter"/ });
  await assert.rejects(retry(never, { signal: 5 }), { name: 'TypeError', message: /"signal"/ });
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => retry(value, { ...fast, timeout: 20 })), 40);
  assert.equal(await survives((value) => retry(() => { throw value; }, { ...fast, maxAttempts: 2 })), 40);
  for (const name of ['maxAttempts', 'backoffMs', 'jitter', 'timeout', 'maxDelayMs', 'signal', 'onRetry', 'shouldRetry']) {
    assert.equal(await survives((value) => retry(transient(1), { ...fast, maxAttempts: 2, maxDelayMs: 5, [name]: value })), 40);
  }
  await sleep(1);
});
