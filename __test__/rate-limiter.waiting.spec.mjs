// Waiting in line: order, deadlines, signals, shutdown, and what keeps a process alive.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';

const MODULE = new URL('../src/js/lib/rate-limiter.mjs', import.meta.url);
const limiters = [];
const make = (options) => {
  const limiter = new RateLimiter(options);
  limiters.push(limiter);
  return limiter;
};
test.afterEach(() => limiters.splice(0).forEach((limiter) => limiter.shutdown()));

/** A limiter whose client `a` has nothing left. */
function empty(options) {
  const limiter = make({ rateLimit: 10, refillRate: 100, refillInterval: 50, ...options });
  limiter.getBucket('a').tokens = 0;
  return limiter;
}

test('RL-K1: a wait that is too long rejects with the timeout message and a code', async () => {
  const limiter = empty({ refillRate: 0.001, maxWaitTime: 50 });
  await assert.rejects(limiter.acquire('a', 10), {
    message: 'Rate limit queue timeout for a',
    code: 'ERR_TOOLOO_TIMEOUT',
    retryable: true,
  });
  assert.equal(limiter.getStats().deniedRequests, 1);
});

test('RL-K2: acquire never resolves acquired: false while fairQueueing is on, unless resolveRefused asks for it', async () => {
  const strict = empty({ refillRate: 0.001, maxWaitTime: 20 });
  await assert.rejects(strict.acquire('a'), /timeout/);
  const gentle = empty({ refillRate: 0.001, maxWaitTime: 20, resolveRefused: true });
  const result = await gentle.acquire('a');
  assert.equal(result.acquired, false);
  assert.ok(result.waitTime >= 15 && result.retryAfterMs > 0);
  assert.equal((await gentle.acquire('a', 11)).acquired, false);
});

test('RL-K5: waitTime is the time spent queued, in ms', async () => {
  const limiter = empty({ refillInterval: 100 });
  const start = performance.now();
  const { acquired, waitTime } = await limiter.acquire('a');
  assert.equal(acquired, true);
  assert.ok(waitTime > 0 && waitTime <= performance.now() - start + 1);
});

test('RL-D1: a waiter is woken by the refill that pays for it', async () => {
  const limiter = empty({ refillRate: 20, refillInterval: 100, maxWaitTime: 20_000 });
  assert.equal((await limiter.acquire('a', 3)).acquired, true);
  assert.equal(limiter.requestQueues.size, 0);
});

test('RL-D2: waiters are served in arrival order and newcomers do not overtake', async () => {
  const limiter = empty({ refillRate: 40 });
  const order = [];
  const wait = (name, cost) => limiter.acquire('a', cost).then(() => order.push(name));
  const all = [wait('large', 6), wait('small', 1), wait('third', 1)];
  await sleep(60);
  all.push(wait('newcomer', 1));
  await Promise.all(all);
  assert.deepEqual(order, ['large', 'small', 'third', 'newcomer']);
});

test('RL-D3: one waiter running out of time leaves the others in line', async () => {
  const limiter = empty({ refillRate: 10, refillInterval: 100, maxWaitTime: 20_000 });
  const first = limiter.acquire('a', 10, { timeoutMs: 50 });
  const second = limiter.acquire('a', 1);
  await assert.rejects(first, /timeout/);
  assert.equal((await second).acquired, true);
});

test('RL-D4: cleanupIdleBuckets leaves clients with waiters alone', async () => {
  const limiter = empty({ refillRate: 0.001, maxWaitTime: 60 });
  const waiting = limiter.acquire('a');
  limiter.getBucket('a').lastAccessTime = 0;
  limiter.cleanupIdleBuckets(-1);
  assert.equal(limiter.buckets.has('a'), true);
  await assert.rejects(waiting, /timeout/);
});

test('RL-D6: a cost above the limit is refused at once, with its own code', async () => {
  const limiter = empty({ maxWaitTime: 1e9 });
  await assert.rejects(limiter.acquire('a', 11), { code: 'ERR_TOOLOO_COST_EXCEEDS_LIMIT', message: /timeout for a/ });
});

test('RL-D10: shutdown rejects waiters; acquires that would wait afterwards reject at once', async () => {
  const limiter = empty({ refillRate: 0.001 });
  const waiting = [limiter.acquire('a'), limiter.acquire('a')];
  const settled = Promise.allSettled(waiting);
  limiter.shutdown();
  for (const { reason } of await settled) {
    assert.equal(reason.message, 'Rate limiter shutdown');
    assert.equal(reason.code, 'ERR_TOOLOO_CLOSED');
  }
  await limiter.acquire('b', 10);
  await assert.rejects(limiter.acquire('b'), /Rate limiter shutdown/);
});

test('maxQueueLength bounds the line of one client', async () => {
  const limiter = empty({ refillRate: 0.001, maxWaitTime: 40, maxQueueLength: 2 });
  const waiting = Promise.allSettled([limiter.acquire('a'), limiter.acquire('a')]);
  await assert.rejects(limiter.acquire('a'), { code: 'ERR_TOOLOO_QUEUE_FULL' });
  await waiting;
});

test('an abort takes one waiter out and leaves the others', async () => {
  const limiter = empty({ refillRate: 20, refillInterval: 100 });
  const controller = new AbortController();
  const gone = limiter.acquire('a', 10, { signal: controller.signal });
  const stays = limiter.acquire('a', 1);
  controller.abort(new Error('enough'));
  const error = await gone.catch((reason) => reason);
  assert.deepEqual([error.name, error.code, error.cause.message], ['AbortError', 'ERR_TOOLOO_ABORTED', 'enough']);
  assert.equal((await stays).acquired, true);
  await assert.rejects(limiter.acquire('a', 1, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  await assert.rejects(limiter.acquire('a', 1, { signal: {} }), TypeError);
  await assert.rejects(limiter.acquire('a', 1, { timeoutMs: 'soon' }), TypeError);
});

test('requestQueues shows who waits, in order', async () => {
  const limiter = empty({ refillRate: 0.001, maxWaitTime: 40 });
  const settled = Promise.allSettled([limiter.acquire('a', 2), limiter.acquire('a', 3)]);
  assert.deepEqual(limiter.requestQueues.get('a').map(({ tokens }) => tokens), [2, 3]);
  assert.equal(limiter.getStats().buckets.a.queueSize, 2);
  assert.equal(limiter.getStats().waitingRequests, 2);
  await settled;
  assert.equal(limiter.getStats().buckets.a.queueSize, 0);
});

test('queueRequest waits even when there are tokens; processQueue serves; reward and resetBucket wake', async () => {
  const limiter = make({ rateLimit: 10, refillRate: 0.001, refillInterval: 60 });
  const queued = limiter.queueRequest('a', 4);
  assert.equal(limiter.requestQueues.get('a').length, 1);
  assert.equal(limiter.processQueue('a'), undefined);
  assert.equal((await queued).remaining, 6);
  limiter.getBucket('a').tokens = 0;
  const rewarded = limiter.acquire('a', 2);
  limiter.reward('a', 2);
  assert.equal((await rewarded).acquired, true);
  const reset = limiter.acquire('a', 10);
  limiter.resetBucket('a');
  assert.equal(limiter.requestQueues.get('a').length, 1);
  assert.equal((await reset).acquired, true);
});

test('processQueue is the hook that a refill calls', async () => {
  const limiter = empty();
  const calls = [];
  limiter.processQueue = function processQueue(id) {
    calls.push(id);
    return RateLimiter.prototype.processQueue.call(this, id);
  };
  await limiter.acquire('a');
  assert.deepEqual(calls, ['a']);
});

test('deleting or clearing buckets does not lose waiters', async () => {
  const limiter = empty({ refillRate: 0.001, refillInterval: 60 });
  const waiting = limiter.acquire('a');
  limiter.buckets.clear();
  limiter.processQueue('a');
  assert.equal((await waiting).acquired, true);
});

test('two thousand waiters of two hundred clients all get their tokens, each client in order', async () => {
  const limiter = make({ rateLimit: 5, refillRate: 100, refillInterval: 20 });
  const order = new Map();
  await Promise.all(
    Array.from({ length: 2000 }, async (_, at) => {
      const client = `c${at % 200}`;
      await limiter.acquire(client);
      order.set(client, [...(order.get(client) ?? []), at]);
    }),
  );
  for (const served of order.values()) assert.deepEqual(served, [...served].sort((a, b) => a - b));
});

const run = (body) =>
  spawnSync(process.execPath, ['--input-type=module', '-e', `import { RateLimiter } from ${JSON.stringify(MODULE.href)};\n${body}`], {
    encoding: 'utf8',
    timeout: 20_000,
  });

test('RL-D10: an idle limiter does not keep the process alive, a waiter does', () => {
  const idle = run(`const l = new RateLimiter(); l.isAllowed('a'); await l.acquire('b'); console.log('end');`);
  assert.deepEqual([idle.status, idle.stdout], [0, 'end\n'], idle.stderr);
  const waiting = run(
    `const l = new RateLimiter({ rateLimit: 1, refillRate: 10, refillInterval: 100 });
     l.isAllowed('a'); l.acquire('a').then(() => console.log('served'));`,
  );
  assert.deepEqual([waiting.status, waiting.stdout], [0, 'served\n'], waiting.stderr);
});

test('a worker terminated with waiters ends cleanly', async () => {
  const source = `
    const { parentPort } = require('node:worker_threads');
    const { RateLimiter } = require(${JSON.stringify(fileURLToPath(new URL('./rate-limiter.cjs', MODULE)))});
    const limiter = new RateLimiter({ rateLimit: 1, refillRate: 1, refillInterval: 20 });
    for (let at = 0; at < 500; at += 1) limiter.acquire('a' + (at % 7)).catch(() => {});
    parentPort.postMessage('waiting');`;
  for (let round = 0; round < 3; round += 1) {
    const worker = new Worker(source, { eval: true });
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
  }
});
