// Real servers and clients on loopback ports.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { test } from 'node:test';
import { IntelligentRouter } from '../src/js/lib/resilience/IntelligentRouter.mjs';
import { sleep } from './support/resilience.mjs';

const servers = [];

async function listen(server) {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  servers.push(server);
  return server.address().port;
}

/** A port on which nobody listens. */
async function deadPort() {
  const server = net.createServer();
  const port = await listen(server);
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

/** A router with these targets, and the port of a server that forwards to them. */
async function front(ports, options = {}, routerOptions = {}) {
  const router = new IntelligentRouter(routerOptions);
  for (const port of ports) router.addTarget('api', port);
  const handler = router.proxy('api', options);
  const server = http.createServer(handler);
  server.on('upgrade', handler.upgrade);
  const port = await listen(server);
  return { router, handler, port };
}

function ask(port, { body, ...options } = {}) {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, agent: false, ...options }, async (response) => {
      const chunks = [];
      try {
        for await (const chunk of response) chunks.push(chunk);
      } catch (error) {
        reject(error);
        return;
      }
      resolve({ status: response.statusCode, headers: response.headers, raw: response.rawHeaders, body: Buffer.concat(chunks).toString() });
    });
    request.on('error', reject);
    if (typeof body === 'function') body(request);
    else request.end(body);
  });
}

const until = async (condition) => { while (!condition()) await sleep(5); };
const targetsOf = (router) => router.getRoutingMetrics('api').targets;

test.after(() => {
  for (const server of servers) {
    server.closeAllConnections?.();
    server.close();
  }
});

test('a request and its answer pass whole, with who asked, and without what belongs to the connection', async () => {
  let seen;
  const target = await listen(http.createServer((request, response) => {
    seen = request.headers;
    response.writeHead(201, 'Made', ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'X-Hop', 'no', 'Connection', 'X-Hop, close']);
    request.pipe(response);
  }));
  const { port, router } = await front([target]);
  const big = 'x'.repeat(1_000_000);
  const answer = await ask(port, {
    method: 'POST', path: '/p?q=1', body: big, headers: { 'x-forwarded-for': '9.9.9.9', te: 'trailers', host: 'shop.example', 'content-length': big.length },
  });
  assert.deepEqual([answer.status, answer.body.length, answer.headers['set-cookie'], answer.headers['x-hop']], [201, big.length, ['a=1', 'b=2'], undefined]);
  assert.deepEqual([seen['x-forwarded-for'], seen['x-forwarded-host'], seen.host, seen.te], ['9.9.9.9, 127.0.0.1', 'shop.example', 'shop.example', undefined]);
  await until(() => targetsOf(router)[0].latencyStats.count === 1);
  assert.equal(targetsOf(router)[0].activeConnections, 0);
});

test('a body of unknown length streams both ways before it ends', async () => {
  const target = await listen(http.createServer((request, response) => { request.pipe(response); }));
  const { port } = await front([target]);
  const request = http.request({ host: '127.0.0.1', port, method: 'POST', agent: false });
  request.write('first');
  const [response] = await once(request, 'response');
  const [chunk] = await once(response, 'data');
  assert.equal(chunk.toString(), 'first');
  request.end('last');
  const [rest] = await once(response, 'data');
  assert.equal(rest.toString(), 'last');
});

test('what a dead target never saw goes to another one, with its body', async () => {
  const target = await listen(http.createServer((request, response) => { request.pipe(response); }));
  const { port, router } = await front([await deadPort(), target]);
  for (let index = 0; index < 4; index += 1) assert.equal((await ask(port, { method: 'POST', body: 'kept' })).body, 'kept');
  assert.ok(router.circuitBreakers.get(router.routeRequest('api').targetId));
  assert.ok(targetsOf(router)[1].latencyStats.count >= 4);
});

test('a GET that a target hangs up on is asked elsewhere; a POST is not', async () => {
  let posts = 0;
  const rude = await listen(net.createServer((socket) => { socket.once('data', () => socket.destroy()); socket.on('error', () => {}); }));
  const target = await listen(http.createServer((request, response) => { posts += request.method === 'POST' ? 1 : 0; response.end('ok'); }));
  const { port } = await front([rude, target], {}, { algorithm: 'latency-aware' });
  assert.equal((await ask(port)).body, 'ok');
  const answer = await ask(port, { method: 'POST', body: 'money' });
  assert.deepEqual([answer.status, JSON.parse(answer.body), posts], [502, { error: 'bad gateway' }, 0]);
});

test('nobody there is 503, everybody dead 502, silence 504', async () => {
  const none = await front([]);
  assert.equal((await ask(none.port)).status, 503);
  const dead = await front([await deadPort(), await deadPort()]);
  assert.equal((await ask(dead.port)).status, 502);
  const silent = await listen(net.createServer((socket) => { socket.on('error', () => {}); }));
  const slow = await front([silent], { timeoutMs: 50, retries: 0 });
  assert.equal((await ask(slow.port)).status, 504);
});

test('statuses from 500 on count as failures', async () => {
  const target = await listen(http.createServer((request, response) => { response.writeHead(500).end(); }));
  const { port, router } = await front([target]);
  for (let index = 0; index < 5; index += 1) assert.equal((await ask(port)).status, 500);
  await until(() => router.circuitBreakers.get(`api:${target}`).tripped);
  assert.equal((await ask(port)).status, 503);
});

test('a client that goes ends the request and is no failure of the target', async () => {
  let closed = false;
  const target = await listen(http.createServer((request, response) => {
    response.write('begun');
    response.once('close', () => { closed = true; });
  }));
  const { port, router } = await front([target]);
  const request = http.get({ host: '127.0.0.1', port, agent: false });
  const [response] = await once(request, 'response');
  response.on('error', () => {});
  request.destroy();
  await until(() => closed && targetsOf(router)[0].activeConnections === 0);
  assert.equal(router.circuitBreakers.get(`api:${target}`).failureCount, 0);
});

test('an answer that breaks off breaks off for the client too', async () => {
  const target = await listen(http.createServer((request, response) => {
    response.writeHead(200, { 'content-length': 100 });
    response.write('half', () => response.destroy());
  }));
  const { port, router } = await front([target]);
  await assert.rejects(ask(port));
  await until(() => router.circuitBreakers.get(`api:${target}`).failureCount === 1);
});

test('an upgrade passes bytes in both directions until one side goes', async () => {
  const server = http.createServer((request, response) => { response.writeHead(426).end('no'); });
  server.on('upgrade', (request, socket) => {
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\nhello');
    socket.pipe(socket);
    socket.on('error', () => {});
  });
  const { port, router } = await front([await listen(server)]);
  const request = http.request({ host: '127.0.0.1', port, headers: { connection: 'Upgrade', upgrade: 'echo' } });
  request.end();
  const [response, socket, head] = await once(request, 'upgrade');
  assert.equal(response.headers.upgrade, 'echo');
  let text = head.toString();
  socket.on('data', (chunk) => { text += chunk; });
  await until(() => text === 'hello');
  socket.write(' there');
  await until(() => text === 'hello there');
  assert.equal(targetsOf(router)[0].activeConnections, 1);
  socket.destroy();
  await until(() => targetsOf(router)[0].activeConnections === 0);
});

test('an upgrade that the target refuses, and one without a target', async () => {
  const server = http.createServer((request, response) => { response.writeHead(426).end('no'); });
  const { port } = await front([await listen(server)]);
  const headers = { connection: 'Upgrade', upgrade: 'echo' };
  const answer = await ask(port, { headers });
  assert.deepEqual([answer.status, answer.body], [426, 'no']);
  const none = await front([]);
  assert.equal((await ask(none.port, { headers })).status, 503);
});

test('options are checked when the proxy is made', () => {
  const router = new IntelligentRouter();
  assert.throws(() => router.proxy('api', { timeoutMs: -1 }), /timeoutMs/);
  assert.throws(() => router.proxy('api', { retries: 'many' }), /retries/);
  assert.throws(() => router.proxy('api', null), TypeError);
});
