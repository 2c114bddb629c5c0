// Coordinators on loopback ports.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import Coordinator, { DistributedCacheCoordinator } from '../src/js/lib/resilience/DistributedCacheCoordinator.mjs';
import Manager from '../src/js/lib/resilience/MultiLayerCacheManager.mjs';
import { sleep, survives } from './support/resilience.mjs';

const FACE = createRequire(import.meta.url).resolve('../src/js/lib/resilience/DistributedCacheCoordinator.cjs');
const open = [];
const until = async (condition) => { while (!(await condition())) await sleep(5); };

function made(id, options = {}) {
  const cache = new Manager({ disk: false });
  const coordinator = new Coordinator(cache, id, { broadcastInterval: 60_000, ...options });
  open.push(() => { coordinator.destroy(); cache.destroy(); });
  return { cache, coordinator };
}

async function listen(handler) {
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => { server.closeAllConnections?.(); server.close(); });
  return { server, port: server.address().port };
}

test.after(() => { for (const close of open) close(); });

test('import and require are one class; status and fields are those of the original', async () => {
  assert.equal(createRequire(import.meta.url)(FACE).default, Coordinator);
  assert.equal(DistributedCacheCoordinator, Coordinator);
  const { coordinator } = made('service-1');
  coordinator.registerPeer('service-2', '127.0.0.1', 1);
  assert.equal(await coordinator.publishInvalidation('k', 1), true);
  await coordinator.publishInvalidation('k', 2);
  const { serviceId, peers, pendingInvalidations, stats } = coordinator.getCoordinationStatus();
  assert.deepEqual([serviceId, peers, pendingInvalidations, stats === coordinator.stats], ['service-1', ['service-2'], 1, true]);
  assert.equal(coordinator.pendingInvalidations.get('k').value, 2);
  assert.equal(coordinator.conflictResolutionStrategy, 'latest-write-wins');
  assert.ok(JSON.stringify(coordinator).includes('service-1'));
  coordinator.destroy();
  coordinator.destroy();
  assert.deepEqual([coordinator.pendingInvalidations.size, coordinator.peers.size, coordinator.broadcastWorker], [0, 1, null]);
});

test('the wire: path, shape, and never to itself', async () => {
  const seen = [];
  const { port } = await listen((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      seen.push([request.method, request.url, JSON.parse(Buffer.concat(chunks))]);
      response.end('a body that has to be read');
    });
  });
  const { coordinator } = made('one');
  coordinator.registerPeer('one', '127.0.0.1', port);
  coordinator.registerPeer('two', '127.0.0.1', port);
  await coordinator.publishInvalidation('k', { a: 1 });
  const { timestamp } = coordinator.pendingInvalidations.get('k');
  await coordinator._flushPendingInvalidations();
  assert.deepEqual(seen, [['POST', '/api/v1/cache/invalidations', { serviceId: 'one', invalidations: [{ key: 'k', timestamp, value: { a: 1 }, serviceId: 'one' }] }]]);
  assert.deepEqual([coordinator.stats.broadcastsSent, coordinator.getCoordinationStatus().undelivered], [1, 0]);
});

test('CC-D1: an invalidation removes, a value is set for a while; own messages are ignored', async () => {
  const { cache, coordinator } = made('one', { remoteTtlMs: 60_000 });
  await cache.set('k', 'old');
  await coordinator.onRemoteInvalidation('k', null, 'two', Date.now() + 1000);
  assert.equal(await cache.has('k'), false);
  await coordinator.onRemoteInvalidation('v', 'new', 'two', Date.now());
  assert.equal(await cache.get('v'), 'new');
  await coordinator.onRemoteInvalidation('v', undefined, 'one', Date.now() + 5000);
  assert.equal(await cache.get('v'), 'new');
  assert.equal(coordinator.stats.broadcastsReceived, 2);
});

test('CC-D2: the winner alone is applied, by time, by place or by name', async () => {
  const result = async (conflictResolution, id, remoteId, offset) => {
    const { cache, coordinator } = made(id, { conflictResolution });
    await cache.set('k', 'local');
    await coordinator.publishInvalidation('k', 'local');
    const { timestamp } = coordinator.pendingInvalidations.get('k');
    await coordinator.onRemoteInvalidation('k', 'remote', remoteId, timestamp + offset);
    assert.equal(coordinator.stats.conflictsResolved, 1);
    return cache.get('k');
  };
  assert.deepEqual([await result('latest-write-wins', 'a', 'b', 5000), await result('latest-write-wins', 'a', 'b', -5000)], ['remote', 'local']);
  assert.deepEqual([await result('local-wins', 'a', 'b', 5000)], ['local']);
  assert.deepEqual([await result('service-priority', 'a', 'b', -5000), await result('service-priority', 'b', 'a', 5000)], ['remote', 'local']);
  const { cache, coordinator } = made('a');
  await cache.set('k', 'written here without being published');
  await coordinator.onRemoteInvalidation('k', null, 'b', Date.now() - 5000);
  assert.equal(await cache.has('k'), true);
});

test('CC-D3: what a peer did not take waits and is sent again; without peers it stays', async () => {
  let status = 503;
  const got = [];
  const { port } = await listen((request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk)).on('end', () => {
      if (status === 200) got.push(...JSON.parse(Buffer.concat(chunks)).invalidations.map(({ key }) => key));
      response.writeHead(status).end();
    });
  });
  const { coordinator } = made('one', { broadcastInterval: 20 });
  await coordinator.publishInvalidation('a');
  await coordinator._flushPendingInvalidations();
  assert.equal(coordinator.pendingInvalidations.size, 1);
  coordinator.registerPeer('two', '127.0.0.1', port);
  await until(() => coordinator.stats.peerFailures >= 1);
  await coordinator.publishInvalidation('b');
  status = 200;
  await until(() => got.length === 2);
  assert.deepEqual(got, ['a', 'b']);
  await until(() => coordinator.getCoordinationStatus().undelivered === 0);
});

test('what is never taken is given up, what is too much is bounded, and both are counted', async () => {
  const { coordinator } = made('one', { maxAttempts: 1, maxPending: 2 });
  coordinator.registerPeer('two', '127.0.0.1', 1);
  for (const key of ['a', 'b', 'c']) await coordinator.publishInvalidation(key);
  await coordinator._flushPendingInvalidations();
  assert.deepEqual([coordinator.stats.peerFailures, coordinator.getCoordinationStatus().dropped, coordinator.getCoordinationStatus().undelivered], [1, 3, 0]);
});

test('CC-D4: no socket stays open, and one failure is one', async () => {
  const { server, port } = await listen((request, response) => { request.resume(); response.end('x'.repeat(100_000)); });
  const { coordinator } = made('one');
  coordinator.registerPeer('two', '127.0.0.1', port);
  for (const key of ['a', 'b', 'c']) {
    await coordinator.publishInvalidation(key);
    await coordinator._flushPendingInvalidations();
  }
  assert.deepEqual([coordinator.stats.broadcastsSent, coordinator.stats.peerFailures], [3, 0]);
  await until(() => new Promise((resolve) => { server.getConnections((error, count) => resolve(count === 0)); }));
});

test('CC-D5: no process is kept, peers go, a token is asked for, patterns match', async () => {
  execFileSync(process.execPath, ['-e', `const { DistributedCacheCoordinator } = require(${JSON.stringify(FACE)}); new DistributedCacheCoordinator({}, 'a');`], { timeout: 60_000 });
  const receiver = made('two', { token: 'right' });
  const { port } = await listen(receiver.coordinator.handler());
  const heard = [];
  receiver.coordinator.subscribeToInvalidations('user:*', async (...args) => { await sleep(1); heard.push(args); });
  receiver.coordinator.subscribeToInvalidations('user:*', () => { throw new Error('handler'); });
  receiver.coordinator.subscribeToInvalidations('other:*', () => heard.push('other'));
  const send = async (token) => {
    const { coordinator } = made('one', { token });
    coordinator.registerPeer('two', '127.0.0.1', port);
    await coordinator.publishInvalidation('user:1');
    await coordinator._flushPendingInvalidations();
    assert.equal(coordinator.removePeer('two'), true);
    return coordinator.stats.broadcastsSent;
  };
  assert.deepEqual([await send('wrong'), await send(undefined), await send('right')], [0, 0, 1]);
  assert.deepEqual(heard, [['user:1', null, 'one']]);
});

test('the handler refuses what is no message', async () => {
  const { coordinator } = made('one');
  const { port } = await listen(coordinator.handler());
  const post = async (body, method = 'POST') => (await fetch(`http://127.0.0.1:${port}/`, { method, body })).status;
  assert.deepEqual([await post(undefined, 'GET'), await post('no json'), await post('{"invalidations":5}'), await post('null'), await post('x'.repeat(2_000_000))], [405, 400, 400, 400, 413]);
  assert.equal(await post('{"serviceId":"x","invalidations":[{"key":"k"}]}'), 200);
});

test('forty odd values are answered', async () => {
  const made40 = [];
  assert.equal(await survives((value) => { made40.push(new Coordinator(value, value, { broadcastInterval: 60_000, conflictResolution: value })); }), 40);
  assert.equal(await survives((value) => { made40.push(new Coordinator({}, 'a', value)); }), 40);
  const { coordinator } = made('one');
  assert.equal(await survives(async (value) => {
    await coordinator.publishInvalidation(value, value);
    coordinator.subscribeToInvalidations(value, value);
    await coordinator.onRemoteInvalidation(value, value, value, value);
    coordinator.registerPeer(value, value, value);
    await coordinator._flushPendingInvalidations();
    coordinator.removePeer(value);
  }), 40);
  for (const each of made40) each.destroy();
});
