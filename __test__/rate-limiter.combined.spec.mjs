// Several limits as one.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';
import { survives } from './support/resilience.mjs';

const open = [];
const keep = (each) => { open.push(each); return each; };
const limiter = (rateLimit, refillRate = 0.000001, options = {}) => keep(new RateLimiter({ rateLimit, refillRate, ...options }));
const left = (each, id) => each.peek(id).remaining;

function made(options) {
  const [user, service, global] = [limiter(5), limiter(8), limiter(10)];
  return { user, service, global, limits: keep(RateLimiter.combine({ user, service, global }, options)) };
}

test.after(() => { for (const each of open) each.shutdown(); });

test('all let a request through, or none is touched', async () => {
  const { user, service, global, limits } = made();
  assert.deepEqual(await limits.acquire({ user: 'a', service: 's' }, 3), { acquired: true, waitTime: 0, retryAfterMs: 0, remaining: 2 });
  assert.deepEqual([left(user, 'a'), left(service, 's'), left(global, '*')], [2, 5, 7]);
  assert.equal(limits.isAllowed({ user: 'a', service: 's' }, 3), false);
  assert.deepEqual([left(user, 'a'), left(service, 's'), left(global, '*')], [2, 5, 7]);
  assert.deepEqual(limits.peek({ user: 'a', service: 's' }, 3).refusedBy, ['user']);
  assert.equal(limits.isAllowed({ user: 'b', service: 's' }, 5), true);
  assert.deepEqual(limits.peek({ user: 'c', service: 's' }, 3).refusedBy, ['service', 'global']);
  assert.deepEqual([user.stats.deniedRequests, service.stats.deniedRequests, user.stats.allowedRequests], [1, 0, 2]);
});

test('a thousand at once take exactly what there is', async () => {
  const { global, limits } = made();
  const answers = await Promise.allSettled(Array.from({ length: 1000 }, (_, index) => limits.acquire({ user: index, service: index }, 1, { timeoutMs: 0 })));
  assert.equal(answers.filter(({ status }) => status === 'fulfilled').length, 10);
  assert.equal(left(global, '*'), 0);
  assert.ok(answers.filter(({ reason }) => reason !== undefined).every(({ reason }) => reason.code === 'ERR_TOOLOO_TIMEOUT'));
});

test('who waits is served when the tokens come, in the order of arrival; others pass', async () => {
  const user = limiter(2, 2, { refillInterval: 1000 });
  const limits = keep(RateLimiter.combine({ user, all: limiter(1000) }));
  const order = [];
  const ask = (name, id, tokens) => limits.acquire({ user: id }, tokens).then(({ waitTime }) => { order.push(name); return waitTime; });
  await ask('first', 'a', 2);
  const waits = [ask('second', 'a', 2), ask('third', 'a', 1)];
  assert.equal(limits.waitingRequests, 2);
  await ask('other', 'b', 1);
  assert.ok((await Promise.all(waits)).every((waitTime) => waitTime >= 1));
  assert.deepEqual(order, ['first', 'other', 'second', 'third']);
});

test('a wait ends by its limit, its signal or a shutdown; a cost that never fits is refused at once', async () => {
  const { user, service, limits } = made({ maxWaitTime: 10 });
  await limits.acquire({ user: 'a', service: 's' }, 5);
  await assert.rejects(limits.acquire({ user: 'a', service: 's' }), { code: 'ERR_TOOLOO_TIMEOUT', message: /timeout for user a/ });
  const controller = new AbortController();
  const aborted = limits.acquire({ user: 'a', service: 's' }, 1, { signal: controller.signal, timeoutMs: 60_000 });
  controller.abort(new Error('enough'));
  await assert.rejects(aborted, { name: 'AbortError', code: 'ERR_TOOLOO_ABORTED' });
  await assert.rejects(limits.acquire({ user: 'a' }, 1, { signal: AbortSignal.abort() }), { name: 'AbortError' });
  await assert.rejects(limits.acquire({ user: 'b', service: 's' }, 6), { code: 'ERR_TOOLOO_COST_EXCEEDS_LIMIT' });
  const waiting = limits.acquire({ user: 'a' }, 1, { timeoutMs: 60_000 });
  limits.shutdown();
  await assert.rejects(waiting, { code: 'ERR_TOOLOO_CLOSED' });
  assert.deepEqual([left(user, 'a'), left(service, 's')], [0, 3]);
});

test('a line has its length, and a limiter that was replaced takes nothing from the others', async () => {
  const { limits } = made({ maxQueueLength: 1 });
  await limits.acquire({ user: 'a' }, 5);
  const first = limits.acquire({ user: 'a' }, 1, { timeoutMs: 60_000 });
  await assert.rejects(limits.acquire({ user: 'a' }, 1, { timeoutMs: 60_000 }), { code: 'ERR_TOOLOO_QUEUE_FULL' });
  limits.shutdown();
  await assert.rejects(first);
  const [open, shut] = [limiter(5), limiter(5)];
  shut.isAllowed = () => false;
  assert.equal(RateLimiter.combine({ open, shut }).isAllowed({}), false);
  assert.equal(left(open, '*'), 5);
});

test('bad input names what is wrong; forty odd values are answered', async () => {
  for (const wrong of [undefined, null, {}, { user: {} }, 5]) assert.throws(() => RateLimiter.combine(wrong), TypeError);
  assert.throws(() => RateLimiter.combine({ a: limiter(1) }, { maxWaitTime: -1 }), /maxWaitTime/);
  const { limits } = made({ maxWaitTime: 1 });
  await assert.rejects(limits.acquire({ nobody: 1 }), /nobody/);
  await assert.rejects(limits.acquire({}, -1), { code: 'ERR_TOOLOO_INVALID_ARGUMENT' });
  await assert.rejects(limits.acquire({}, 1, { timeoutMs: 'long' }), /timeoutMs/);
  assert.equal(await survives((value) => limits.acquire(value, 1)), 40);
  assert.equal(await survives((value) => limits.acquire({ user: value, service: value }, value, { timeoutMs: value })), 40);
  assert.equal(await survives((value) => { limits.isAllowed({ user: value }, value); limits.peek({ user: value }); }), 40);
  assert.equal(await survives((value) => RateLimiter.combine(value, value)), 40);
});
