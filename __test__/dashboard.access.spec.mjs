// Who may look at the dashboard, and what its answers say to a browser.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import os from 'node:os';
import { afterEach, test } from 'node:test';
import express from 'express';
import { dashboard, RateLimiter } from '../src/js/index.mjs';

const TOKEN = 'correct-horse-battery';
const closing = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(app, address = '127.0.0.1') {
  const server = http.createServer(app).listen(0, address);
  await once(server, 'listening');
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return server.address().port;
}

/** One request as it is written: `{ status, headers, text }`. */
function ask(port, path, { headers = {}, method = 'GET', address = '127.0.0.1' } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: address, port, path, method, headers }, async (response) => {
      const chunks = [];
      for await (const chunk of response) chunks.push(chunk);
      resolve({ status: response.statusCode, headers: response.headers, text: Buffer.concat(chunks).toString() });
    });
    request.once('error', reject);
    request.end();
  });
}

function page(options) {
  const limiter = new RateLimiter();
  closing.push(() => limiter.shutdown());
  return dashboard({ limiter, ...options });
}
const cookieOf = ({ headers }) => headers['set-cookie'][0].split(';')[0];

test('without a token a visitor from loopback sees the page, its files and its figures', async () => {
  const port = await serve(page());
  for (const [path, type] of [
    ['/', 'text/html'],
    ['/app.js', 'text/javascript'],
    ['/style.css', 'text/css'],
    ['/uplot.js', 'text/javascript'],
    ['/icon.svg', 'image/svg+xml'],
    ['/snapshot', 'application/json'],
  ]) {
    const { status, headers } = await ask(port, path);
    assert.equal(status, 200, path);
    assert.ok(headers['content-type'].startsWith(type), path);
  }
});

test('every answer keeps the page to itself', async () => {
  const port = await serve(page({ token: TOKEN }));
  const bearer = { authorization: `Bearer ${TOKEN}` };
  for (const [path, headers] of [
    ['/', {}],
    ['/', bearer],
    ['/snapshot', {}],
    ['/snapshot', bearer],
    ['/style.css', {}],
    ['/nothing', {}],
    ['/trace?id=1', bearer],
    [`/?token=${TOKEN}`, {}],
  ]) {
    const answer = await ask(port, path, { headers });
    const policy = answer.headers['content-security-policy'];
    for (const part of [
      "default-src 'none'",
      "script-src 'self'",
      "style-src 'self'",
      "frame-ancestors 'none'",
      "base-uri 'none'",
      "require-trusted-types-for 'script'",
    ]) {
      assert.ok(policy.includes(part), `${path}: ${part}`);
    }
    assert.doesNotMatch(policy, /unsafe|\*|https?:/);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.equal(answer.headers['referrer-policy'], 'no-referrer');
    assert.equal(answer.headers['x-frame-options'], 'DENY');
    assert.equal(answer.headers['cross-origin-resource-policy'], 'same-origin');
    assert.equal(answer.headers['access-control-allow-origin'], undefined);
  }
});

test('a host name that a stranger can point here is refused, an address or localhost is not', async () => {
  const port = await serve(page({ hosts: ['Ops.Example.com'] }));
  const status = async (host) => (await ask(port, '/snapshot', { headers: { host } })).status;
  for (const host of [
    'localhost',
    `localhost:${port}`,
    'app.localhost',
    '127.0.0.1',
    '[::1]:80',
    'ops.example.com',
    'OPS.example.com:8080',
  ]) {
    assert.equal(await status(host), 200, host);
  }
  for (const host of ['evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'xops.example.com']) {
    assert.equal(await status(host), 403, host);
  }
  for (const host of ['?', 'local host', 'a@b', '[::1', 'x:99999999']) assert.equal(await status(host), 400, host);
});

test('behind a proxy every visitor looks local, so without a token what a proxy sends is refused', async () => {
  const port = await serve(page());
  for (const header of ['x-forwarded-for', 'forwarded', 'x-real-ip', 'via', 'x-forwarded-host']) {
    assert.equal((await ask(port, '/snapshot', { headers: { [header]: '127.0.0.1' } })).status, 403, header);
  }
  const guarded = await serve(page({ token: TOKEN }));
  const headers = { authorization: `Bearer ${TOKEN}`, 'x-forwarded-for': '203.0.113.7' };
  assert.equal((await ask(guarded, '/snapshot', { headers })).status, 200);
});

const outside = Object.values(os.networkInterfaces())
  .flat()
  .find(({ family, internal }) => family === 'IPv4' && !internal)?.address;

test(
  'without a token a visitor from another address is refused',
  { skip: outside === undefined && 'only loopback here' },
  async () => {
    const port = await serve(page(), '0.0.0.0');
    const { status, text } = await ask(port, '/snapshot', { address: outside });
    assert.equal(status, 403);
    assert.match(text, /Only from this machine/);
  },
);

test('the socket says who asks: Express’s own idea of the address changes nothing', async () => {
  const app = express();
  app.set('trust proxy', true);
  app.use('/ops', page());
  const port = await serve(app);
  assert.equal((await ask(port, '/ops/snapshot', { headers: { 'x-forwarded-for': '127.0.0.1' } })).status, 403);
});

test('a token opens in a header, and once in the address, which becomes a cookie and disappears', async () => {
  const port = await serve(page({ token: TOKEN }));
  assert.equal((await ask(port, '/snapshot')).status, 401);
  assert.equal((await ask(port, '/snapshot')).headers['www-authenticate'], 'Bearer');
  assert.equal((await ask(port, '/snapshot', { headers: { authorization: `bearer ${TOKEN}` } })).status, 200);

  const first = await ask(port, `/?token=${TOKEN}`);
  assert.equal(first.status, 303);
  assert.equal(first.headers.location, './');
  const [cookie] = first.headers['set-cookie'];
  assert.match(cookie, /; HttpOnly; SameSite=Lax$/);
  assert.doesNotMatch(JSON.stringify(first), new RegExp(TOKEN), 'the token is in no answer');
  assert.equal((await ask(port, '/snapshot', { headers: { cookie: `other=1; ${cookieOf(first)}` } })).status, 200);
  assert.equal((await ask(port, `/?token=${TOKEN}`, { headers: { cookie: cookieOf(first) } })).status, 303);
});

test('a wrong token opens nothing, however it comes', async () => {
  const port = await serve(page({ token: TOKEN }));
  const wrong = [
    ['/snapshot', { authorization: `Bearer ${TOKEN}x` }],
    ['/snapshot', { authorization: `Bearer ${TOKEN.slice(1)}` }],
    ['/snapshot', { authorization: TOKEN }],
    ['/snapshot', { authorization: 'Bearer ' }],
    ['/snapshot', { authorization: `Basic ${TOKEN}` }],
    ['/snapshot', { cookie: `tooloo_dashboard=${TOKEN}` }],
    [`/snapshot?token=${TOKEN}`, {}],
    [`/events?token=${TOKEN}`, {}],
  ];
  for (const [path, headers] of wrong)
    assert.equal((await ask(port, path, { headers })).status, 401, `${path} ${JSON.stringify(headers)}`);
  const guessed = await ask(port, '/?token=wrong');
  assert.equal(guessed.status, 401);
  assert.equal(guessed.headers['set-cookie'], undefined);
  assert.match(guessed.text, /A token is needed/);
});

test('the cookie of one token is of no use with another, and two dashboards on a host keep theirs apart', async () => {
  const [one, other] = [await serve(page({ token: TOKEN })), await serve(page({ token: `${TOKEN}-2` }))];
  const cookies = [cookieOf(await ask(one, `/?token=${TOKEN}`)), cookieOf(await ask(other, `/?token=${TOKEN}-2`))];
  assert.notEqual(cookies[0].split('=')[0], cookies[1].split('=')[0]);
  const [, value] = cookies[0].split('=');
  const [name] = cookies[1].split('=');
  assert.equal((await ask(other, '/snapshot', { headers: { cookie: `${name}=${value}` } })).status, 401);
  // Another process with the same token knows the cookie too.
  const again = await serve(page({ token: TOKEN }));
  assert.equal((await ask(again, '/snapshot', { headers: { cookie: cookies[0] } })).status, 200);
});

test('over TLS the cookie stays there', async () => {
  const port = await serve(page({ token: TOKEN }));
  const { headers } = await ask(port, `/?token=${TOKEN}`, { headers: { 'x-forwarded-proto': 'https' } });
  assert.match(headers['set-cookie'][0], /; Secure$/);
});

test('another site’s page may not read the figures, a link from it may open the page', async () => {
  const port = await serve(page());
  const from = { 'sec-fetch-site': 'cross-site' };
  assert.equal((await ask(port, '/events', { headers: { ...from, 'sec-fetch-mode': 'cors' } })).status, 403);
  assert.equal((await ask(port, '/snapshot', { headers: { ...from, 'sec-fetch-mode': 'no-cors' } })).status, 403);
  assert.equal((await ask(port, '/', { headers: { ...from, 'sec-fetch-mode': 'navigate' } })).status, 200);
});

test('it can only be read', async () => {
  const port = await serve(page());
  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
    const { status, headers } = await ask(port, '/snapshot', { method });
    assert.equal(status, 405, method);
    assert.equal(headers.allow, 'GET, HEAD');
  }
  const head = await ask(port, '/', { method: 'HEAD' });
  assert.deepEqual([head.status, head.text], [200, '']);
});

test('below any path of Express, with and without the slash, and what is not its own goes on', async () => {
  const app = express();
  app.use('/ops/live', page());
  app.use((req, res) => res.status(418).send('mine'));
  const port = await serve(app);
  const bare = await ask(port, '/ops/live');
  assert.deepEqual([bare.status, new URL(bare.headers.location, 'http://x/ops/live').pathname], [303, '/ops/live/']);
  assert.equal((await ask(port, '/ops/live/')).status, 200);
  assert.equal((await ask(port, '/ops/live/app.js')).status, 200);
  assert.equal((await ask(port, '/ops/live/other')).status, 418);
  assert.equal((await ask(port, '/elsewhere')).status, 418);
});

test('with the option "path" it stands beside an app of plain http', async () => {
  const handler = page({ path: '/dashboard', token: TOKEN });
  const port = await serve((request, response) => handler(request, response, () => response.end('the app')));
  assert.equal((await ask(port, '/')).text, 'the app');
  assert.equal((await ask(port, '/dashboards')).text, 'the app');
  const bare = await ask(port, `/dashboard?token=${TOKEN}`);
  assert.equal(new URL(bare.headers.location, 'http://x/dashboard').href, `http://x/dashboard/?token=${TOKEN}`);
  const headers = { authorization: `Bearer ${TOKEN}` };
  assert.equal((await ask(port, '/dashboard/', { headers })).status, 200);
  assert.equal((await ask(port, '/dashboard/snapshot', { headers })).status, 200);
  const mounted = express().use('/x', page({ path: '/dashboard' }));
  const other = await serve(mounted);
  assert.equal((await ask(other, '/x/dashboard/snapshot')).status, 200);
  assert.equal((await ask(other, '/x/dashboard')).status, 303);
});

test('no address becomes a redirect to somewhere else', async () => {
  const app = express();
  app.use(page({ path: '/d' }));
  app.use('*', page());
  const port = await serve(app);
  for (const path of ['//evil.example', '/d', '//evil.example/d', '/%2f%2fevil.example', '/\\evil.example']) {
    const { headers } = await ask(port, path);
    if (headers.location !== undefined)
      assert.equal(
        new URL(headers.location, `http://here.example${path.replace(/^\/+/, '/')}`).host,
        'here.example',
        path,
      );
  }
});

test('no file beside the page can be asked for', async () => {
  const port = await serve(page());
  for (const path of [
    '/../index.cjs',
    '/..%2findex.cjs',
    '/%2e%2e/access.cjs',
    '/page/app.js',
    '/./app.js',
    '/app.js/',
    '/constructor',
    '/__proto__',
    '//',
    '/%00',
  ]) {
    assert.equal((await ask(port, path)).status, 404, path);
  }
});

test('what has not changed is not sent again', async () => {
  const port = await serve(page());
  const { headers } = await ask(port, '/app.js');
  assert.equal((await ask(port, '/app.js', { headers: { 'if-none-match': headers.etag } })).status, 304);
});
