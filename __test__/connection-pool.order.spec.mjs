// Which connection is lent: the first of the idle ones, whatever came back in which order.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';

/** Park–Miller: the same numbers in each run. */
function randomFrom(seed) {
  let state = seed;
  return (below) => {
    state = (state * 48271) % 2147483647;
    return state % below;
  };
}

for (const [title, options] of [
  ['never tested', {}],
  ['tested when idle for long', { factory: { create: async () => ({}), test: async () => true } }],
  ['replaced after a time', { factory: { create: async () => ({}) }, maxLifetimeMs: 3_600_000, validateAfterIdleMs: 0 }],
]) {
  test(`of connections that are ${title}, the first idle one is lent, and each borrow is counted`, async () => {
    const pool = new ConnectionPool({ minConnections: 5, maxConnections: 5, ...options });
    await pool.initialize();
    const all = pool.connections.map(({ conn }) => conn);
    assert.equal(new Set(all).size, 5);
    const random = randomFrom(all.length + title.length);
    const idle = new Set(all.keys());
    const lent = [];
    let borrows = 0;
    for (let step = 0; step < 3_000; step += 1) {
      if (idle.size > 0 && (lent.length === 0 || random(2) === 0)) {
        const conn = await pool.acquire();
        const index = all.indexOf(conn);
        assert.equal(index, Math.min(...idle), `step ${step}`);
        idle.delete(index);
        lent.push(index);
        borrows += 1;
      } else {
        const [index] = lent.splice(random(lent.length), 1);
        pool.release(all[index]);
        idle.add(index);
      }
      if (step % 100 === 0) {
        const { acquired, released, activeCount } = pool.getStats();
        assert.deepEqual([acquired, released, activeCount], [borrows, borrows - lent.length, lent.length]);
      }
    }
    for (const index of lent) pool.release(all[index]);
    assert.deepEqual(pool.getStats().released, borrows);
    await pool.drain();
  });
}

test('a connection that came back and was lent again is in one hand only', async () => {
  const pool = new ConnectionPool({ minConnections: 1, maxConnections: 2 });
  const first = await pool.acquire();
  pool.release(first);
  pool.release(first);
  const again = await pool.acquire();
  const other = await pool.acquire();
  assert.equal(again, first);
  assert.notEqual(other, first);
  assert.deepEqual(pool.getStats().activeCount, 2);
  await pool.drain();
});
