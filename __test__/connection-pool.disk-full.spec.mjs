// A server whose disk is really full: a tablespace on a small tmpfs.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { startPostgres } from './support/postgres.mjs';
import { noSmallDisk, smallDisk } from './support/small-disk.mjs';

const FULL = { code: '53100' };
const FILL = "insert into heavy select n, repeat(md5(n::text), 60) from generate_series(1, 20000) n";

describe('a server whose disk is full', { skip: noSmallDisk() }, () => {
  let disk;
  let server;
  let pool;

  before(async () => {
    disk = smallDisk(8);
    server = await startPostgres();
    pool = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 3 });
    const location = path.join(disk.folder, 'space');
    fs.mkdirSync(location);
    // The server runs as the owner of its files.
    const { uid, gid } = fs.statSync(path.join(server.socketDir, 'data'));
    fs.chownSync(location, uid, gid);
    await pool.query(`create tablespace small location '${location}'`);
    await pool.query('create table heavy (id int, text text) tablespace small');
  });

  after(async () => {
    await pool?.drain();
    await server?.stop();
    disk?.unmount();
  });

  const idle = () => {
    const { activeCount, waitingRequests, poolSize, availableConnections, failures } = pool.getStats();
    assert.deepEqual({ activeCount, waitingRequests, failures }, { activeCount: 0, waitingRequests: 0, failures: 0 });
    assert.equal(availableConnections, poolSize);
  };

  test('fails the statement with SQLSTATE 53100, and the connection goes on', async () => {
    const { rows: [{ pid }] } = await pool.query('select pg_backend_pid() as pid');
    await assert.rejects(pool.query(FILL), FULL);
    assert.deepEqual((await pool.query('select pg_backend_pid() as pid, (select count(*)::int from heavy) as n')).rows, [{ pid, n: 0 }]);
    assert.equal(pool.getStats().created, 1);
    idle();
  });

  test('fails each of many at once alone, and reads go on beside them', async () => {
    const writes = Array.from({ length: 6 }, () => assert.rejects(pool.query(FILL), FULL));
    const reads = Array.from({ length: 20 }, async (_, n) => assert.equal((await pool.query('select $1::int as n', [n])).rows[0].n, n));
    await Promise.all([...writes, ...reads]);
    idle();
  });

  test('rolls a transaction back, fails a COPY, and one statement of a batch', async () => {
    await assert.rejects(pool.transaction(async (tx) => {
      await tx.query("insert into heavy values (1, 'a')");
      await tx.query(FILL);
    }), FULL);
    const rows = function* lines() { for (let n = 0; n < 20_000; n += 1) yield `${n}\t${'0123456789abcdef'.repeat(120)}\n`; };
    await assert.rejects(pool.copyFrom('copy heavy from stdin', rows()), FULL);
    const [first, second, third] = await pool.queryBatch(['select 1 as one', FILL, 'select 3 as three']);
    assert.deepEqual([first.value.rows, second.error.code, third.value.rows], [[{ one: 1 }], '53100', [{ three: 3 }]]);
    assert.equal((await pool.query('select count(*)::int as n from heavy')).rows[0].n, 0);
    idle();
  });

  test('works again as soon as there is room', async () => {
    disk.grow(256);
    assert.equal((await pool.query(FILL)).rowCount, 20_000);
    idle();
  });
});
