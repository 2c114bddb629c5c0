// getBusiest: who asks for the most, without looking at everybody at once.
import assert from 'node:assert/strict';
import { afterEach, test } from 'node:test';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';

const limiters = [];
const make = (options) => {
  const limiter = new RateLimiter({ refillRate: 0.001, ...options });
  limiters.push(limiter);
  return limiter;
};
afterEach(() => limiters.splice(0).forEach((limiter) => limiter.shutdown()));
const names = (busiest) => busiest.map(({ client }) => client);

test('the longest line comes first, then the emptiest bucket or a block; full buckets are left out', async () => {
  const limiter = make({ rateLimit: 10 });
  for (const [client, calls] of [
    ['some', 3],
    ['most', 9],
    ['all', 10],
    ['none', 0],
  ]) {
    limiter.isAllowed(client, 0);
    for (let call = 0; call < calls; call += 1) limiter.isAllowed(client);
  }
  limiter.block('blocked', 60_000);
  for (let call = 0; call < 10; call += 1) limiter.isAllowed('line');
  const waiting = [limiter.acquire('line'), limiter.acquire('line')].map((each) => each.catch(() => {}));
  const busiest = limiter.getBusiest();
  assert.deepEqual(names(busiest), ['line', 'all', 'blocked', 'most', 'some']);
  assert.deepEqual(
    busiest.map(({ queueSize }) => queueSize),
    [2, 0, 0, 0, 0],
  );
  const { buckets } = limiter.getStats();
  for (const { client, tokens, limit, utilization, queueSize } of busiest)
    assert.deepEqual({ tokens, limit, utilization, queueSize }, buckets[client]);
  assert.ok(busiest[2].blockedMs > 50_000);
  assert.deepEqual(names(limiter.getBusiest(2)), ['line', 'all']);
  limiter.shutdown();
  await Promise.all(waiting);
});

test('what was refilled in the meantime counts', async () => {
  const limiter = make({ rateLimit: 1, refillRate: 100, refillInterval: 10 });
  limiter.isAllowed('quick');
  while (limiter.getBusiest().length > 0)
    await new Promise((resolve) => {
      setTimeout(resolve, 5);
    });
  assert.equal(limiter.peek('quick').remaining, 1);
});

test('of very many clients every busy one is found in a few calls, and stays', () => {
  const limiter = make({ rateLimit: 5 });
  const count = 150_000;
  for (let client = 0; client < count; client += 1) limiter.isAllowed(`client ${client}`, 0);
  const busy = [3, count / 2, count - 1].map((client) => `client ${client}`);
  for (const client of busy) limiter.isAllowed(client, 4);
  for (let call = 0; call < 6; call += 1) limiter.getBusiest();
  for (let call = 0; call < 6; call += 1) assert.deepEqual(names(limiter.getBusiest()).sort(), [...busy].sort());
  limiter.resetBucket(busy[0]);
  limiter.cleanupIdleBuckets(-1);
  for (let call = 0; call < 6; call += 1) limiter.getBusiest();
  assert.deepEqual(limiter.getBusiest(), [], 'nobody is left');
});

test('nobody yet, nonsense for a number, and names of any kind', () => {
  const limiter = make();
  assert.deepEqual(limiter.getBusiest(), []);
  for (const wrong of [0, -1, 1.5, NaN, Infinity, 1001, '5', null])
    assert.throws(() => limiter.getBusiest(wrong), RangeError, String(wrong));
  for (const id of ['__proto__', 7, null, '<script>']) limiter.isAllowed(id);
  assert.deepEqual(names(limiter.getBusiest()).sort(), ['7', '<script>', '__proto__', 'null']);
});

test('without buckets the statistics are the same otherwise', () => {
  const limiter = make();
  limiter.isAllowed('a');
  const { buckets, ...rest } = limiter.getStats();
  assert.deepEqual(Object.keys(buckets), ['a']);
  assert.deepEqual(limiter.getStats({ buckets: false }), { ...rest, buckets: {} });
});
