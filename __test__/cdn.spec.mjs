// What each provider is told, and what becomes of a purge that fails: against a server that records.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import express from 'express';
import { Cdn, MultiLayerCacheManager } from 'tooloo-native';
import { request } from '../examples/servers/http.mjs';
import { ROOT } from './support/app.mjs';
import { until } from './support/until.mjs';

async function listening(t, handler) {
  const server = http.createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections?.();
    server.close();
  });
  return `http://127.0.0.1:${server.address().port}`;
}

/** A server that keeps what it was asked and answers with the statuses given, the last of them for ever. */
async function recorder(t, statuses = [200], headers = {}) {
  const asked = [];
  const url = await listening(t, (req, res) => {
    const chunks = [];
    req.on('data', (chunk) => chunks.push(chunk));
    req.on('end', () => {
      asked.push({ method: req.method, url: req.url, headers: req.headers, body: Buffer.concat(chunks).toString(), at: performance.now() });
      res.writeHead(statuses.length > 1 ? statuses.shift() : statuses[0], headers);
      res.end('{"status":"ok"}');
    });
  });
  return { url, asked };
}

test('Fastly: POST /service/<id>/purge with Surrogate-Key, Fastly-Key and Fastly-Soft-Purge', async (t) => {
  const { url, asked } = await recorder(t);
  const cdn = new Cdn({ provider: 'fastly', url, serviceId: 'SVC1', token: 'the token' });
  await cdn.purge(['users', 'user 7', 'users']);
  await cdn.purgeAll();
  await cdn.close();
  const [{ method, url: path, headers, body }, all] = asked;
  assert.deepEqual([method, path, body], ['POST', '/service/SVC1/purge', '']);
  assert.equal(headers['surrogate-key'], 'users user%207');
  assert.deepEqual([headers['fastly-key'], headers['fastly-soft-purge']], ['the token', '1']);
  assert.deepEqual([all.method, all.url, all.headers['fastly-key']], ['POST', '/service/SVC1/purge_all', 'the token']);
});

test('Fastly: no more than 256 keys in a request, and soft: false says nothing of soft', async (t) => {
  const { url, asked } = await recorder(t);
  const cdn = new Cdn({ provider: 'fastly', url, serviceId: 's', token: 't', soft: false, requestsPerSecond: 1000 });
  await cdn.purge(Array.from({ length: 600 }, (_, index) => `tag-${index}`));
  await cdn.close();
  assert.deepEqual(asked.map(({ headers }) => headers['surrogate-key'].split(' ').length), [256, 256, 88]);
  assert.ok(asked.every(({ headers }) => headers['fastly-soft-purge'] === undefined));
});

test('Cloudflare: POST /zones/<id>/purge_cache with tags and a bearer token, 30 tags in a request', async (t) => {
  const { url, asked } = await recorder(t);
  const cdn = new Cdn({ provider: 'cloudflare', url: `${url}/client/v4`, zoneId: 'Z1', token: 'tok', requestsPerSecond: 1000 });
  await cdn.purge(Array.from({ length: 31 }, (_, index) => `t${index}`));
  await cdn.purgeAll();
  await cdn.close();
  assert.deepEqual([asked[0].method, asked[0].url], ['POST', '/client/v4/zones/Z1/purge_cache']);
  assert.deepEqual([asked[0].headers.authorization, asked[0].headers['content-type']], ['Bearer tok', 'application/json']);
  assert.deepEqual(asked.map(({ body }) => JSON.parse(body).tags?.length), [30, 1, undefined]);
  assert.deepEqual(JSON.parse(asked[2].body), { purge_everything: true });
});

test('nginx: the pages of a tag are fetched anew, past its cache', async (t) => {
  const { url, asked } = await recorder(t);
  const cdn = new Cdn({ provider: 'nginx', url, token: 'secret', requestsPerSecond: 1000 });
  const app = express();
  app.use(cdn.middleware({ sharedMaxAgeMs: 5000, tags: ['news'] }));
  app.get('*', (req, res) => res.send('page'));
  const site = await listening(t, app);
  const { headers } = await request(site, '/a?x=1');
  assert.equal(headers['x-accel-expires'], '5');
  await request(site, '/b');
  await cdn.purge('news');
  await cdn.purge('nobody bears this');
  assert.deepEqual(asked.map(({ method, url: path }) => `${method} ${path}`).sort(), ['GET /a?x=1', 'GET /b']);
  assert.ok(asked.every(({ headers: sent }) => sent['x-cache-refresh'] === 'secret'));
  await assert.rejects(cdn.purgeAll(), { code: 'ERR_TOOLOO_REFUSED', message: /nginx/ });
  await cdn.close();
});

test('custom: the function is told, and told again when it fails', async () => {
  const told = [];
  const cdn = new Cdn({
    provider: 'custom', tagHeader: 'X-Tags', tagSeparator: ', ', requestsPerSecond: 1000,
    purge: async (what) => {
      told.push(what);
      if (told.length === 1) throw new Error('not now');
    },
  });
  await cdn.purge(['a', 'b']);
  await cdn.purgeAll();
  assert.deepEqual(told, [{ all: false, tags: ['a', 'b'] }, { all: false, tags: ['a', 'b'] }, { all: true, tags: [] }]);
  assert.equal(cdn.getStats().retried, 1);
});

test('purges that come together share a request; those that come while it is under way share the next', async (t) => {
  const { url, asked } = await recorder(t);
  const cdn = new Cdn({ provider: 'varnish', url, requestsPerSecond: 1000 });
  const first = [cdn.purge('a'), cdn.purge('b'), cdn.purge('a')];
  await until(() => asked.length === 1);
  const second = [cdn.purge('a'), cdn.purge('c')];
  await Promise.all([...first, ...second]);
  assert.deepEqual(asked.map(({ method, headers }) => [method, headers['xkey-softpurge']]), [['PURGE', 'a b'], ['PURGE', 'a c']]);
  await cdn.close();
});

test('no more requests a second than asked for', async (t) => {
  const { url, asked } = await recorder(t);
  const cdn = new Cdn({ provider: 'varnish', url, maxBatch: 1, batchMs: 1, requestsPerSecond: 20 });
  await cdn.purge(['a', 'b', 'c', 'd']);
  const gaps = asked.slice(1).map(({ at }, index) => at - asked[index].at);
  // Timers may be late, and arrival differs from departure by little.
  assert.ok(gaps.every((gap) => gap > 35), String(gaps));
  await cdn.close();
});

test('a passing failure is tried again until it is purged', async (t) => {
  const { url, asked } = await recorder(t, [503, 429, 200]);
  const cdn = new Cdn({ provider: 'varnish', url, token: 'secret', requestsPerSecond: 1000 });
  await cdn.purge('a');
  assert.equal(asked.length, 3);
  const { retried, purged, failed } = cdn.getStats();
  assert.deepEqual([retried, purged, failed], [2, 1, 0]);
  await cdn.close();
});

test('a refusal is told at once: by the promise, the event and a code, without a secret', async (t) => {
  const { url, asked } = await recorder(t, [403]);
  const cdn = new Cdn({ provider: 'varnish', url, token: 'secret' });
  const heard = once(cdn, 'failed');
  await assert.rejects(cdn.purge('a private tag'), (error) => {
    assert.equal(error.code, 'ERR_TOOLOO_REFUSED');
    assert.match(error.message, /403/);
    assert.doesNotMatch(`${error.message} ${error.stack}`, /secret|private|127\.0\.0\.1/);
    return true;
  });
  assert.equal((await heard)[0].code, 'ERR_TOOLOO_REFUSED');
  assert.equal(asked.length, 1);
  await cdn.close();
});

test('nobody there: given up after the retries, and nothing hangs', async () => {
  const cdn = new Cdn({ provider: 'varnish', url: 'http://127.0.0.1:9', retries: 1 });
  cdn.on('failed', () => {});
  await assert.rejects(cdn.purge('a'), { code: 'ERR_TOOLOO_CONNECT' });
  await cdn.close();
});

test('an answer that never comes is given up after timeoutMs', async (t) => {
  const url = await listening(t, () => {});
  const cdn = new Cdn({ provider: 'varnish', url, retries: 0, timeoutMs: 100 });
  cdn.on('failed', () => {});
  await assert.rejects(cdn.purge('a'), { code: 'ERR_TOOLOO_CONNECT' });
  await cdn.close();
});

test('too much waiting becomes one purge of everything', async (t) => {
  const { url, asked } = await recorder(t);
  const cdn = new Cdn({ provider: 'varnish', url, maxPending: 100, requestsPerSecond: 1000 });
  await cdn.purge(Array.from({ length: 101 }, (_, index) => `t${index}`));
  assert.equal(asked.length, 1);
  assert.equal(asked[0].headers['x-purge-everything'], '1');
  assert.equal(cdn.getStats().escalated, 1);
  await cdn.close();
});

test('a pending purge keeps the process alive until it is out; an idle Cdn does not', async (t) => {
  const { url, asked } = await recorder(t);
  const script = (purge) => `
    import { Cdn } from 'tooloo-native';
    const cdn = new Cdn({ provider: 'varnish', url: '${url}', batchMs: 200 });
    cdn.middleware();
    ${purge}`;
  for (const [purge, count] of [['', 0], ["cdn.purge('a');", 1]]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', script(purge)], { cwd: ROOT, stdio: 'inherit' });
    const [code] = await once(child, 'exit');
    assert.deepEqual([code, asked.length], [0, count]);
  }
});

test('a manager purges what it invalidates, after it is gone below, with what depends on it', async () => {
  const told = [];
  const manager = new MultiLayerCacheManager({
    disk: false,
    cdn: { provider: 'custom', requestsPerSecond: 1000, batchMs: 1, purge: ({ tags }) => void told.push(...tags) },
  });
  await manager.set('user:1', 'x');
  await manager.set('list', 'y');
  manager.registerDependency('list', 'user:1');
  await manager.invalidate('user:1');
  await manager.invalidateTag('users');
  await manager.invalidatePattern('l*');
  await manager.cdn.flush();
  assert.deepEqual(new Set(told), new Set(['%k:user:1', '%k:list', 'users']));
  manager.destroy();
  assert.throws(() => new MultiLayerCacheManager({ disk: false, cdn: 'varnish' }), TypeError);
});

test('bad input: 40 options are refused by name, and no error shows an address or a token', () => {
  const varnish = { provider: 'varnish', url: 'http://127.0.0.1:1' };
  const wrong = [
    [undefined, /provider/], [null, /provider/], [7, /provider/], ['varnish', /provider/], [{}, /provider/], [[], /provider/],
    [{ provider: 'akamai' }, /provider/], [{ provider: 5 }, /provider/], [{ provider: {} }, /provider/],
    [{ provider: 'varnish' }, /url/], [{ ...varnish, url: '' }, /url/], [{ ...varnish, url: 'secret' }, /url/],
    [{ ...varnish, url: 'ftp://secret@h' }, /url/], [{ ...varnish, url: 'http://h/\nsecret' }, /url/], [{ ...varnish, url: 9 }, /url/],
    [{ provider: 'nginx' }, /url/], [{ provider: 'fastly', serviceId: 's' }, /token/], [{ provider: 'fastly', token: 'secret' }, /serviceId/],
    [{ provider: 'fastly', token: 'secret', serviceId: '../x' }, /serviceId/], [{ provider: 'cloudflare', token: 'secret' }, /zoneId/],
    [{ provider: 'cloudflare', zoneId: 'z' }, /token/], [{ provider: 'custom' }, /purge/], [{ provider: 'custom', purge: 'x' }, /purge/],
    [{ ...varnish, token: 'secret\n' }, /token/], [{ ...varnish, token: 5 }, /token/], [{ ...varnish, batchMs: -1 }, /batchMs/],
    [{ ...varnish, batchMs: 'x' }, /batchMs/], [{ ...varnish, maxBatch: 33 }, /maxBatch/], [{ ...varnish, maxBatch: {} }, /maxBatch/],
    [{ ...varnish, requestsPerSecond: -5 }, /requestsPerSecond/], [{ ...varnish, requestsPerSecond: 1e9 }, /requestsPerSecond/],
    [{ ...varnish, maxPending: -1 }, /maxPending/], [{ ...varnish, maxPending: [] }, /maxPending/], [{ ...varnish, retries: -1 }, /retries/],
    [{ ...varnish, retries: 'often' }, /retries/], [{ ...varnish, timeoutMs: -1 }, /timeoutMs/], [{ ...varnish, timeoutMs: 1e12 }, /timeoutMs/],
    [{ ...varnish, maxTagBytes: 1 }, /maxTagBytes/], [{ ...varnish, tagHeader: 'a b' }, /tagHeader/], [{ ...varnish, tagSeparator: '\n' }, /tagSeparator/],
  ];
  assert.equal(wrong.length, 40);
  for (const [options, message] of wrong) {
    assert.throws(() => new Cdn(options), (error) => {
      assert.ok(error instanceof TypeError || error instanceof RangeError, String(error));
      assert.match(error.message, message);
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
  const cdn = new Cdn(varnish);
  for (const tags of [undefined, null, 5, {}, [5], [null], new Set(['a']), Symbol('s')]) assert.throws(() => cdn.purge(tags), TypeError);
});
