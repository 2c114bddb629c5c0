// The engine against real servers: what it costs when they are slow, dead, paused or replaced.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { openEngine } from './support/engine.mjs';
import { freePort } from './support/free-port.mjs';
import { startTcpProxy } from './support/tcp-proxy.mjs';
import { until } from './support/until.mjs';
import { anyValkey, noValkey, startCluster, startSentinel, startTls, startValkey } from './support/valkey.mjs';

const skip = noValkey();

function engineFor(t, options) {
  const engine = openEngine(options);
  t.after(() => engine.close());
  return engine;
}

const fails = (promise) => promise.then(() => assert.fail('no error'), (error) => error);

test('commands of one turn are answered in order', { skip }, async (t) => {
  const engine = engineFor(t, { url: await anyValkey(t), timeoutMs: 10_000 });
  const key = `tooloo-test:${process.pid}`;
  const replies = await Promise.all(Array.from({ length: 100 }, () => engine.command('INCR', key)));
  assert.deepEqual(replies, replies.map((_, index) => index + 1));
  assert.equal(await engine.command('DEL', key), 1);
});

test('users of one address share one connection, users of another do not', { skip }, async (t) => {
  const server = await startValkey();
  t.after(() => server.stop());
  const ids = [server.url, server.url, `${server.url}/1`].map((url, index) =>
    engineFor(t, { url, prefix: `p${index}:`, timeoutMs: 5000 + index }).command('CLIENT', 'ID'));
  const [first, second, third] = await Promise.all(ids);
  assert.equal(first, second);
  assert.notEqual(first, third);
});

test('a paused server costs one time limit, then nothing, and is used again when it goes on', { skip }, async (t) => {
  const server = await startValkey();
  t.after(() => server.stop());
  const engine = engineFor(t, { url: server.url, timeoutMs: 200 });
  await until(() => engine.command('PING').then(() => true, () => false));
  server.pause();
  assert.equal((await fails(engine.command('PING'))).code, 'ERR_TOOLOO_TIMEOUT');
  const began = process.hrtime.bigint();
  for (let call = 0; call < 100; call += 1) {
    assert.equal((await fails(engine.command('PING'))).code, 'CIRCUIT_BREAKER_OPEN');
  }
  // Each waiting for its limit would be 20 seconds.
  assert.ok(Number(process.hrtime.bigint() - began) / 1e6 < 5000);
  assert.equal(engine.isUp(), false);
  server.resume();
  await until(() => engine.isUp());
  await until(() => engine.command('PING').then((reply) => reply === 'PONG', () => false));
});

test('a killed server is noticed without a call, and its successor on the port is used', { skip }, async (t) => {
  const server = await startValkey();
  t.after(() => server.stop());
  const engine = engineFor(t, { url: server.url, timeoutMs: 2000 });
  await engine.command('PING');
  await server.kill();
  await until(() => !engine.isUp());
  assert.equal((await fails(engine.command('PING'))).code, 'CIRCUIT_BREAKER_OPEN');
  await server.start();
  await until(() => engine.isUp());
  assert.equal(await engine.command('PING'), 'PONG');
  await until(() => engine.health.at(-1) === 2);
});

test('a network that swallows everything is left for a new connection when it works again', { skip }, async (t) => {
  const server = await startValkey();
  const proxy = await startTcpProxy(server.port);
  t.after(() => Promise.all([proxy.stop(), server.stop()]));
  const engine = engineFor(t, { url: `redis://127.0.0.1:${proxy.port}`, timeoutMs: 200, connectTimeoutMs: 300 });
  await until(() => engine.command('PING').then(() => true, () => false));
  proxy.silence();
  await until(() => engine.command('PING').then(() => false, () => true));
  proxy.restore();
  await until(() => engine.command('PING').then((reply) => reply === 'PONG', () => false));
});

test('a server that is not there yet is found when it comes', { skip }, async (t) => {
  const port = await freePort();
  const engine = engineFor(t, { url: `redis://127.0.0.1:${port}`, timeoutMs: 300 });
  const error = await fails(engine.command('PING'));
  assert.equal(error.retryable, true);
  assert.match(error.code, /^(CIRCUIT_BREAKER_OPEN|ERR_TOOLOO_TIMEOUT)$/);
  const server = await startValkey({ port });
  t.after(() => server.stop());
  await until(() => engine.command('PING').then((reply) => reply === 'PONG', () => false));
});

test('an error of the server has its code word and nothing that was sent', { skip }, async (t) => {
  const engine = engineFor(t, { url: await anyValkey(t), timeoutMs: 10_000 });
  const error = await fails(engine.command('NO-SUCH-COMMAND', 'a-secret-argument'));
  assert.equal(error.code, 'ERR_TOOLOO_REFUSED');
  assert.doesNotMatch(`${error.stack}${error.cause?.message}`, /a-secret/);
  assert.equal(await engine.command('PING'), 'PONG');
});

test('a wrong password is an outage, and appears nowhere', { skip }, async (t) => {
  const server = await startValkey({ flags: ['--requirepass', 'right'] });
  t.after(() => server.stop());
  const engine = engineFor(t, { url: `redis://:a-secret-password@127.0.0.1:${server.port}`, timeoutMs: 2000 });
  const error = await fails(engine.command('PING'));
  assert.doesNotMatch(`${error.stack}${error.cause?.message}${JSON.stringify(error)}`, /a-secret/);
  const right = engineFor(t, { url: `redis://:right@127.0.0.1:${server.port}`, timeoutMs: 5000 });
  assert.equal(await right.command('PING'), 'PONG');
});

test('TLS trusts the authority it is given and no other', { skip }, async (t) => {
  const server = await startValkey();
  const door = await startTls(server.port);
  t.after(() => Promise.all([door.stop(), server.stop()]));
  const engine = engineFor(t, { url: door.url, ca: door.ca, timeoutMs: 5000 });
  assert.equal(await engine.command('PING'), 'PONG');
  const stranger = engineFor(t, { url: door.url, timeoutMs: 2000 });
  assert.notEqual((await fails(stranger.command('PING'))).code, undefined);
  assert.equal(stranger.isUp(), false);
});

test('a cluster serves every slot, and goes on after a master was killed', { skip, timeout: 120_000 }, async (t) => {
  const cluster = await startCluster({ replicas: 1 });
  t.after(() => cluster.stop());
  const engine = engineFor(t, { url: cluster.url, timeoutMs: 1000 });
  const keys = Array.from({ length: 50 }, (_, index) => `key:${index}`);
  await until(() => engine.command('PING').then(() => true, () => false));
  await Promise.all(keys.map((key) => engine.command('SET', key, key)));
  assert.deepEqual(await Promise.all(keys.map((key) => engine.command('GET', key))), keys);
  await cluster.nodes[0].kill();
  const all = () => Promise.all(keys.map((key) => engine.command('SET', key, 'new'))).then(() => true, () => false);
  await until(all, 60_000);
});

test('behind a sentinel the new master is found after a failover', { skip, timeout: 120_000 }, async (t) => {
  const { url, master, replica, stop } = await startSentinel();
  t.after(stop);
  const engine = engineFor(t, { url, timeoutMs: 1000 });
  await until(() => engine.command('SET', 'key', 'old').then(() => true, () => false));
  await master.kill();
  await until(() => engine.command('SET', 'key', 'new').then(() => true, () => false), 60_000);
  assert.equal(await replica.command('GET', 'key'), 'new');
});

test('an idle engine keeps no process alive', { skip }, async (t) => {
  const url = await anyValkey(t);
  const addon = JSON.stringify(new URL('../src/js/addon.cjs', import.meta.url).pathname);
  const code = `const { native, request } = require(${addon});
    const handle = native.clusterOpen({ url: ${JSON.stringify(url)}, timeoutMs: 5000 });
    request((number) => native.clusterCommand(handle, number, ['PING'])).then(console.log);`;
  const { stdout, status } = spawnSync(process.execPath, ['-e', code], { encoding: 'utf8', timeout: 60_000 });
  assert.deepEqual([status, stdout.trim()], [0, 'PONG']);
});

test('addresses that are none, and options that cannot be, are refused without the address', () => {
  const bad = [
    {}, { url: undefined }, { url: null }, { url: 5 }, { url: {} }, { url: [] }, { url: Symbol('a') }, { url: '' }, { url: 'secret' },
    { url: '://secret' }, { url: 'http://secret' }, { url: 'redis://secret:secret:secret' }, { url: 'redis://h/secret' },
    { url: 'redis+ring://secret' }, { url: 'redis://secret,b' }, { url: 'redis+sentinel://secret' }, { url: 'redis://h:secret' },
    { url: 'redis://h:99999999' }, { url: 'redis+cluster://a,secret:b' }, { url: 'rediss://h', ca: 'secret' },
    { url: 'rediss://h', caFile: '/no/such/secret' }, { url: 'redis://h', timeoutMs: -1 }, { url: 'redis://h', timeoutMs: 'x' },
    { url: 'redis://h', timeoutMs: {} }, { url: 'redis://h', connectTimeoutMs: -5 }, { url: 'redis://h', prefix: 5 },
    { url: 'redis://h', prefix: 'x'.repeat(1000) }, { url: 'redis://h', prefix: {} }, { url: 'rediss://h', ca: 5 },
  ];
  for (const options of bad) {
    assert.throws(() => openEngine(options), (error) => {
      assert.ok(error instanceof TypeError || error instanceof RangeError, `${error}`);
      assert.equal(error.code, 'ERR_TOOLOO_INVALID_ARGUMENT');
      assert.doesNotMatch(error.message, /secret/);
      return true;
    }, JSON.stringify(options));
  }
});

