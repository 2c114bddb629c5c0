// The remote tier and the bus: real processes, a real server.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import Manager from '../src/js/lib/resilience/MultiLayerCacheManager.mjs';
import { startFleet, startMember } from './support/fleet.mjs';
import { ODD, sleep } from './support/resilience.mjs';
import { startTcpProxy } from './support/tcp-proxy.mjs';
import { until } from './support/until.mjs';
import { noValkey, startValkey } from './support/valkey.mjs';

const skip = noValkey();
let count = 0;
/** Options of a tier of one's own on a server. */
const tier = (url, more = {}) => ({ url, prefix: `test${(count += 1)}:`, timeoutMs: 2000, ...more });

async function withServer(t, options) {
  const server = await startValkey(options);
  t.after(() => server.stop());
  return server;
}

function made(t, options) {
  const cache = new Manager({ disk: false, memory: { maxSize: 1000, ttl: 600_000 }, ...options });
  t.after(() => cache.destroy());
  return cache;
}

test('a value that one process stores is read by another, as a copy of what it was', { skip }, async (t) => {
  const { url } = await withServer(t);
  const remote = tier(url);
  const [one, two] = await startFleet(t, 2, { disk: false, remote });
  const value = { text: 'é', list: [1, null, true], big: 'x'.repeat(10_000) };
  assert.equal(await one.set('k', value, 60_000), true);
  assert.deepEqual(await two.get('k'), value);
  assert.equal(await two.inMemory('k'), true);
  assert.equal((await two.stats()).remoteHits, 1);
  assert.equal(await two.get('other'), undefined);
});

for (const transport of ['loop', 'thread']) {
  test(`${transport}: of large and small values of one key the last one stays`, { skip }, async (t) => {
    const { url } = await withServer(t);
    const cache = made(t, { memory: { maxSize: 1 }, remote: tier(url, { transport }) });
    const values = [1, 'x'.repeat(500_000), 2, { large: 'y'.repeat(200_000) }, 'z'.repeat(2000), 3];
    for (const length of [values.length, values.length - 1, 4, 2]) {
      const sets = values.slice(0, length).map((value) => cache.set('k', value, 60_000));
      sets.push(cache.set('other', 'o', 60_000));
      assert.deepEqual(await Promise.all(sets), sets.map(() => true));
      assert.deepEqual(await cache.get('k'), values[length - 1]);
    }
    assert.equal((await cache.getStats()).remote.isUp, true);
  });

  test(`${transport}: a loop that is busy for longer than any limit loses no value`, { skip }, async (t) => {
    const { url } = await withServer(t);
    const cache = made(t, { memory: { maxSize: 1 }, remote: tier(url, { transport, timeoutMs: 100 }) });
    for (const key of ['a', 'b']) await cache.set(key, key, 60_000);
    const reading = cache.get('a');
    const writing = cache.set('c', 'c', 60_000);
    // The commands leave with the end of this turn; the next one is the busy one.
    await new Promise((resolve) => setImmediate(() => {
      const end = performance.now() + 400;
      while (performance.now() < end);
      resolve();
    }));
    assert.deepEqual([await reading, await writing], ['a', true]);
    assert.equal((await cache.getStats()).remote.isUp, true);
    assert.equal(await cache.get('b'), 'b');
  });
}

test('a transport that there is none of is refused by name', { skip }, (t) => {
  assert.throws(() => made(t, { remote: { url: 'redis://127.0.0.1:1', transport: 'pigeon' } }), { name: 'RangeError', message: /"transport".*pigeon/ });
});

test('large values are compressed, and no value is there for longer than it lives', { skip }, async (t) => {
  const server = await withServer(t);
  const remote = tier(server.url, { compressAboveBytes: 100 });
  const cache = made(t, { remote });
  await cache.set('k', 'word '.repeat(10_000), 60_000);
  const key = `${remote.prefix}v:{=k}`;
  assert.ok(Number(await server.command('STRLEN', key)) < 5000);
  const left = Number(await server.command('PTTL', key));
  assert.ok(left > 50_000 && left <= 60_000, `${left}`);
});

test('an invalidation is known to every process when it is acknowledged and a moment has passed', { skip }, async (t) => {
  const { url } = await withServer(t);
  const remote = tier(url);
  const [one, two, three] = await startFleet(t, 3, { disk: false, remote, bus: true, memory: { ttl: 600_000 } });
  await one.set('k', 1, 60_000);
  for (const member of [two, three]) assert.equal(await member.get('k'), 1);
  assert.equal(await one.invalidate('k'), true);
  for (const member of [two, three]) await until(async () => !(await member.inMemory('k')));
  assert.equal(await two.get('k'), undefined);
  assert.deepEqual(await three.heard(), ['k']);
  // A write makes what others have old as well.
  await one.set('k', 2, 60_000);
  assert.equal(await two.get('k'), 2);
  await three.set('k', 3, 60_000);
  await until(async () => (await two.get('k')) === 3);
  await until(async () => (await one.get('k')) === 3);
});

test('what its own process makes old is not heard again', { skip }, async (t) => {
  const { url } = await withServer(t);
  const cache = made(t, { remote: tier(url), bus: true });
  const heard = [];
  cache.setInvalidationListener('*', (key) => heard.push(key));
  await cache.invalidate('k');
  await cache.set('k', 1);
  await sleep(600);
  assert.deepEqual(heard, ['k']);
  assert.equal(await cache.memory.has('k'), true);
});

test('two caches of one process hear of each other', { skip }, async (t) => {
  const { url } = await withServer(t);
  const remote = tier(url);
  const [one, two] = [made(t, { remote, bus: true }), made(t, { remote, bus: true })];
  await one.set('k', 1, 60_000);
  assert.equal(await two.get('k'), 1);
  await one.invalidate('k');
  await until(() => !two.memory.has('k'));
});

test('a tag is one step, whatever it is on, in every process and for those that come later', { skip }, async (t) => {
  const server = await withServer(t);
  const remote = tier(server.url);
  const options = { disk: false, remote, bus: true, memory: { ttl: 600_000, maxSize: 5000 } };
  const [one, two] = await startFleet(t, 2, options);
  for (let index = 0; index < 200; index += 1) await one.set(`k${index}`, index, 60_000, undefined, { tags: ['all', `t${index % 2}`] });
  for (let index = 0; index < 200; index += 1) assert.equal(await two.get(`k${index}`), index);
  const before = Number(/total_commands_processed:(\d+)/.exec(await server.command('INFO', 'stats'))[1]);
  assert.equal(await one.invalidateTag('t1'), true);
  const commands = Number(/total_commands_processed:(\d+)/.exec(await server.command('INFO', 'stats'))[1]) - before;
  assert.ok(commands < 40, `${commands} commands`);
  await until(async () => (await two.get('k1')) === undefined);
  assert.deepEqual([await two.get('k2'), await two.get('k199'), await one.get('k3'), await one.get('k4')], [2, undefined, undefined, 4]);
  const late = await startMember(t, options);
  assert.deepEqual([await late.get('k2'), await late.get('k5')], [2, undefined]);
  await one.set('k1', 'new', 60_000, undefined, { tags: ['t1'] });
  assert.equal(await late.get('k1'), 'new');
});

test('patterns, dependencies and events reach every process, and cycles over several end', { skip }, async (t) => {
  const { url } = await withServer(t);
  const remote = tier(url);
  const [one, two, three] = await startFleet(t, 3, { disk: false, remote, bus: true, memory: { ttl: 600_000 } });
  for (const key of ['user:1', 'user:2', 'page:1', 'x{y}*?', 'a', 'b', 'c']) await one.set(key, key, 60_000);
  for (const key of ['user:1', 'page:1', 'a', 'b', 'c']) assert.equal(await two.get(key), key);
  assert.equal(await three.invalidatePattern('user:*'), true);
  await until(async () => (await two.get('user:1')) === undefined && (await one.get('user:2')) === undefined);
  assert.equal(await two.get('page:1'), 'page:1');
  await three.invalidatePattern('x{y}*?');
  await until(async () => (await one.get('x{y}*?')) === undefined);
  // a → b is known to one, b → c to two, c → a to three.
  await one.registerDependency('b', 'a');
  await two.registerDependency('c', 'b');
  await three.registerDependency('a', 'c');
  await one.heard();
  await one.invalidate('a');
  for (const member of [one, two, three]) await until(async () => (await member.get('c')) === undefined);
  await sleep(300);
  assert.ok((await one.heard()).length < 10);
  await two.map('order:*', 'page:*');
  await one.trigger('order:7');
  await three.map('order:*', 'nothing');
  await three.trigger('order:8');
  await until(async () => (await one.get('page:1')) === undefined);
});

test('what a load found is not stored when the key was made old elsewhere meanwhile', { skip }, async (t) => {
  const { url } = await withServer(t);
  const remote = tier(url);
  const [one, two] = await startFleet(t, 2, { disk: false, remote, memory: { ttl: 600_000 } });
  await one.get('k');
  const loading = one.load('k', 'old', { ms: 300, ttl: 60_000 });
  await sleep(100);
  await two.invalidate('k');
  assert.equal(await loading, 'old');
  await until(async () => !(await one.inMemory('k')));
  assert.equal(await two.load('k', 'new', { ttl: 60_000 }), 'new');
  await until(async () => (await one.get('k')) === 'new');
});

test('a dead server costs no call more than its limit, and what was missed is made good when it is back', { skip }, async (t) => {
  const server = await withServer(t);
  const proxy = await startTcpProxy(server.port);
  t.after(() => proxy.stop());
  const remote = tier(`redis://127.0.0.1:${proxy.port}`, { timeoutMs: 300, connectTimeoutMs: 500 });
  const direct = { ...remote, url: server.url };
  const [cut, other] = [await startMember(t, { disk: false, remote, bus: { maxStaleMs: 500 }, memory: { ttl: 600_000 } }), await startMember(t, { disk: false, remote: direct, bus: true, memory: { ttl: 600_000 } })];
  await cut.set('gone', 1, 60_000);
  await cut.set('stays', 1, 60_000);
  await cut.set('later', 1, 60_000);
  assert.deepEqual([await other.get('gone'), await other.get('stays'), await other.get('later')], [1, 1, 1]);
  proxy.silence();
  const began = Date.now();
  assert.equal(await cut.invalidate('gone'), false);
  assert.equal(await cut.invalidatePattern('pattern:*'), false);
  assert.equal(await cut.set('stays', 2, 60_000), true);
  await cut.set('later', 2, 60_000);
  for (let index = 0; index < 200; index += 1) await cut.get(`absent${index}`);
  assert.ok(Date.now() - began < 5000);
  assert.equal(await cut.get('gone'), undefined);
  // Later than what was written here while it was away: this one stays.
  await sleep(20);
  await other.set('later', 3, 60_000);
  assert.equal(await other.get('gone'), 1);
  assert.ok((await cut.stats()).remote.pendingRepairs > 0);
  proxy.restore();
  await until(async () => (await cut.stats()).remote.pendingRepairs === 0 && (await cut.stats()).remote.isUp);
  await until(async () => (await other.get('gone')) === undefined);
  await until(async () => (await other.get('stays')) === 2);
  await until(async () => (await cut.get('later')) === 3);
});

test('a process that is cut off serves nothing from memory for longer than the bound', { skip }, async (t) => {
  const server = await withServer(t);
  const proxy = await startTcpProxy(server.port);
  t.after(() => proxy.stop());
  const remote = tier(`redis://127.0.0.1:${proxy.port}`, { timeoutMs: 200, connectTimeoutMs: 300 });
  const options = { disk: false, memory: { ttl: 600_000 }, bus: { maxStaleMs: 700 } };
  const cut = await startMember(t, { ...options, remote });
  const other = await startMember(t, { ...options, remote: { ...remote, url: server.url } });
  await other.set('k', 'old', 60_000);
  assert.equal(await cut.get('k'), 'old');
  proxy.silence();
  assert.equal(await other.invalidate('k'), true);
  const acknowledged = Date.now();
  for (;;) {
    const began = Date.now();
    if ((await cut.get('k')) === undefined) break;
    assert.ok(began - acknowledged <= 700 + 50, `${began - acknowledged} ms`);
    await sleep(20);
  }
  // A value that was loaded here is good for the bound.
  assert.equal(await cut.load('k', 'new'), 'new');
  assert.equal(await cut.load('k', 'newer'), 'new');
});

test('a server that lost its data makes what is in memory suspect, not what is right', { skip }, async (t) => {
  const server = await withServer(t);
  const remote = tier(server.url, { timeoutMs: 500 });
  const member = await startMember(t, { disk: false, remote, bus: { maxStaleMs: 500 }, memory: { ttl: 600_000 } });
  await until(async () => (await member.stats()).remote.inStep);
  await member.set('k', 1, 60_000);
  await sleep(700);
  assert.equal(await member.get('k'), 1);
  assert.equal((await member.stats()).remoteHits, 0);
  await server.restart();
  await until(async () => (await member.stats()).remote.inStep && (await member.stats()).remote.isUp);
  assert.equal(await member.get('k'), undefined);
});

test('after a short interruption nothing is suspect: the bus goes on where it was', { skip }, async (t) => {
  const server = await withServer(t);
  const proxy = await startTcpProxy(server.port);
  t.after(() => proxy.stop());
  const remote = tier(`redis://127.0.0.1:${proxy.port}`, { timeoutMs: 500 });
  const options = { disk: false, memory: { ttl: 600_000 }, bus: { maxStaleMs: 500 } };
  const member = await startMember(t, { ...options, remote });
  const other = await startMember(t, { ...options, remote: { ...remote, url: server.url } });
  await until(async () => (await member.stats()).remote.inStep);
  await member.set('k', 1, 60_000);
  await member.set('gone', 1, 60_000);
  await sleep(700);
  proxy.cut();
  await other.invalidate('gone');
  await until(async () => (await member.stats()).remote.inStep && !(await member.inMemory('gone')));
  const before = (await member.stats()).memoryHits;
  assert.equal(await member.get('k'), 1);
  assert.equal((await member.stats()).memoryHits, before + 1);
});

test('the disk serves what no other process has made old', { skip }, async (t) => {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-remote-'));
  t.after(() => fs.rmSync(home, { recursive: true, force: true }));
  const { url } = await withServer(t);
  const remote = tier(url);
  const options = (index) => ({ disk: { dbPath: path.join(home, `${index}.db`) }, memory: false, remote, bus: { maxStaleMs: 500 } });
  const [one, two] = await startFleet(t, 2, options);
  await one.set('k', 1, 60_000);
  // The notice of the write may come after the read.
  await until(async () => (await two.get('k')) === 1 && (await two.onDisk('k')));
  const { diskHits } = await two.stats();
  assert.equal(await two.get('k'), 1);
  assert.equal((await two.stats()).diskHits, diskHits + 1);
  assert.equal(await one.invalidate('k'), true);
  await until(async () => (await two.get('k')) === undefined);
});

test('a bus without a remote tier carries invalidations, and tiers can be left out', { skip }, async (t) => {
  const { url } = await withServer(t);
  const [one, two] = await startFleet(t, 2, { disk: false, bus: { url, channel: 'c' }, memory: { ttl: 600_000 } });
  await one.set('k', 1);
  await two.set('k', 2);
  await until(async () => !(await one.inMemory('k')));
  assert.equal(await one.get('k'), undefined);
  assert.equal(await one.invalidate('k'), true);
  await until(async () => !(await two.inMemory('k')));
  const alone = made(t, { memory: false, disk: false, remote: tier(url) });
  await alone.set('x', [1], 60_000);
  assert.deepEqual([await alone.get('x'), await alone.has('x'), await alone.invalidate('x'), await alone.get('x')], [[1], true, true, undefined]);
});

test('keys that are no strings keep their type, and what has no JSON stays here', { skip }, async (t) => {
  const { url } = await withServer(t);
  const remote = tier(url);
  const [one, two] = [made(t, { remote, bus: true }), made(t, { remote, bus: true })];
  for (const key of [1, true, 5n, undefined, '']) {
    await one.set(key, String(key), 60_000);
    assert.equal(await two.get(key), String(key));
    await one.invalidate(key);
    await until(() => !two.memory.has(key));
  }
  const symbol = Symbol('k');
  await one.set(symbol, 1);
  await one.set('function', () => 1);
  const circle = {};
  circle.circle = circle;
  await one.set('circle', circle);
  assert.deepEqual([await one.get(symbol), await two.get(symbol), await two.get('function'), await two.get('circle')], [1, undefined, undefined, undefined]);
  assert.equal(await one.get('circle'), circle);
});

test('encrypted values are read by who has the key, also a former one, and by nobody else', { skip }, async (t) => {
  const server = await withServer(t);
  const remote = tier(server.url);
  const [key, next] = ['1'.repeat(64), '2'.repeat(64)];
  const having = (encryption) => made(t, { memory: false, remote, encryption });
  const one = having({ key });
  await one.set('k', 'a-secret-prompt', 60_000);
  assert.doesNotMatch(await server.command('GET', `${remote.prefix}v:{=k}`), /a-secret/);
  assert.equal(await having({ keys: [next, key] }).get('k'), 'a-secret-prompt');
  assert.equal(await having({ key: next }).get('k'), undefined);
  assert.equal(await having(undefined).get('k'), undefined);
  // What was not sealed was not written by one of us.
  await having(undefined).set('k', 'planted', 60_000);
  assert.equal(await one.get('k'), undefined);
});

test('bad options are refused by name, and odd values break nothing', { skip }, async (t) => {
  for (const [options, name] of [
    [{ remote: 5 }, 'remote'], [{ remote: true }, 'remote'], [{ remote: 'redis://secret' }, 'remote'], [{ remote: {} }, 'url'],
    [{ bus: true }, 'url'], [{ remote: { url: 'redis://h' }, encryption: { key: 'secret' } }, 'encryption.keys'], [{ bus: 'x' }, 'bus'], [{ bus: {} }, 'url'], [{ remote: { url: 'redis://h', timeoutMs: -1 } }, 'timeoutMs'],
    [{ remote: { url: 'redis://h', compressAboveBytes: 'x' } }, 'compressAboveBytes'], [{ remote: { url: 'redis://h', leaseMs: 5 } }, 'leaseMs'],
    [{ remote: { url: 'redis://h', maxRepairs: -1 } }, 'maxRepairs'], [{ remote: { url: 'redis://h', maxRepairBytes: {} } }, 'maxRepairBytes'],
    [{ remote: { url: 'redis://h' }, bus: { maxStaleMs: 1 } }, 'maxStaleMs'], [{ remote: { url: 'redis://h' }, bus: { channel: 5 } }, 'channel'],
    [{ remote: { url: 'redis://h' }, bus: { url: 'ftp://secret' } }, 'url'],
  ]) {
    assert.throws(() => new Manager({ disk: false, ...options }), (error) => {
      assert.ok(error instanceof TypeError || error instanceof RangeError);
      assert.match(error.message, new RegExp(`"${name}"`));
      assert.doesNotMatch(error.message, /secret/);
      return true;
    });
  }
  const { url } = await withServer(t);
  const cache = made(t, { remote: tier(url), bus: true });
  for (const value of ODD) {
    await cache.set(value, value, 1000).catch(() => {});
    await cache.get(value).catch(() => {});
    await cache.set('k', value, value).catch(() => {});
    await cache.getOrSet(value, () => value).catch(() => {});
    await cache.invalidate(value).catch(() => {});
    await cache.invalidateTag(value).catch(() => {});
    await cache.invalidatePattern(value).catch(() => {});
  }
  await cache.set('k', 'fine', 60_000);
  assert.equal(await cache.get('k'), 'fine');
});
