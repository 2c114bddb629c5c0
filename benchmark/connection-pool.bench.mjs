import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { BaselinePool } from './baseline/connection-pool.mjs';
import { timeAwaited } from './harness.mjs';

const COUNT = 200_000;

/** Acquire and release, one at a time, with `held` other connections lent. */
async function borrow(Pool, held) {
  const pool = new Pool({ minConnections: 2, maxConnections: 10 });
  for (let index = 0; index < held; index += 1) await pool.acquire();
  return timeAwaited(COUNT, async () => pool.release(await pool.acquire()));
}

/** Callers in line: 100 at a time on 10 connections. */
async function queue(Pool) {
  const pool = new Pool({ minConnections: 10, maxConnections: 10 });
  const one = async () => {
    const conn = await pool.acquire();
    await undefined;
    pool.release(conn);
  };
  return (await timeAwaited(500, () => Promise.all(Array.from({ length: 100 }, one)))) / 100;
}

export async function run(table) {
  for (const [title, held] of [['acquire + release', 0], ['acquire + release, 9 others lent', 9]]) {
    await table.compare({
      title,
      goal: 1,
      baseline: () => borrow(BaselinePool, held),
      ours: () => borrow(ConnectionPool, held),
    });
  }
  await table.compare({
    title: 'acquire + release, 100 callers on 10 connections',
    goal: 1,
    baseline: () => queue(BaselinePool),
    ours: () => queue(ConnectionPool),
  });
}
