// `preparedStatements: false`, behind a real PgBouncer in transaction mode.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { noPgbouncer, startPgbouncer } from './support/pgbouncer.mjs';
import { startPostgres } from './support/postgres.mjs';
import { until } from './support/until.mjs';

const skip = noPgbouncer();
let server;
let bouncer;
let pool;

const open = (options = {}) =>
  new ConnectionPool({ connectionString: bouncer.url, preparedStatements: false, minConnections: 1, maxConnections: 6, ...options });

describe('behind PgBouncer', { skip }, () => {
  before(async () => {
    server = await startPostgres();
    bouncer = await startPgbouncer(server);
    pool = open();
    await pool.query(`create type mood as enum ('sad', 'happy');
      create type colour as enum ('red');
      create table item (id int primary key, name text, mood mood)`);
  });

  after(async () => {
    await pool?.drain();
    await bouncer?.stop();
    await server?.stop();
  });

  test('many queries at once are right, whatever session they get', async () => {
    const ask = async (n) => (await pool.query(`select $1::int + ${n % 7} as n, $2::text as t, $3::bytea as b, $4::int[] as a`, [n, `t${n}`, Buffer.from([n % 256]), [n, null]])).rows[0];
    for (let round = 0; round < 3; round += 1) {
      const rows = await Promise.all(Array.from({ length: 200 }, (_, n) => ask(n)));
      rows.forEach((row, n) => assert.deepEqual(row, { n: n + (n % 7), t: `t${n}`, b: Buffer.from([n % 256]), a: [n, null] }));
    }
    const { rows: left } = await pool.query('select name from pg_prepared_statements');
    assert.deepEqual(left, []);
  });

  test('named statements do not bear it, which is why there is the option', async () => {
    const named = open({ preparedStatements: true });
    const ask = () => Promise.allSettled(Array.from({ length: 60 }, (_, n) => named.query(`select $1::int as n${n % 5}`, [n])));
    const outcomes = [...(await ask()), ...(await ask()), ...(await ask())];
    await named.drain();
    assert.ok(outcomes.some(({ reason }) => ['26000', '42P05'].includes(reason?.code)));
    // What it left behind is in nobody's way.
    assert.equal((await pool.query('select 1 as one, 2 as two')).rows[0].two, 2);
  });

  test('types that the server casts or has made itself are read as always', async () => {
    const text = `select 'happy'::mood as m, '1 day'::interval as i, '10.0.0.1'::inet as a, array['sad'::mood] as l, $1::mood as p, 1.5::numeric as n`;
    const direct = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 1 });
    const expected = await direct.query(text, ['sad']);
    await direct.drain();
    for (const own of [pool, open(), open({ transport: 'thread' })]) {
      for (let round = 0; round < 5; round += 1) {
        const results = await Promise.all(Array.from({ length: 12 }, () => own.query(text, ['sad'])));
        for (const { rows, fields } of results) assert.deepEqual([rows, fields], [expected.rows, expected.fields]);
      }
      if (own !== pool) await own.drain();
    }
  });

  test('a new type in a transaction, and one in the next', async () => {
    const own = open({ maxConnections: 1 });
    for (const text of ["select 'happy'::mood as m", "select 'red'::colour as m", "select array['red'::colour]::text as m"]) {
      await own.transaction(async (tx) => {
        await Promise.all(Array.from({ length: 2 }, () => pool.query('select pg_sleep(0.01)')));
        assert.equal((await tx.query(text)).rowCount, 1);
        assert.equal((await tx.query(text)).rowCount, 1);
      });
    }
    await own.drain();
  });

  test('transactions, savepoints, batches, counts and errors are as always', async () => {
    await pool.transaction(async (tx) => {
      assert.equal((await tx.query("insert into item values (1, 'a', 'sad'), ($1, 'b', $2)", [2, 'happy'])).rowCount, 2);
      await assert.rejects(tx.transaction((inner) => inner.query('insert into item values (1)')), { code: '23505' });
      await assert.rejects(tx.transaction((inner) => inner.query('select nothing')), { code: '42703' });
    });
    await assert.rejects(pool.transaction(async (tx) => { await tx.query('delete from item'); throw new Error('no'); }), /no/);
    const outcomes = await pool.queryBatch(['select count(*)::int as n from item', 'select 1 / 0', { text: 'update item set name = $1', params: ['x'] }, 'nonsense']);
    assert.deepEqual(outcomes.map(({ value, error }) => error?.code ?? value.rows[0]?.n ?? value.rowCount), [2, '22012', 2, '42601']);
    await assert.rejects(pool.query('select $1::int', []), { code: '08P01' });
    assert.equal((await pool.query('select $1 as t', ['x'])).rows[0].t, 'x');
    assert.deepEqual((await pool.prepare('select $1::int as n')).parameters, [23]);
  });

  test('a column that changes is seen, once as an error', async () => {
    const own = open({ maxConnections: 1 });
    await own.query('create table changing (a int); insert into changing values (1)');
    assert.deepEqual((await own.query('select * from changing')).rows, [{ a: 1 }]);
    await own.query('alter table changing alter a type text');
    await assert.rejects(own.query('select * from changing'), { code: '0A000' });
    assert.deepEqual((await own.query('select * from changing')).rows, [{ a: '1' }]);
    await own.drain();
  });

  test('streams and COPY', async () => {
    let sum = 0;
    for await (const { n } of pool.stream('select n from generate_series(1, $1::int) n', [5000])) sum += n;
    assert.equal(sum, 12_502_500);
    assert.equal(await pool.copyFrom('copy item from stdin', ['10\tc\tsad\n', '11\td\thappy\n']), 2);
    let text = '';
    for await (const piece of pool.copyTo('copy (select id from item where id >= 10 order by id) to stdout')) text += piece;
    assert.equal(text, '10\n11\n');
    assert.equal(pool.getStats().activeCount, 0);
  });

  test('a query and a transaction that take too long are cancelled', async () => {
    await assert.rejects(pool.query('select pg_sleep(600)', [], { timeoutMs: 200 }), { code: 'ERR_TOOLOO_TIMEOUT' });
    await assert.rejects(pool.transaction((tx) => tx.query('select pg_sleep(600)'), { timeoutMs: 200 }), { code: 'ERR_TOOLOO_TIMEOUT' });
    const left = "select count(*)::int as n from pg_stat_activity where query like '%sleep(600)%' and state = 'active' and pid <> pg_backend_pid()";
    await until(async () => (await pool.query(left)).rows[0].n === 0);
  });

  test('pipelineConnections has no effect', async () => {
    const own = open({ pipelineConnections: 1 });
    const results = await Promise.all(Array.from({ length: 50 }, (_, n) => own.query('select $1::int as n', [n])));
    assert.deepEqual(results.map(({ rows }) => rows[0].n), Array.from({ length: 50 }, (_, n) => n));
    assert.ok(own.getStats().created > 1);
    await own.drain();
  });
});

test('preparedStatements has to be a boolean', () => {
  for (const value of ['no', 0, 1, 'false', {}]) {
    assert.throws(() => new ConnectionPool({ connectionString: 'postgres://h/d', preparedStatements: value }), { name: 'TypeError', message: /preparedStatements/ });
  }
});
