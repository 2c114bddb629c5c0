// What a response says, whoever wrote it: Express, or plain http in any of its ways.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import express from 'express';
import { Cdn } from 'tooloo-native';
import { request } from '../examples/servers/http.mjs';

const cdn = new Cdn({ provider: 'fastly', serviceId: 's', token: 't' });

async function site(t, handler) {
  const server = http.createServer(handler);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections?.();
    server.close();
  });
  return (path, options) => request(`http://127.0.0.1:${server.address().port}`, path, options);
}

/** Plain http behind the middleware. */
const plain = (t, options, handler) => {
  const put = cdn.middleware(options);
  return site(t, (req, res) => put(req, res, () => handler(req, res)));
};

const LIVES = { maxAgeMs: 10_000, sharedMaxAgeMs: 60_000, staleWhileRevalidateMs: 5000, staleIfErrorMs: 86_400_000 };

test('lifetimes go out in whole seconds, to browsers and to the CDN apart', async (t) => {
  const get = await plain(t, LIVES, (req, res) => res.end('x'));
  const { headers } = await get('/');
  assert.equal(headers['cache-control'], 'public, max-age=10, stale-while-revalidate=5, stale-if-error=86400');
  assert.equal(headers['surrogate-control'], 'max-age=60, stale-while-revalidate=5, stale-if-error=86400');
});

test('tags come from the option, res.cacheTags and res.cacheKeys, each once and harmless', async (t) => {
  const get = await plain(t, { tags: (req) => ['all', req.url] }, (req, res) => {
    res.cacheTags('user 7', ['all', 'évil\r\nx: y']).cacheKeys('user:7');
    res.end('x');
  });
  const { headers } = await get('/a');
  assert.equal(headers['surrogate-key'], 'user%207 all %C3%A9vil%0D%0Ax:%20y %k:user:7 /a');
  assert.equal(headers.x, undefined);
});

test('writeHead in every form is seen before the head goes out', async (t) => {
  const forms = {
    '/object': (res) => res.writeHead(200, { 'Set-Cookie': 'a=b' }),
    '/reason': (res) => res.writeHead(200, 'fine', { 'set-cookie': ['a=b', 'c=d'] }),
    '/flat': (res) => res.writeHead(200, ['Set-Cookie', 'a=b', 'Set-Cookie', 'c=d']),
  };
  const get = await plain(t, LIVES, (req, res) => {
    forms[req.url](res);
    res.end('x');
  });
  for (const path of Object.keys(forms)) {
    const { headers } = await get(path);
    assert.equal(headers['cache-control'], 'private, no-cache', path);
    assert.equal(headers['set-cookie'].length, path === '/object' ? 1 : 2, path);
  }
});

test('what the app says itself stays, and what it calls private is not kept', async (t) => {
  const get = await plain(t, LIVES, (req, res) => {
    res.setHeader('Cache-Control', req.url === '/own' ? 'public, max-age=3' : 'max-age=9, private');
    res.end('x');
  });
  const own = await get('/own');
  assert.deepEqual([own.headers['cache-control'], own.headers['surrogate-control'].slice(0, 10)], ['public, max-age=3', 'max-age=60']);
  const secret = await get('/private');
  assert.deepEqual([secret.headers['cache-control'], secret.headers['surrogate-control']], ['max-age=9, private', 'no-store']);
});

test('errors are not kept, and answers to POST are left alone', async (t) => {
  const get = await plain(t, LIVES, (req, res) => {
    res.statusCode = req.method === 'GET' ? 500 : 200;
    res.end('x');
  });
  assert.equal((await get('/')).headers['surrogate-control'], 'no-store');
  const posted = await get('/', { method: 'POST', body: 'x' });
  assert.deepEqual([posted.headers['cache-control'], posted.headers['surrogate-control']], [undefined, undefined]);
});

test('a response whose tags do not fit is not kept, and counted', async (t) => {
  const small = new Cdn({ provider: 'varnish', url: 'http://127.0.0.1:1', maxTagBytes: 16 });
  const put = small.middleware({ ...LIVES, tags: ['a tag that takes too much room'] });
  const get = await site(t, (req, res) => put(req, res, () => res.end('x')));
  assert.equal((await get('/')).headers['surrogate-control'], 'no-store');
  assert.equal(small.getStats().oversized, 1);
});

test('tags that throw cost the keeping, not the response', async (t) => {
  const get = await plain(t, { ...LIVES, tags: () => { throw new Error('tags'); } }, (req, res) => res.end('there'));
  const { status, text, headers } = await get('/');
  assert.deepEqual([status, text, headers['surrogate-control']], [200, 'there', 'no-store']);
});

test('a body in one piece gets an ETag, and 304 answers who has it; a streamed one does not', async (t) => {
  const get = await plain(t, LIVES, (req, res) => {
    res.setHeader('Content-Type', 'text/plain');
    if (req.url === '/streamed') res.write('a');
    res.end('body');
  });
  const { headers } = await get('/');
  for (const given of [headers.etag, `W/${headers.etag}`, `"other", ${headers.etag}`, '*']) {
    const again = await get('/', { headers: { 'if-none-match': given } });
    assert.deepEqual([again.status, again.text, again.headers['content-type']], [304, '', undefined], given);
    assert.equal(again.headers.etag, headers.etag);
    assert.match(again.headers['surrogate-control'], /max-age=60/);
  }
  assert.equal((await get('/', { headers: { 'if-none-match': '"other"' } })).text, 'body');
  assert.equal((await get('/streamed')).headers.etag, undefined);
});

test('Express keeps its own ETag, and 304 works with it', async (t) => {
  const app = express();
  app.use(cdn.middleware({ ...LIVES, vary: ['Accept-Language', 'accept-language', 'X-B'] }));
  app.get('/', (req, res) => res.vary('accept-language').json({ a: 1 }));
  const get = await site(t, app);
  const { headers } = await get('/');
  assert.equal(headers.vary, 'accept-language, X-B');
  assert.equal((await get('/', { headers: { 'if-none-match': headers.etag } })).status, 304);
});

test('bad options of the middleware are refused by name', () => {
  for (const [options, message] of [
    ['x', /options/], [5, /options/], [{ tags: 'x' }, /tags/], [{ tags: 5 }, /tags/], [{ vary: 5 }, /vary/], [{ vary: ['a b'] }, /vary/],
    [{ vary: [5] }, /vary/], [{ maxAgeMs: -1 }, /maxAgeMs/], [{ maxAgeMs: 'x' }, /maxAgeMs/], [{ sharedMaxAgeMs: {} }, /sharedMaxAgeMs/],
    [{ staleWhileRevalidateMs: -5 }, /staleWhileRevalidateMs/], [{ staleIfErrorMs: [] }, /staleIfErrorMs/],
  ]) assert.throws(() => cdn.middleware(options), (error) => (error instanceof TypeError || error instanceof RangeError) && message.test(error.message));
});
