// Where connections are driven: on Node's own loop, or on the package's thread; on a real server.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { startPostgres } from './support/postgres.mjs';
import { until } from './support/until.mjs';

const FACE = new URL('../src/js/lib/connection-pool.mjs', import.meta.url).href;

let server;

before(async () => {
  server = await startPostgres();
});

after(() => server?.stop());

/** The sockets that Node's loop watches for somebody else: `{ is_active, is_referenced }` for each. */
const watched = () => process.report.getReport().libuv.filter(({ type }) => type === 'poll');

async function withPool(options, body) {
  const pool = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 1, ...options });
  try {
    return await body(pool);
  } finally {
    await pool.drain();
  }
}

/** The kernel's timer of each of our TCP connections to the server: 2 is that of keepalive, 0 is none. */
function kernelTimers() {
  const port = Number(new URL(server.url).port).toString(16).toUpperCase().padStart(4, '0');
  const lines = fs.readFileSync('/proc/net/tcp', 'utf8').trim().split('\n').slice(1).map((line) => line.trim().split(/\s+/));
  return lines.filter(([, , remote, state]) => remote.endsWith(`:${port}`) && state === '01').map((words) => Number(words[5].split(':')[0]));
}

test('a silent connection is probed by the kernel after keepaliveMs', { skip: process.platform !== 'linux' }, async () => {
  for (const transport of ['loop', 'thread']) {
    await withPool({ transport, keepaliveMs: 5000 }, async (pool) => {
      await pool.query('select 1');
      await until(() => kernelTimers().join() === '2');
    });
    await until(() => kernelTimers().length === 0);
  }
  assert.throws(() => new ConnectionPool({ connectionString: server.url, keepaliveMs: 'often' }), /"keepaliveMs".*"often"/);
});

describe('on the loop', () => {
  test('a connection is a watched socket that keeps no process alive, and goes with the connection', async () => {
    await withPool({ minConnections: 2, maxConnections: 2 }, async (pool) => {
      assert.equal((await pool.query('select 1 as one')).rows[0].one, 1);
      await until(() => watched().length === 2, 'both sockets are watched');
      assert.ok(watched().every((handle) => handle.is_active && !handle.is_referenced));
    });
    await until(() => watched().length === 0, 'the handles are closed');
  });

  test('a stream is read on the thread, and the connection comes back to the loop', async () => {
    await withPool({}, async (pool) => {
      await pool.query('select 1');
      let seen = 0;
      for await (const { n } of pool.stream('select n from generate_series(1, 20000) n')) {
        seen += n;
        if (n === 5000) await until(() => watched().length === 0, 'the loop has let go of it');
      }
      assert.equal(seen, 200_010_000);
      await until(() => watched().length === 1, 'the loop has it again');
      assert.equal((await pool.query('select 2 as two')).rows[0].two, 2);
    });
  });

  test('a large answer and a large statement pass in pieces', async () => {
    await withPool({}, async (pool) => {
      const text = 'ü'.repeat(3_000_000);
      const [{ rows: back }, { rows: small }] = await Promise.all([
        pool.query('select $1::text as text', [text]),
        pool.query('select 1 as one'),
      ]);
      assert.ok(back[0].text === text);
      assert.equal(small[0].one, 1);
    });
  });

  test('a worker that is terminated in the middle of anything is clean', async () => {
    const url = JSON.stringify(`${server.url}?application_name=looped`);
    for (const work of [
      "pool.query('select pg_sleep(30)')",
      "Promise.all(Array.from({ length: 500 }, (_, n) => pool.query('select $1::int', [n])))",
      '(async () => { for await (const _ of pool.stream("select n from generate_series(1, 10000000) n")); })()',
      'pool.transaction(async (tx) => { await tx.query("select 1"); await tx.query("select pg_sleep(30)"); })',
    ]) {
      const script = `
        const { parentPort } = require('node:worker_threads');
        import(${JSON.stringify(FACE)}).then(async ({ ConnectionPool }) => {
          const pool = new ConnectionPool({ connectionString: ${url}, minConnections: 2, maxConnections: 2 });
          await pool.query('select 1');
          ${work}.catch(() => {});
          setImmediate(() => parentPort.postMessage('running'));
        });`;
      const worker = new Worker(script, { eval: true });
      await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
      await worker.terminate();
    }
    await withPool({}, async (pool) => {
      const left = "select count(*)::int as count from pg_stat_activity where application_name = 'looped'";
      await until(async () => (await pool.query(left)).rows[0].count === 0, 'the sessions of the workers end');
    });
  });
});

describe('on the thread', () => {
  test('nothing is watched, and the answers are the same', async () => {
    await withPool({ transport: 'thread' }, async (pool) => {
      const { rows } = await pool.query('select $1::int as one, $2::text as two', [1, 'zwei']);
      assert.deepEqual(rows, [{ one: 1, two: 'zwei' }]);
      let count = 0;
      for await (const _ of pool.stream('select n from generate_series(1, 3000) n')) count += 1;
      assert.equal(count, 3000);
      await assert.rejects(pool.query('select pg_sleep(30)', [], { timeoutMs: 50 }), { code: 'ERR_TOOLOO_TIMEOUT' });
      assert.equal((await pool.query('select 3 as three')).rows[0].three, 3);
      assert.equal(watched().length, 0);
    });
  });

  test('anything else is refused by name', () => {
    assert.throws(() => new ConnectionPool({ connectionString: server.url, transport: 'pigeon' }), /option "transport".*"pigeon"/);
    assert.throws(() => new ConnectionPool({ connectionString: server.url, transport: 7 }), /option "transport"/);
  });
});
