// Forty odd inputs and more: an error or an answer, never a crash, an abort or an unhandled rejection.
import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';

const unhandled = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

const hostile = {
  get rateLimit() { throw new Error('getter'); },
  toString() { throw new Error('toString'); },
  valueOf() { throw new Error('valueOf'); },
  [Symbol.toPrimitive]() { throw new Error('toPrimitive'); },
};
const trap = new Proxy({}, { get() { throw new Error('trap'); }, has() { throw new Error('trap'); } });
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const circular = {};
circular.self = circular;

const INPUTS = [
  undefined, null, true, false, 0, -0, 1, -1, 0.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 32, 2 ** 53, 1e308, 5e-324,
  '', '0', '1', 'x'.repeat(1_000_000), '\u0000', '\ud800', '💩'.repeat(300), '__proto__', 'constructor',
  1n, -(2n ** 70n), Symbol('s'), Symbol.iterator, [], [1], {}, Object.create(null), hostile, trap, revoked.proxy,
  circular, () => {}, class {}, new Date(NaN), /x/, new Map(), new Uint8Array(3), new Float64Array(8), Promise.resolve(),
  new Error('e'), globalThis, new WeakMap(), JSON, Buffer.from('x'), new Proxy(() => {}, {}),
];

/** Runs it; an error is as good as an answer. */
function attempt(body) {
  try {
    const answer = body();
    if (answer instanceof Promise) return answer.catch((error) => assert.ok(error instanceof Error));
    return answer;
  } catch (error) {
    assert.ok(error instanceof Error, 'threw something that is not an error');
    return undefined;
  }
}

test(`the constructor takes ${INPUTS.length} odd values, as options and for each option`, () => {
  const names = [
    'rateLimit', 'refillRate', 'refillInterval', 'maxWaitTime', 'fairQueueing', 'maxClients', 'maxQueueLength',
    'idleMs', 'resolveRefused',
  ];
  for (const input of INPUTS) {
    attempt(() => new RateLimiter(input).shutdown());
    for (const name of names) {
      attempt(() => {
        const limiter = new RateLimiter({ [name]: input });
        limiter.isAllowed('a');
        limiter.getStats();
        limiter.shutdown();
      });
    }
  }
});

test('every method takes odd clients and odd arguments', async () => {
  const limiter = new RateLimiter({ maxWaitTime: 20, rateLimit: 5 });
  const one = ['isAllowed', 'getBucket', 'resetBucket', 'processQueue', 'peek', 'cleanupIdleBuckets', 'middleware'];
  const two = ['isAllowed', 'acquire', 'queueRequest', 'setLimit', 'peek', 'penalty', 'reward', 'block'];
  const waiting = [];
  for (const input of INPUTS) {
    for (const name of one) attempt(() => limiter[name](input));
    for (const name of two) {
      waiting.push(attempt(() => limiter[name](input, input)));
      waiting.push(attempt(() => limiter[name]('client', input)));
    }
    waiting.push(attempt(() => limiter.acquire('client', 1, input)));
    waiting.push(attempt(() => limiter.acquire('client', 1, { signal: input })));
    waiting.push(attempt(() => limiter.acquire('client', 1, { timeoutMs: input })));
    attempt(() => limiter.setLimit('client', 5, input));
    for (const key of ['tokens', 'limit', 'refillRate', 'lastAccessTime']) {
      attempt(() => {
        limiter.getBucket(input)[key] = input;
        limiter.isAllowed(input);
        limiter.peek(input);
      });
    }
    attempt(() => limiter.buckets.set(input, input));
    attempt(() => limiter.buckets.delete(input));
    attempt(() => limiter.requestQueues.get(input));
  }
  attempt(() => JSON.stringify(limiter.getStats()));
  await sleep(60);
  limiter.shutdown();
  await Promise.all(waiting);
  assert.deepEqual(unhandled, []);
});

test('writing to the fields breaks nothing', async () => {
  for (const input of INPUTS) {
    const limiter = new RateLimiter({ maxWaitTime: 10 });
    for (const name of ['rateLimit', 'refillRate', 'refillInterval', 'maxWaitTime', 'fairQueueing', 'refillTimer']) {
      attempt(() => { limiter[name] = input; });
      attempt(() => limiter.isAllowed(`new ${name}`));
    }
    const waiting = attempt(() => limiter.acquire('a', 1e9));
    attempt(() => limiter.getStats());
    attempt(() => limiter.shutdown());
    await waiting;
  }
  assert.deepEqual(unhandled, []);
});

test('methods without their limiter throw', async () => {
  const { isAllowed, getBucket, acquire } = RateLimiter.prototype;
  assert.throws(() => isAllowed('a'), TypeError);
  assert.throws(() => getBucket.call({}, 'a'), TypeError);
  await assert.rejects(acquire.call({}, 'a'), TypeError);
  assert.throws(() => RateLimiter(), TypeError);
});
