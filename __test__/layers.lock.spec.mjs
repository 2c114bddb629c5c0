// `lock: 'distributed'`: one load in all processes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startFleet, startMember } from './support/fleet.mjs';
import { sleep } from './support/resilience.mjs';
import { until } from './support/until.mjs';
import { noValkey, startValkey } from './support/valkey.mjs';

const skip = noValkey();
const lock = 'distributed';

async function fleet(t, count, { bus = true, ...remote } = {}) {
  const server = await startValkey();
  t.after(() => server.stop());
  const options = { disk: false, bus, remote: { url: server.url, timeoutMs: 2000, ...remote }, memory: { ttl: 600_000 } };
  return { server, options, members: await startFleet(t, count, options) };
}

const total = async (members) => (await Promise.all(members.map((member) => member.loads()))).reduce((sum, each) => sum + each, 0);
const inStep = (members) => until(async () => (await Promise.all(members.map((each) => each.stats()))).every(({ remote }) => remote.inStep));

for (const bus of [true, false]) {
  test(`a key is loaded once by four processes that ask at once, ${bus ? 'with' : 'without'} a bus`, { skip }, async (t) => {
    const { members } = await fleet(t, 4, { bus });
    if (bus) await inStep(members);
    for (let round = 1; round <= 10; round += 1) {
      const key = `k${round}`;
      const values = await Promise.all(members.flatMap((member, index) => Array.from({ length: 5 }, () =>
        member.load(key, index, { ms: 50, ttl: 60_000, lock }))));
      assert.equal(new Set(values).size, 1);
      assert.equal(await total(members), round);
    }
  });
}

test('waiters hear of the value at once', { skip }, async (t) => {
  const { members: [one, two] } = await fleet(t, 2);
  await inStep([one, two]);
  const times = [];
  for (let round = 0; round < 5; round += 1) {
    const key = `k${round}`;
    let loaded;
    const first = one.load(key, 1, { ms: 300, ttl: 60_000, lock }).then(() => { loaded = performance.now(); });
    await sleep(100);
    const second = two.load(key, 2, { ttl: 60_000, lock }).then((value) => {
      assert.equal(value, 1);
      return performance.now();
    });
    await first;
    times.push((await second) - loaded);
  }
  // Without being told they would look half a second apart.
  assert.ok(times.sort((a, b) => a - b)[2] < 250, `${times}`);
});

test('who waited for the lease while the key was made old keeps what he loads then', { skip }, async (t) => {
  const { members: [one, two] } = await fleet(t, 2);
  await inStep([one, two]);
  const old = one.load('k', 'old', { ms: 500, ttl: 60_000, lock, tags: ['t'] });
  await until(async () => (await one.loads()) === 1);
  const waiting = two.load('k', 'new', { ttl: 60_000, lock, tags: ['t'] });
  await sleep(100);
  assert.equal(await two.invalidate('k'), true);
  assert.equal(await two.invalidateTag('t'), true);
  assert.equal(await old, 'old');
  assert.equal(await waiting, 'new');
  assert.equal(await two.inMemory('k'), true);
  assert.equal(await one.get('k'), 'new');
  assert.equal(await total([one, two]), 2);
});

test('when the holder dies another takes over when the lease is over', { skip }, async (t) => {
  const { members: [one, two] } = await fleet(t, 2, { leaseMs: 1000 });
  one.load('k', 'dead', { ms: 600_000, ttl: 60_000, lock }).catch(() => {});
  await until(async () => (await one.loads()) === 1);
  // Kept for as long as it is alive.
  await sleep(1500);
  const waiting = two.load('k', 'alive', { ttl: 60_000, lock });
  await sleep(300);
  assert.equal(await two.loads(), 0);
  one.kill();
  const died = Date.now();
  assert.equal(await waiting, 'alive');
  assert.ok(Date.now() - died < 1000 + 5000);
});

test('a load that fails gives the lease back, and the next tries', { skip }, async (t) => {
  const { members: [one, two] } = await fleet(t, 2);
  const failing = assert.rejects(one.load('k', 0, { ms: 200, fails: true, lock }), /the load failed/);
  await until(async () => (await one.loads()) === 1);
  assert.equal(await two.load('k', 'fine', { ttl: 60_000, lock }), 'fine');
  await failing;
  assert.equal(await one.load('k', 'not asked', { lock }), 'fine');
});

test('the lease of a process that was stopped is taken over, and what it found late is not stored', { skip }, async (t) => {
  const { members: [one, two] } = await fleet(t, 2, { leaseMs: 500 });
  const late = one.load('k', 'late', { ms: 200, ttl: 60_000, lock });
  await until(async () => (await one.loads()) === 1);
  one.kill('SIGSTOP');
  assert.equal(await two.load('k', 'taken over', { ms: 300, ttl: 60_000, lock }), 'taken over');
  one.kill('SIGCONT');
  assert.equal(await late, 'late');
  await until(async () => (await one.get('k')) === 'taken over');
});

test('tokens grow with every lease of a key', { skip }, async (t) => {
  const { members: [one, two] } = await fleet(t, 2);
  const tokens = [];
  for (let round = 0; round < 6; round += 1) {
    tokens.push(await [one, two][round % 2].load('k', 'token', { ttl: 60_000, lock }));
    await one.invalidate('k');
    await until(async () => !(await two.inMemory('k')));
  }
  assert.ok(tokens.every((token) => /^\d+-\d+$/.test(token)), `${tokens}`);
  assert.deepEqual([...tokens].sort(), tokens);
});

test('an invalidation ends the wait: what is loaded after it is new', { skip }, async (t) => {
  const { members: [one, two, three] } = await fleet(t, 3);
  const old = one.load('k', 'old', { ms: 400, ttl: 60_000, lock });
  await until(async () => (await one.loads()) === 1);
  assert.equal(await two.invalidate('k'), true);
  const fresh = three.load('k', 'new', { ttl: 60_000, lock });
  assert.equal(await fresh, 'new');
  assert.equal(await old, 'old');
  await until(async () => (await one.get('k')) === 'new');
});

test('without a server each process loads for itself', { skip }, async (t) => {
  const { server, members: [one, two] } = await fleet(t, 2, { timeoutMs: 300 });
  await one.load('warm', 1, { lock });
  await server.kill();
  assert.deepEqual(await Promise.all([one.load('k', 'a', { lock }), two.load('k', 'b', { lock })]), ['a', 'b']);
  await server.start();
});

test('a process that waits when the server dies loads for itself', { skip }, async (t) => {
  const { server, options, members: [one] } = await fleet(t, 1, { timeoutMs: 300, leaseMs: 60_000 });
  const two = await startMember(t, options);
  const first = one.load('k', 'a', { ms: 1500, ttl: 60_000, lock });
  await until(async () => (await one.loads()) === 1);
  const second = two.load('k', 'b', { ttl: 60_000, lock });
  await sleep(200);
  await server.kill();
  assert.equal(await second, 'b');
  assert.equal(await first, 'a');
  await server.start();
});

test('only two kinds of lock there are', { skip }, async (t) => {
  const { members: [one] } = await fleet(t, 1);
  await assert.rejects(one.load('k', 1, { lock: 'global' }), /"lock"/);
});
