// A real Varnish with xkey in front of the demo's web service.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { CircuitBreaker, Cdn, DistributedTracer, MultiLayerCacheManager, RateLimiter } from 'tooloo-native';
import { closeConnections, request } from '../examples/servers/http.mjs';
import { Meter } from '../examples/servers/meter.mjs';
import { createWeb } from '../examples/servers/web/app.mjs';
import { until } from './support/until.mjs';
import { startVarnish, withoutVarnish } from './support/varnish.mjs';

const skip = withoutVarnish();
const close = (server) => {
  server.closeAllConnections?.();
  return new Promise((resolve) => server.close(resolve));
};

/** Prices, which change each time they are asked for, so that an answer tells when it was made. */
let made = 0;
let failing = false;
const cache = new MultiLayerCacheManager({ disk: false });
let budget;
let server;
let web;
let varnish;
let cdn;
let tracer;
let limiter;
const get = async (path, headers = {}) => {
  const answer = await request(varnish.url, path, { headers: { 'x-client-id': 'x', ...headers } });
  return { ...answer, cache: answer.headers['x-cache'], body: answer.text === '' ? undefined : JSON.parse(answer.text) };
};
const price = async (id) => (await get(`/api/prices/${id}`)).body.made;

before(async () => {
  if (skip) return;
  budget = http.createServer(async (req, res) => {
    if (failing) {
      res.writeHead(503).end('{}');
      return;
    }
    const value = await cache.getOrSet(req.url, () => ({ path: req.url, made: (made += 1) }), { ttl: 60_000, tags: ['prices'] });
    res.setHeader('content-type', 'application/json');
    res.end(JSON.stringify(value));
  });
  budget.listen(0, '127.0.0.1');
  await once(budget, 'listening');
  // The CDN's address is known when it stands in front of the service, and the service has to be there first.
  server = http.createServer((req, res) => web(req, res));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  varnish = await startVarnish(server.address().port);
  cdn = new Cdn({ provider: 'varnish', url: varnish.url, requestsPerSecond: 1000 });
  cache.cdn = cdn;
  tracer = new DistributedTracer({ serviceName: 'web' });
  limiter = new RateLimiter({ rateLimit: 10_000 });
  web = createWeb({
    budgetUrl: `http://127.0.0.1:${budget.address().port}`, breaker: new CircuitBreaker('budget'), limiter, tracer, meter: new Meter(),
    cdn: cdn.middleware({
      sharedMaxAgeMs: 60_000, staleWhileRevalidateMs: 60_000, vary: 'accept-language',
      tags: (req) => ['prices', cdn.keyTag(req.originalUrl.replace('/api', ''))],
    }),
  });
});

after(async () => {
  if (skip) return;
  await cdn.close();
  await varnish.stop();
  await close(server);
  await close(budget);
  closeConnections();
  tracer.shutdown();
  limiter.shutdown();
  cache.destroy();
});

test('the second answer comes from Varnish, and no tag or order to it goes further', { skip }, async () => {
  const first = await get('/api/prices/1');
  const second = await get('/api/prices/1');
  assert.deepEqual([first.status, first.cache, second.cache, second.body], [200, 'MISS', 'HIT', first.body]);
  assert.equal(second.headers['cache-control'], 'public, max-age=0, stale-while-revalidate=60, stale-if-error=60');
  assert.equal(second.headers.vary, 'accept-language');
  assert.equal(second.headers.xkey, undefined);
  assert.equal(second.headers['surrogate-control'], undefined);
});

test('who has it already gets 304, from Varnish as well', { skip }, async () => {
  const { headers, text } = await get('/api/prices/2');
  assert.match(headers.etag, /^"[\w-]{27}"$/);
  const again = await get('/api/prices/2', { 'if-none-match': headers.etag });
  assert.deepEqual([again.status, again.text], [304, '']);
  assert.notEqual(text, '');
});

test('invalidating a key of the cache purges the answers made of it, and no others', { skip }, async () => {
  const [one, other] = [await price(3), await price(4)];
  assert.equal(await cache.invalidate('/prices/3'), true);
  await cdn.flush();
  // A soft purge: the old answer is served while the new one is fetched.
  await until(async () => (await price(3)) > one);
  assert.equal(await price(4), other);
});

test('invalidating a tag purges all that bear it', { skip }, async () => {
  const before = [await price(5), await price(6)];
  await cache.invalidateTag('prices');
  await cdn.flush();
  await until(async () => (await price(5)) > before[0] && (await price(6)) > before[1]);
});

test('a soft purge leaves the old answer to serve while the app fails, a hard one does not', { skip }, async () => {
  const old = await price(7);
  await until(async () => (await get('/api/prices/7')).cache === 'HIT');
  failing = true;
  try {
    await cache.invalidate('/prices/7');
    await cdn.flush();
    for (let turn = 0; turn < 5; turn += 1) assert.equal(await price(7), old);
    const hard = new Cdn({ provider: 'varnish', url: varnish.url, soft: false });
    await hard.purgeKeys('/prices/7');
    assert.equal((await get('/api/prices/7')).status, 503);
    await hard.close();
  } finally {
    failing = false;
  }
});

test('purgeAll empties it', { skip }, async () => {
  const before = [await price(8), await price(9)];
  await cache.invalidateAll(['/prices/8', '/prices/9']);
  await cdn.purgeAll();
  assert.ok((await price(8)) > before[0] && (await price(9)) > before[1]);
});

test('answers for one person are not kept', { skip }, async () => {
  await get('/api/prices/10', { authorization: 'Bearer x' });
  const again = await get('/api/prices/10', { authorization: 'Bearer x' });
  assert.deepEqual([again.cache, again.headers['cache-control']], ['MISS', 'private, no-cache']);
});

test('the counters say what went out', { skip }, () => {
  const { provider, pending, requests, purged, failed } = cdn.getStats();
  assert.deepEqual([provider, pending, failed], ['varnish', 0, 0]);
  assert.ok(requests >= 4 && purged >= 4);
});
