// Eight real processes and one Valkey: the bound on what they let through together, and what holds when it is gone.
import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'node:test';
import { noValkey, startValkey } from './support/valkey.mjs';

const WORKER = fileURLToPath(new URL('./support/limiter-worker.mjs', import.meta.url));
const LIMIT = 1000;
const LEASE = 20;

/** Runs processes at once; resolves with what each was granted. */
async function run(processes, options, ms, meanwhile) {
  const children = Array.from({ length: processes }, () => fork(WORKER, [JSON.stringify({ options, ms })]));
  try {
    await Promise.all(children.map((child) => once(child, 'message')));
    const results = children.map((child) => once(child, 'message').then(([result]) => result));
    const ends = children.map((child) => once(child, 'exit'));
    for (const child of children) child.send('go');
    await meanwhile?.();
    const granted = await Promise.all(results);
    for (const [code] of await Promise.all(ends)) assert.equal(code, 0);
    return granted;
  } finally {
    for (const child of children) child.kill('SIGKILL');
  }
}

const sum = (results, name) => results.reduce((total, result) => total + result[name], 0);
const seconds = (results) => (Math.max(...results.map(({ last }) => last)) - Math.min(...results.map(({ first }) => first))) / 1000;

test('8 processes, 1,000 a second, 20 s: never more than the limit, the time, and for isAllowed the leases', { skip: noValkey() }, async (t) => {
  const valkey = await startValkey();
  t.after(() => valkey.stop());
  const options = { rateLimit: LIMIT, refillRate: LIMIT, refillInterval: 100, store: { url: valkey.url, leaseTokens: LEASE, timeoutMs: 5000 } };
  const results = await run(8, options, 20_000);
  const time = seconds(results);
  // A refill may fall before the first and one after the last.
  const most = LIMIT + LIMIT * (time + 0.1);
  const [exact, mixed] = [sum(results, 'exact'), sum(results, 'mixed')];
  t.diagnostic(`${time.toFixed(2)} s: acquire alone ${exact}, with isAllowed ${mixed}, at most ${most.toFixed(0)} and ${8 * LEASE} of leases`);
  assert.equal(sum(results.map(({ store }) => store), 'failures'), 0);
  assert.ok(time > 19, `${time} s`);
  assert.ok(exact <= most, `acquire: ${exact} of ${most}`);
  assert.ok(mixed <= most + 8 * LEASE, `isAllowed: ${mixed} of ${most} and leases`);
  // Nor is anything held back for nothing.
  assert.ok(exact >= 0.9 * LIMIT * time && mixed >= 0.9 * LIMIT * time, `${exact} and ${mixed} in ${time} s`);
});

for (const [how, stop, start] of [
  ['killed and started again', (valkey) => valkey.kill(), (valkey) => valkey.start()],
  ['paused and resumed', (valkey) => valkey.pause(), (valkey) => valkey.resume()],
]) {
  test(`Valkey ${how}: the insurance holds, nothing hangs, and the store is used again`, { skip: noValkey() }, async (t) => {
    const valkey = await startValkey();
    t.after(() => valkey.stop());
    const [processes, away] = [3, 3];
    const options = { rateLimit: 200, refillRate: 200, refillInterval: 100, maxWaitTime: 2000,
      store: { url: valkey.url, leaseTokens: LEASE, timeoutMs: 300, insuranceShare: 0.5 } };
    let calls;
    const results = await run(processes, options, 9000, async () => {
      await sleep(2000);
      await stop(valkey);
      await sleep(away * 1000);
      await start(valkey);
      await sleep(2500);
      const info = await valkey.command('INFO', 'commandstats');
      calls = Number(/cmdstat_evalsha:calls=(\d+)/.exec(info)?.[1] ?? 0);
    });
    const time = seconds(results);
    // While it is away each process grants half of the limit by itself, from a full bucket of its own; when it was killed
    // the buckets begin full again.
    const away2 = away + 2.5;
    const most = 2 * 200 + 200 * (time + 0.1) + processes * (100 + 100 * away2);
    for (const client of ['exact', 'mixed']) {
      const granted = sum(results, client);
      t.diagnostic(`${client}: ${granted} in ${time.toFixed(2)} s, at most ${most.toFixed(0)}`);
      assert.ok(granted <= most + (client === 'mixed' ? processes * LEASE : 0), `${client}: ${granted} of ${most}`);
      assert.ok(granted >= 200 * (time - away) * 0.6, `${client}: ${granted} in ${time} s`);
    }
    assert.ok(sum(results.map(({ store }) => store), 'failures') > 0);
    assert.ok(results.every(({ store }) => store.up), 'the store is used again');
    assert.ok(calls > 0);
    // A wait in line is no hang: 2 s, and what a call may take.
    for (const { slowest } of results) assert.ok(slowest < 4500, `${slowest} ms`);
  });
}
