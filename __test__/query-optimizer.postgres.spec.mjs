// Batches on a real PostgreSQL: rows by caller, and one bad statement among good ones.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';
import { startPostgres } from './support/postgres.mjs';

const LONG = 60_000;

describe('a real PostgreSQL', () => {
  let server;
  before(async () => {
    server = await startPostgres();
  });
  after(() => server?.stop());

  /** Through any pool: rows by caller, and one bad statement among good ones. */
  async function ask(pool) {
    const optimizer = new QueryOptimizer({ pool, batchSize: 20, batchTimeout: LONG });
    const query = 'SELECT 60 / $1::int AS quotient';
    const params = [1, 2, 3, 0, 5, 6];
    const promises = params.map((value) => optimizer.queueQuery(query, [value]));
    const settled = Promise.allSettled(promises);
    await optimizer.flush();
    const answers = (await settled).map(({ value, reason }) => (reason ? reason.code : value.rows[0].quotient));
    assert.deepEqual(answers, [60, 30, 20, '22012', 12, 10]);
    assert.equal(optimizer.getStats().queriesBatched, 5);
  }

  test('through a pg.Pool', async () => {
    const pool = new pg.Pool({ connectionString: server.url, max: 3 });
    try {
      await ask(pool);
    } finally {
      await pool.end();
    }
  });

  test('through a ConnectionPool, a batch in one call', async () => {
    const pool = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 2 });
    let calls = 0;
    const { queryBatch } = pool;
    pool.queryBatch = function counted(...args) {
      calls += 1;
      return queryBatch.apply(this, args);
    };
    try {
      await pool.initialize();
      await ask(pool);
      assert.equal(calls, 1);
    } finally {
      await pool.drain();
    }
  });
});
