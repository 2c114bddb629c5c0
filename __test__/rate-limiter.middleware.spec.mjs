// The middleware, and the limiter in an Express 4 service that awaits acquire without a guard.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'node:test';
import express from 'express';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';

const unhandled = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

async function serve(app, body) {
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    return await body(`http://127.0.0.1:${server.address().port}/`);
  } finally {
    server.closeAllConnections?.();
    server.close();
    await sleep(20);
    assert.deepEqual(unhandled, []);
  }
}

const get = (url, headers) => fetch(url, { headers });
function application(limiter, options) {
  const app = express();
  app.use(limiter.middleware(options));
  app.get('/', (_req, res) => res.send('ok'));
  app.use((error, _req, res, _next) => res.status(500).send(error.message));
  return app;
}
const byUser = { key: (req) => req.headers.user };

test('allowed requests pass with headers, the rest get 429 with Retry-After', async () => {
  const limiter = new RateLimiter({ rateLimit: 3, refillRate: 0.5 });
  await serve(application(limiter, byUser), async (url) => {
    const first = await get(url, { user: 'a' });
    assert.equal(first.status, 200);
    assert.equal(first.headers.get('ratelimit-policy'), '"default";q=3;w=6');
    assert.match(first.headers.get('ratelimit'), /^"default";r=2;t=[12]$/);
    assert.equal(first.headers.get('retry-after'), null);
    await get(url, { user: 'a' });
    await get(url, { user: 'a' });
    const refused = await get(url, { user: 'a' });
    assert.equal(refused.status, 429);
    assert.match(refused.headers.get('retry-after'), /^[12]$/);
    assert.match(refused.headers.get('ratelimit'), /^"default";r=0;t=[56]$/);
    assert.equal((await refused.json()).error, 'Too Many Requests');
    assert.equal((await get(url, { user: 'b' })).status, 200);
  });
  limiter.shutdown();
});

test('the address is the default key; cost may be a function; the policy may have a name', async () => {
  const limiter = new RateLimiter({ rateLimit: 10, refillRate: 0.001 });
  await serve(application(limiter, { cost: () => 4, name: 'burst' }), async (url) => {
    const statuses = [];
    for (let at = 0; at < 3; at += 1) statuses.push((await get(url)).status);
    assert.deepEqual(statuses, [200, 200, 429]);
    assert.match((await get(url)).headers.get('ratelimit'), /^"burst";r=2/);
    assert.deepEqual([...limiter.buckets.keys()], ['127.0.0.1']);
  });
});

test('a cost that never fits is answered without Retry-After', async () => {
  const limiter = new RateLimiter({ rateLimit: 1 });
  await serve(application(limiter, { cost: 5 }), async (url) => {
    const refused = await get(url);
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, null]);
    assert.equal((await refused.json()).retryAfterMs, null);
  });
});

test('asynchronous keys and costs are awaited', async () => {
  const limiter = new RateLimiter({ rateLimit: 1, refillRate: 0.001 });
  const options = { key: async (req) => req.headers.user, cost: async () => 1 };
  await serve(application(limiter, options), async (url) => {
    assert.deepEqual([(await get(url, { user: 'a' })).status, (await get(url, { user: 'a' })).status], [200, 429]);
  });
});

test('a key or cost that throws or rejects goes to the error handler', async () => {
  const limiter = new RateLimiter();
  const failing = [
    { key: () => { throw new Error('no key'); } },
    { key: async () => { throw new Error('no key'); } },
    { key: () => 'a', cost: () => Promise.reject(new Error('no cost')) },
    { key: () => { throw undefined; } },
  ];
  for (const options of failing) {
    await serve(application(limiter, options), async (url) => assert.equal((await get(url)).status, 500));
  }
});

test('wait: requests stand in line; a client that goes away leaves it', async () => {
  const limiter = new RateLimiter({ rateLimit: 1, refillRate: 10, refillInterval: 100 });
  await serve(application(limiter, { ...byUser, wait: true }), async (url) => {
    const all = await Promise.all([1, 2, 3].map(() => get(url, { user: 'a' })));
    assert.deepEqual(all.map(({ status }) => status), [200, 200, 200]);
    limiter.block('gone', 60_000);
    const controller = new AbortController();
    const left = fetch(url, { headers: { user: 'gone' }, signal: controller.signal }).catch(() => 'left');
    while (!limiter.requestQueues.has('gone')) await sleep(5);
    controller.abort();
    assert.equal(await left, 'left');
    for (let tries = 0; limiter.requestQueues.has('gone') && tries < 200; tries += 1) await sleep(10);
    assert.equal(limiter.requestQueues.has('gone'), false);
  });
  limiter.shutdown();
});

test('wait: a wait that is too long, or a shutdown, answers 429', async () => {
  const limiter = new RateLimiter({ rateLimit: 1, refillRate: 0.001, maxWaitTime: 50 });
  await serve(application(limiter, { ...byUser, wait: true }), async (url) => {
    await get(url, { user: 'a' });
    assert.equal((await get(url, { user: 'a' })).status, 429);
    limiter.isAllowed('b');
    const waiting = get(url, { user: 'b' });
    while (!limiter.requestQueues.has('b')) await sleep(1);
    limiter.shutdown();
    assert.equal((await waiting).status, 429);
  });
});

test('what the handlers behind throw stays the framework\'s', () => {
  const limiter = new RateLimiter();
  const response = { setHeader() {} };
  assert.throws(
    () => limiter.middleware({ key: () => 'a' })({}, response, () => { throw new Error('behind'); }),
    /behind/,
  );
});

test('odd options are refused when the middleware is made', () => {
  const limiter = new RateLimiter();
  assert.throws(() => limiter.middleware({ key: 'ip' }), TypeError);
  assert.throws(() => limiter.middleware({ cost: {} }), TypeError);
});

test('X-4, RL-D1: an Express 4 service that awaits acquire without a guard answers every request under load', async () => {
  const limiter = new RateLimiter({ rateLimit: 20, refillRate: 200, refillInterval: 50 });
  const app = express();
  app.use(async (req, res, next) => {
    const result = await limiter.acquire(req.ip);
    if (!result.acquired) return res.status(429).end();
    res.setHeader('X-RateLimit-Remaining', result.remaining);
    return next();
  });
  app.get('/', (_req, res) => res.send('ok'));
  await serve(app, async (url) => {
    const answers = await Promise.all(Array.from({ length: 200 }, () => get(url)));
    assert.ok(answers.every(({ status }) => status === 200));
    assert.ok(limiter.stats.queuedRequests > 0);
  });
});
