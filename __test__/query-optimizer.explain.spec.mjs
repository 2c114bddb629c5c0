// explain on a real PostgreSQL: the plan and its cost, scans of large tables, and the index that would spare them.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';
import { startWithHypopg } from './support/hypopg.mjs';
import { startPostgres } from './support/postgres.mjs';
import { survives } from './support/resilience.mjs';

const TABLES = `
  create table orders (id bigserial primary key, user_id bigint, email varchar, at timestamptz, "Total" numeric, note text);
  insert into orders (user_id, email, at, "Total", note)
    select i % 2000, 'u' || i, now() - i * interval '1 minute', i, repeat('x', 20) from generate_series(1, 40000) i;
  create table users (id bigint primary key, name text);
  insert into users select i, 'n' || i from generate_series(1, 2000) i;
  create schema "Odd Shop";
  create table "Odd Shop"."Sold Items" (id int, "Key" int);
  insert into "Odd Shop"."Sold Items" select i, i from generate_series(1, 20000) i;
  analyze;`;

async function fill(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query(TABLES);
  await client.end();
}

describe('on a real PostgreSQL', () => {
  let server;
  let pool;
  let optimizer;
  before(async () => {
    server = await startPostgres();
    await fill(server.url);
    pool = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 2 });
    optimizer = new QueryOptimizer({ pool });
  });
  after(async () => {
    await pool?.drain();
    await server?.stop();
  });

  const keys = async (query, params) => (await optimizer.explain(query, params)).indexProposals.map(({ columns }) => columns.join(', '));

  test('the plan, what it costs, and the scan of a large table', async () => {
    const query = 'SELECT id FROM orders WHERE user_id = $1 AND at > $2';
    const { plan, totalCost, rows, executionMs, sequentialScans, indexProposals, casts, fingerprint } =
      await optimizer.explain(query, [5, new Date()]);
    assert.equal(plan['Node Type'], 'Seq Scan');
    assert.equal(plan['Total Cost'], totalCost);
    assert.ok(totalCost > 100 && rows >= 1);
    assert.equal(executionMs, null);
    assert.equal(fingerprint, optimizer.analyze(query).fingerprint);
    assert.deepEqual(sequentialScans.map(({ table, tableRows, filter }) => [table, tableRows, /user_id = '5'/.test(filter)]), [
      ['public.orders', 40_000, true],
    ]);
    assert.deepEqual(indexProposals, [{
      table: 'public.orders', columns: ['user_id', 'at'], sql: 'CREATE INDEX ON public.orders (user_id, at)',
      reason: 'equality, then range', tried: null,
    }]);
    assert.deepEqual(casts, []);
  });

  test('equality first, then a range or the order; joins, expressions, patterns and odd names', async () => {
    for (const [query, params, expected] of [
      ['SELECT id FROM orders WHERE email = $1', ['u5'], ['email']],
      ['SELECT id FROM orders WHERE lower(email) = $1', ['u5'], ['lower(email)']],
      ['SELECT id FROM orders WHERE user_id = ANY($1)', [[5, 6]], ['user_id']],
      ['SELECT id FROM orders WHERE user_id = $1 ORDER BY at DESC LIMIT 5', [5], ['user_id, at DESC']],
      ['SELECT id FROM orders ORDER BY at LIMIT 5', [], ['at']],
      ["SELECT id FROM orders WHERE note LIKE 'abc%'", [], ['note text_pattern_ops']],
      ['SELECT o.id FROM users u JOIN orders o ON o.user_id = u.id WHERE u.id = $1', [5], ['user_id']],
      ['UPDATE orders SET note = $1 WHERE "Total" = $2', ['y', 5], ['"Total"']],
      ['SELECT id FROM "Odd Shop"."Sold Items" WHERE "Key" = $1', [5], ['"Key"']],
      ['SELECT id FROM orders WHERE id = $1', [5], []],
      ['SELECT id FROM orders WHERE note <> $1', ['y'], []],
      ["SELECT id FROM orders WHERE note LIKE '%abc'", [], []],
    ]) {
      assert.deepEqual(await keys(query, params), expected, query);
    }
  });

  test('a proposal is a statement that works, and when it was made it is proposed no more', async () => {
    const query = 'SELECT id FROM "Odd Shop"."Sold Items" WHERE "Key" = $1 AND id > $2';
    const { indexProposals: [{ sql }], totalCost } = await optimizer.explain(query, [5, 1]);
    await pool.query(sql);
    const again = await optimizer.explain(query, [5, 1]);
    assert.deepEqual(again.sequentialScans, []);
    assert.ok(again.totalCost < totalCost / 10);
    // Of no use to the planner here, and yet there: it is not proposed once more.
    const single = new QueryOptimizer({ pool: await pool.acquire() });
    await single.pool.query('SET enable_indexscan = off; SET enable_bitmapscan = off; SET enable_indexonlyscan = off');
    const forced = await single.explain(query, [5, 1]);
    assert.deepEqual([forced.sequentialScans.length, forced.indexProposals], [1, []]);
    await single.pool.query('RESET ALL');
    pool.release(single.pool);
  });

  test('a cast of the column in every row is told', async () => {
    const { casts, indexProposals } = await optimizer.explain('SELECT note FROM orders WHERE id = $1::numeric', [5]);
    assert.deepEqual(casts, [{ table: 'public.orders', column: 'id', to: 'numeric' }]);
    assert.deepEqual(indexProposals, []);
  });

  test('what a large table is, the caller says', async () => {
    const query = 'SELECT name FROM users WHERE name = $1';
    assert.deepEqual((await optimizer.explain(query, ['n5'])).sequentialScans, []);
    const { sequentialScans, indexProposals } = await optimizer.explain(query, ['n5'], { largeTableRows: 1000 });
    assert.deepEqual([sequentialScans[0].table, indexProposals[0].columns], ['public.users', ['name']]);
  });

  const count = async () => Number((await pool.query('SELECT count(*) FROM orders')).rows[0].count);

  test('nothing runs; with analyze it runs and is rolled back', async () => {
    const before = await count();
    const query = 'DELETE FROM orders WHERE user_id = $1';
    assert.equal((await optimizer.explain(query, [5])).executionMs, null);
    assert.equal(await count(), before);
    const { executionMs, plan } = await optimizer.explain(query, [5], { analyze: true });
    assert.ok(executionMs > 0);
    assert.equal(plan.Plans[0]['Actual Rows'], 20);
    assert.equal(await count(), before);
    await assert.rejects(optimizer.explain('DELETE FROM orders WHERE user_id / 0 = $1', [5], { analyze: true }), { code: '22012' });
    assert.equal(await count(), before);
    assert.deepEqual((await pool.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
  });

  test('several statements are refused before anything is sent', async () => {
    const before = await count();
    for (const query of ['SELECT 1; DELETE FROM orders', 'SELECT 1; DELETE FROM orders; --', 'SELECT 1 ` 2; DELETE FROM orders; SELECT 1 ` 2']) {
      await assert.rejects(optimizer.explain(query), { name: 'TypeError', code: 'ERR_TOOLOO_INVALID_ARGUMENT' });
    }
    await assert.rejects(optimizer.explain('SELECT id FROM orders WHERE'), { code: '42601' });
    assert.equal(await count(), before);
    assert.ok(await optimizer.explain("SELECT ';' AS text; -- ;"));
  });

  test('estimatedCost of optimizeQuery is that of the last plan', async () => {
    const query = 'SELECT note FROM orders WHERE email = $1';
    assert.equal(optimizer.optimizeQuery(query).estimatedCost, 0);
    const { totalCost } = await optimizer.explain(query, ['u5']);
    assert.equal(optimizer.optimizeQuery(`  ${query.toLowerCase()}`).estimatedCost, totalCost);
    assert.equal(new QueryOptimizer().optimizeQuery(query).estimatedCost, 0);
  });

  test('through a pg.Pool, whose clients come back', async () => {
    const other = new pg.Pool({ connectionString: server.url, max: 1 });
    try {
      const through = new QueryOptimizer({ pool: other });
      for (let round = 0; round < 3; round += 1) {
        const { indexProposals } = await through.explain('SELECT id FROM orders WHERE user_id = $1', [5], { analyze: true });
        assert.deepEqual(indexProposals[0].columns, ['user_id']);
      }
      await assert.rejects(through.explain('SELECT broken'), { code: '42703' });
      assert.deepEqual((await other.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
    } finally {
      await other.end();
    }
  });

  test('a pool that only queries cannot roll back', async () => {
    const bare = new QueryOptimizer({ pool: { query: (text, params) => pool.query(text, params) } });
    assert.equal((await bare.explain('SELECT id FROM orders WHERE user_id = $1', [5])).indexProposals.length, 1);
    await assert.rejects(bare.explain('SELECT 1', [], { analyze: true }), /rolls back/);
  });

  test('whatever comes in is refused or answered', async () => {
    const strange = [
      undefined, null, true, false, 0, -1, 1.5, NaN, Infinity, 2 ** 53, 0n, '', ' ', 'x', ';', "'", '"', '$1', '\0', '\ud800',
      '💡', '(', '--', '/*', 'EXPLAIN SELECT 1', 'ANALYZE', 'SELECT', Symbol('s'), [], [1], {}, Object.create(null), () => 1,
      class {}, new Date(NaN), new Map(), Promise.resolve(1), /x/, new Uint8Array(3), new Proxy({}, {}), '('.repeat(50_000),
    ];
    assert.ok(strange.length >= 40);
    const before = await count();
    for (const value of strange) {
      await survives(() => optimizer.explain(value));
      await survives(() => optimizer.explain('SELECT $1::int', value));
      await survives(() => optimizer.explain('SELECT $1::int', [value]));
      await survives(() => optimizer.explain('SELECT 1', [], value));
      for (const name of ['analyze', 'largeTableRows', 'hypothetical']) {
        await survives(() => optimizer.explain('SELECT 1', [], { [name]: value }));
      }
      await survives(() => new QueryOptimizer({ pool: { query: async () => value } }).explain('SELECT 1'));
      await survives(() => new QueryOptimizer({ pool: { query: async () => ({ rows: [{ 'QUERY PLAN': value }] }) } }).explain('SELECT 1'));
      await survives(() => new QueryOptimizer({ pool: { acquire: async () => value } }).explain('SELECT 1'));
    }
    assert.equal(await count(), before);
    assert.deepEqual((await pool.query('SELECT 1 AS one')).rows, [{ one: 1 }]);
    await assert.rejects(optimizer.explain('SELECT 1', [], { analyze: 'yes' }), /option "analyze" must be true or false, got "yes"/);
    await assert.rejects(optimizer.explain('SELECT 1', [], { largeTableRows: -1 }), /option "largeTableRows"/);
    await assert.rejects(new QueryOptimizer().explain('SELECT 1'), /option pool/);
  });
});

describe('where the extension hypopg is installed', () => {
  let server;
  before(async () => {
    server = await startWithHypopg();
    if (server !== undefined) await fill(server.url);
  });
  after(() => server?.stop());

  test('a proposal is tried, its gain stated, and nothing of it is left', async () => {
    if (server === undefined) return;
    const pool = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 1 });
    try {
      const optimizer = new QueryOptimizer({ pool });
      await pool.query("SELECT indexname FROM hypopg_create_index('CREATE INDEX ON users (name)')");
      const query = 'SELECT id FROM orders WHERE user_id = $1 ORDER BY at DESC LIMIT 5';
      const { totalCost, indexProposals } = await optimizer.explain(query, [5]);
      const [{ columns, tried }] = indexProposals;
      assert.deepEqual([columns, tried.used], [['user_id', 'at DESC'], true]);
      assert.ok(tried.cost < totalCost / 10);
      assert.ok(Math.abs(tried.gain - (1 - tried.cost / totalCost)) < 1e-9);
      // The caller's own hypothetical index is still there, ours is not.
      const { rows } = await pool.query('SELECT index_name FROM hypopg_list_indexes');
      assert.deepEqual(rows.map(({ index_name: name }) => /users_name/.test(name)), [true]);

      const untried = await optimizer.explain(query, [5], { hypothetical: false });
      assert.equal(untried.indexProposals[0].tried, null);
      const analyzed = await optimizer.explain(query, [5], { analyze: true });
      assert.ok(analyzed.executionMs > 0 && analyzed.indexProposals[0].tried.gain > 0.9);
      // As the estimate said: the index that is really there costs what the hypothetical one did, within a tenth.
      await pool.query(indexProposals[0].sql);
      await pool.query('ANALYZE orders');
      const real = await optimizer.explain(query, [5]);
      assert.ok(Math.abs(real.totalCost - tried.cost) < tried.cost / 10, `${real.totalCost} and ${tried.cost}`);
    } finally {
      await pool.drain();
    }
  });
});
