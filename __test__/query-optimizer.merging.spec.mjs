// What a batch becomes on a real PostgreSQL: identical reads once, lookups merged, everything else as it is.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import pg from 'pg';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';
import { startPool } from './support/pool.mjs';

const LONG = 60_000;
const LOOKUP = 'SELECT id, name FROM person WHERE id = $1';

let rig;
let server;
let pool;

before(async () => {
  rig = await startPool({ maxConnections: 3 });
  ({ server, pool } = rig);
  for (const text of [
    'create table person (id int primary key, org int, name text, born date, photo bytea, notes jsonb, deleted_at timestamptz, unique (id, org))',
    `insert into person select n, n % 3, 'p' || n, date '2000-01-01' + n, '\\x0102', '{"tags":["a"]}' from generate_series(1, 100) n`,
    "update person set deleted_at = now() where id > 90",
    'create view people as select * from person',
    'create table secured (id int primary key)',
    'alter table secured enable row level security',
    'create sequence calls',
    "create function nickname(person) returns text language sql volatile as $$ select 'n' || nextval('calls') $$",
    'create function age(person) returns int language sql stable as $$ select 7 $$',
    'create table "Tree" (id int, "Key" text, seen int) partition by range (id)',
    'create table branch partition of "Tree" for values from (0) to (1000)',
    `insert into "Tree" select n, 'k' || n % 10, 0 from generate_series(1, 50) n`,
  ]) {
    await pool.query(text);
  }
});

after(async () => {
  await rig?.stop();
});

/** Asks one batch; `{ outcomes, stats }` of it alone. */
async function ask(text, list, options) {
  const optimizer = new QueryOptimizer({ pool, batchSize: 1e9, batchTimeout: LONG, ...options });
  const promises = list.map((params) => optimizer.queueQuery(text, params));
  const settled = Promise.allSettled(promises);
  await optimizer.flush();
  const { merged, deduplicated, statementsSent } = optimizer.getStats();
  return { outcomes: await settled, stats: [merged, deduplicated, statementsSent] };
}

/** Merged and alone they are the same. */
async function same(text, list, stats) {
  const together = await ask(text, list);
  const alone = await ask(text, list, { mergeLookups: false, deduplicate: false });
  assert.deepEqual(alone.stats, [0, 0, list.length]);
  assert.deepStrictEqual(together.outcomes, alone.outcomes);
  assert.deepEqual(together.stats, stats);
  return together.outcomes;
}

describe('Prisma\'s batching bugs', () => {
  test('#22202: a filter beside a composite key loads those rows only, not the table', async () => {
    const text = 'SELECT id FROM person WHERE id = $1 AND org = $2 AND deleted_at IS NULL AND org < 2';
    const outcomes = await same(text, [[1, 1], [2, 2], [3, 0], [93, 0], [4, 2], [1, 1]], [5, 1, 1]);
    assert.deepEqual(outcomes.map(({ value }) => value.rows), [[{ id: 1 }], [], [{ id: 3 }], [], [], [{ id: 1 }]]);
    // What the server reads for the merged statement is bounded by the keys.
    const { statement } = await new QueryOptimizer({ pool }).batchPlan(text);
    const { rows } = await pool.query(`explain (analyze, format json) ${statement}`, ['{1,2}', '{1,2}']);
    const read = (node) => (node['Relation Name'] === 'person' ? node['Actual Rows'] * node['Actual Loops'] : 0) + (node.Plans ?? []).reduce((sum, plan) => sum + read(plan), 0);
    assert.ok(read(rows[0]['QUERY PLAN'][0].Plan) <= 2);
  });

  test('#25777: a part of a composite key that is named twice keeps both of its values', async () => {
    const text = 'SELECT id FROM person WHERE (id = $1 AND org = $2) AND org = $3';
    const outcomes = await same(text, [[1, 1, 1], [2, 2, 2], [4, 1, 2], [5, 2, 2]], [4, 0, 1]);
    assert.deepEqual(outcomes.map(({ value }) => value.rowCount), [1, 1, 0, 1]);
  });

  test('#23957: more lookups than a statement has room for parameters', async () => {
    const list = Array.from({ length: 70_000 }, (_, index) => [index]);
    const { outcomes, stats } = await ask(LOOKUP, list);
    assert.ok(outcomes.every(({ value }, index) => value.rowCount === Number(index > 0 && index <= 100)));
    assert.deepEqual(stats, [70_000, 0, 70]);
  });

  test('#23313: conditions that change nothing do not switch the merging off, and what does is said', async () => {
    for (const more of ['', ' AND true', ' AND (deleted_at IS NULL)', ' AND (name <> \'x\')', ';', ' /* list */']) {
      const { stats } = await ask(LOOKUP + more, [[1], [2], [3]]);
      assert.deepEqual(stats, [3, 0, 1], more);
    }
    const optimizer = new QueryOptimizer({ pool });
    for (const [text, reason] of [
      [`${LOOKUP} OR id = $2`, /^its WHERE is not/],
      [`${LOOKUP} LIMIT 1`, /LIMIT/],
      ['SELECT id FROM people WHERE id = $1', /plain table/],
      ['SELECT id FROM secured WHERE id = $1', /row-level security/],
      ['SELECT p.nickname FROM person p WHERE id = $1', /volatile/],
      ['SELECT p.age FROM person p WHERE id = $1', /not a column/],
      ['SELECT id FROM missing WHERE id = $1', /refused/],
      ['this is no sql', /not understood/],
    ]) {
      const plan = await optimizer.batchPlan(text);
      assert.deepEqual([plan.merges, plan.statement], [false, undefined]);
      assert.match(plan.reason, reason, text);
    }
    assert.equal((await new QueryOptimizer({ pool, mergeLookups: false }).batchPlan(LOOKUP)).reason, 'mergeLookups is switched off');
    assert.match((await new QueryOptimizer().batchPlan(LOOKUP)).reason, /no PostgreSQL pool/);
    await assert.rejects(new QueryOptimizer().batchPlan(7), TypeError);
  });
});

describe('lookups', () => {
  test('duplicates, misses and NULL keys each get what they would have got alone', async () => {
    const outcomes = await same(LOOKUP, [[7], [1], [null], [7], [-1], ['7'], [undefined], [7]], [5, 3, 1]);
    assert.deepEqual(outcomes.map(({ value }) => value.rows.map(({ name }) => name).join()), ['p7', 'p1', '', 'p7', '', 'p7', '', 'p7']);
  });

  test('one bad parameter fails its caller only', async () => {
    const outcomes = await same(LOOKUP, [[1], ['x'], [2], ['x'], [1, 2], [], [3], 7], [0, 1, 7 + 1]);
    assert.deepEqual(outcomes.map(({ reason }) => reason?.code), [undefined, '22P02', undefined, '22P02', '08P01', '08P01', undefined, 'ERR_TOOLOO_INVALID_ARGUMENT']);
  });

  test('columns keep their order, their names and their types', async () => {
    await same('SELECT name, id, name, born AS id, 1 AS one FROM person AS p WHERE p.id = $1', [[1], [2]], [2, 0, 1]);
    await same('SELECT * FROM person WHERE id = $1', [[1], [95], [2], [1]], [3, 1, 1]);
    await same('SELECT t.* FROM public."Tree" t WHERE "Key" = $1', [['k1'], ['k2'], ['k']], [3, 0, 1]);
  });

  test('a change of the table is seen by the next batch', async () => {
    await pool.query('create table changing (id int, a int)');
    await pool.query('insert into changing values (1, 1), (2, 2)');
    const text = 'SELECT * FROM changing WHERE id = $1';
    await same(text, [[1], [2]], [2, 0, 1]);
    for (const change of ['alter table changing add b text default \'x\'', 'alter table changing alter id type bigint', 'alter table changing alter id type text', 'alter table changing drop a']) {
      await pool.query(change);
      const { outcomes } = await ask(text, [[1], [2]]);
      const alone = await ask(text, [[1], [2]], { mergeLookups: false });
      assert.deepStrictEqual(outcomes.map(({ value }) => value?.rows), alone.outcomes.map(({ value }) => value?.rows), change);
    }
  });

  test('a query of its own is sent as it is', async () => {
    assert.deepEqual((await ask(LOOKUP, [[1]])).stats, [0, 0, 1]);
    assert.deepEqual((await ask(LOOKUP, [[1], [1]])).stats, [0, 1, 1]);
  });

  test('a dump of the optimizer shows no parameter and no key', async () => {
    const optimizer = new QueryOptimizer({ pool, batchTimeout: 1 });
    await Promise.all(['secret-a', 'secret-b'].map((key) => optimizer.queueQuery('SELECT id FROM person WHERE name = $1', [key])));
    assert.ok(!JSON.stringify([optimizer, optimizer.getStats(), optimizer.getTopQueries(), optimizer.stats]).includes('secret'));
  });
});

describe('identical queries', () => {
  test('run once, and each caller has a result of its own', async () => {
    const { outcomes, stats } = await ask('SELECT *, array[born] AS days, interval \'1 h\' AS hour FROM person WHERE id < $1', [[3], [3], [3]]);
    assert.deepEqual(stats, [0, 2, 1]);
    const [first, second, third] = outcomes.map(({ value }) => value);
    assert.deepStrictEqual(first, second);
    assert.deepStrictEqual(second, third);
    for (const cell of ['photo', 'notes', 'born', 'days', 'hour']) assert.notEqual(first.rows[0][cell], second.rows[0][cell], cell);
    first.rows[0].photo[0] = 9;
    first.rows[0].notes.tags.push('b');
    first.rows[0].born.setTime(0);
    first.rows[0].days[0].setTime(0);
    first.rows.pop();
    first.rowCount = 99;
    assert.deepStrictEqual(second, third);
    assert.deepEqual([second.rows.length, second.rowCount, second.rows[0].photo[0], second.rows[0].notes.tags.length], [2, 2, 1, 1]);
  });

  test('the results of merged lookups are each caller\'s own, too', async () => {
    const { outcomes } = await ask('SELECT notes, photo FROM person WHERE id = $1', [[1], [1], [2]]);
    const [first, second] = outcomes.map(({ value }) => value.rows[0]);
    first.notes.tags.push('b');
    first.photo[0] = 9;
    assert.deepEqual([second.notes.tags, second.photo[0]], [['a'], 1]);
  });

  for (const [what, text, list] of [
    ['an INSERT', 'INSERT INTO "Tree" VALUES ($1, \'new\') RETURNING id', [[60], [60]]],
    ['an UPDATE', 'UPDATE "Tree" SET seen = seen + 1 WHERE id = $1 RETURNING seen', [[1], [1]]],
    ['a DELETE', 'DELETE FROM "Tree" WHERE id = $1 RETURNING id', [[2], [2]]],
    ['nextval', "SELECT nextval('calls'), $1::int", [[1], [1]]],
    ['a volatile function of one\'s own', 'SELECT nickname(p) FROM person p WHERE id = $1', [[1], [1]]],
    ['a volatile function written as a column', 'SELECT p.nickname FROM person p WHERE id = $1', [[1], [1]]],
    ['clock_timestamp', 'SELECT clock_timestamp(), $1::int', [[1], [1]]],
    ['a lock', `${LOOKUP} FOR UPDATE`, [[1], [1]]],
    ['a view', 'SELECT id FROM people WHERE id = $1', [[1], [1]]],
    ['row-level security', 'SELECT id FROM secured WHERE id = $1', [[1], [1]]],
    ['a sample', 'SELECT count(*) FROM person TABLESAMPLE BERNOULLI ($1)', [[50], [50]]],
    ['WITH', 'WITH gone AS (DELETE FROM "Tree" WHERE id = $1 RETURNING id) SELECT count(*) FROM gone', [[3], [3]]],
  ]) {
    test(`${what} runs for each`, async () => assert.deepEqual((await ask(text, list)).stats, [0, 0, list.length]));
  }

  test('aggregates, joins and the like run once, but are not merged', async () => {
    for (const text of [
      'SELECT count(*) FROM person WHERE org = $1',
      'SELECT p.id FROM person p JOIN "Tree" t ON t.id = p.id WHERE p.id = $1 ORDER BY 1 LIMIT 5',
      'SELECT DISTINCT org FROM person WHERE org = $1 OR org = 2',
      'SELECT lower(name), now() FROM person WHERE id = $1',
    ]) {
      await same(text.replace(', now()', ''), [[1], [2], [1]], [0, 1, 2]);
    }
  });

  test('parameters of different kinds are not identical', async () => {
    const bytes = Buffer.from('a');
    const { outcomes, stats } = await ask('SELECT $1::bytea AS it', [[bytes], ['a'], [Buffer.from('a')], ['b1:61;'], ['61']]);
    assert.deepEqual(stats, [0, 1, 4]);
    assert.deepEqual(outcomes.map(({ value }) => value.rows[0].it.toString()), ['a', 'a', 'a', 'b1:61;', '61']);
  });
});

describe('nothing is merged or shared', () => {
  test('when it is switched off', async () => {
    const list = [[1], [2], [1]];
    assert.deepEqual((await ask(LOOKUP, list)).stats, [2, 1, 1]);
    assert.deepEqual((await ask(LOOKUP, list, { mergeLookups: false })).stats, [0, 1, 2]);
    assert.deepEqual((await ask(LOOKUP, list, { deduplicate: false })).stats, [3, 0, 1]);
    assert.deepEqual((await ask(LOOKUP, list, { deduplicate: false, mergeLookups: false })).stats, [0, 0, 3]);
    const optimizer = new QueryOptimizer({ mergeLookups: null, deduplicate: undefined });
    assert.deepEqual([optimizer.mergeLookups, optimizer.deduplicate], [true, true]);
  });

  test('in a transaction', async () => {
    await pool.transaction(async (tx) => {
      await tx.query('update person set name = $1 where id = 1', ['mine']);
      const { outcomes, stats } = await ask(LOOKUP, [[1], [1], [2]], { pool: tx });
      assert.deepEqual(outcomes.map(({ value }) => value.rows[0].name), ['mine', 'mine', 'p2']);
      assert.deepEqual(stats, [0, 0, 3]);
      await tx.query('update person set name = $1 where id = 1', ['p1']);
    });
  });

  test('through somebody else\'s pool', async () => {
    const other = new pg.Pool({ connectionString: server.url, max: 1 });
    try {
      assert.deepEqual((await ask(LOOKUP, [[1], [1], [2]], { pool: other })).stats, [0, 0, 3]);
    } finally {
      await other.end();
    }
  });

  test('before an executor or an override of the hook', async () => {
    const seen = [];
    const executor = (queries) => queries.map(({ query, params }) => seen.push([query, params]));
    await ask(LOOKUP, [[1], [1]], { executor });
    class Hooked extends QueryOptimizer {
      async executeBatchQueries(queries) {
        for (const { query, params } of queries) seen.push([query, params]);
        return super.executeBatchQueries(queries);
      }
    }
    const optimizer = new Hooked({ pool, batchTimeout: 1 });
    await Promise.all([1, 1].map((id) => optimizer.queueQuery(LOOKUP, [id])));
    assert.deepEqual(seen, new Array(4).fill([LOOKUP, [1]]));
    assert.equal(optimizer.getStats().statementsSent, 1);
  });
});

test('a pool that gives no connection fails the batch with its own error, once', async () => {
  const down = new ConnectionPool({ connectionString: 'postgres://u:a-secret@127.0.0.1:1/d', maxRetries: 1, connectionTimeout: 2_000 });
  const { outcomes } = await ask(LOOKUP, [[1], [2]], { pool: down });
  assert.match(outcomes[0].reason.message, /^Failed to create connection/);
  assert.equal(outcomes[0].reason, outcomes[1].reason);
  assert.ok(!outcomes[0].reason.message.includes('a-secret'));
  await down.drain();
});

test('statements that a user\'s queryBatch sees are statements', async () => {
  const seen = [];
  const watched = Object.create(pool, {
    queryBatch: {
      value(statements) {
        seen.push(...statements);
        return pool.queryBatch(statements);
      },
    },
  });
  await ask(LOOKUP, [[1], [2]], { pool: watched });
  assert.match(seen[0].text, /unnest\(\$1::pg_catalog\._int4\)/);
  assert.deepEqual(seen[0].params, ['{1,2}']);
});

describe('many merged lookups', () => {
  const many = Array.from({ length: 2_500 }, (_, index) => [index]);

  async function connectionsFor(own, text, list) {
    const optimizer = new QueryOptimizer({ pool: own, batchSize: 1e9, batchTimeout: LONG });
    // What the server knows of the text is asked for first.
    for (const round of [list.slice(0, 2), list]) {
      const { acquired } = own.getStats();
      const results = Promise.all(round.map((params) => optimizer.queueQuery(text, params)));
      await optimizer.flush();
      const rows = (await results).flatMap((result) => result.rows);
      if (round === list) return { rows: rows.length, connections: own.getStats().acquired - acquired };
    }
    throw new Error('unreachable');
  }

  test('go over the connections that nobody uses, at the same time', async () => {
    const own = new ConnectionPool({ connectionString: server.url, minConnections: 3, maxConnections: 3 });
    await own.initialize();
    assert.deepEqual(await connectionsFor(own, LOOKUP, many), { rows: 100, connections: 3 });
    const lent = [await own.acquire(), await own.acquire()];
    assert.deepEqual(await connectionsFor(own, LOOKUP, many), { rows: 100, connections: 1 });
    for (const conn of lent) own.release(conn);
    await own.drain();
  });

  test('fail alone when one of them fails, whichever connection they took', async () => {
    const own = new ConnectionPool({ connectionString: server.url, minConnections: 3, maxConnections: 3 });
    await own.initialize();
    const optimizer = new QueryOptimizer({ pool: own, batchSize: 1e9, batchTimeout: LONG });
    const list = many.map(([id]) => [id === 2_222 ? 'not a number' : id]);
    const settled = Promise.allSettled(list.map((params) => optimizer.queueQuery(LOOKUP, params)));
    await optimizer.flush();
    const failed = (await settled).flatMap(({ status, reason }, index) => (status === 'rejected' ? [[index, reason.code]] : []));
    assert.deepEqual(failed, [[2_222, '22P02']]);
    await own.drain();
  });

  test('get no results when their connection cannot be had, and only they', async () => {
    const own = new ConnectionPool({ connectionString: server.url, minConnections: 3, maxConnections: 3 });
    await own.initialize();
    const optimizer = new QueryOptimizer({ pool: own, batchSize: 1e9, batchTimeout: LONG });
    const calls = [];
    own.queryBatch = async (statements) => {
      calls.push(statements.length);
      if (calls.length === 2) throw new Error('no connection');
      return ConnectionPool.prototype.queryBatch.call(own, statements);
    };
    const settled = Promise.allSettled(many.map((params) => optimizer.queueQuery(LOOKUP, params)));
    await optimizer.flush();
    const outcomes = await settled;
    const refused = outcomes.flatMap(({ reason }, index) => (reason?.message === 'no connection' ? [index] : []));
    assert.deepEqual(calls, [1, 1, 1]);
    assert.deepEqual([refused.length, refused[0], refused.at(-1)], [1_000, 1_000, 1_999]);
    assert.equal(outcomes.filter(({ status }) => status === 'fulfilled').length, 1_500);
    await own.drain();
  });
});
