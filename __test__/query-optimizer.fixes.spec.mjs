// The defects of the original that are fixed, and what was added with the fixes.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';

const LONG = 60_000;
const normalize = (query) => new QueryOptimizer().normalizeQuery(query);

test('QO-D1: quoted text, dollar quotes, quoted names and comments stay untouched in the key', () => {
  for (const [query, key] of [
    ["SELECT  *  FROM T WHERE N = 'Bob  B'", "select * from t where n = 'Bob  B'"],
    ["SELECT 'it''s  Bob' ,  A", "select 'it''s  Bob' , a"],
    ["SELECT E'it\\'s  Bob' ,  A", "select e'it\\'s  Bob' , a"],
    ['SELECT "My  Name"  FROM "T"', 'select "My  Name" from "T"'],
    ['SELECT $$A  B$$ ,  $Tag$C $$ D$Tag$  ', 'select $$A  B$$ , $Tag$C $$ D$Tag$'],
    ['SELECT A /* Keep  IT */  FROM T', 'select a /* Keep  IT */ from t'],
    ['SELECT A -- Keep  IT\n  FROM T', 'select a -- Keep  IT\nfrom t'],
    ['SELECT $1,  $2', 'select $1, $2'],
  ]) {
    assert.equal(normalize(query), key);
  }
});

test('QO-D1: queries that differ in a literal or a quoted name do not share a batch', async () => {
  const optimizer = new QueryOptimizer({
    batchTimeout: LONG,
    executor: (queries) => queries.map(() => queries[0].query),
  });
  const queries = [
    "SELECT id FROM t WHERE n = 'Bob'",
    "SELECT id FROM t WHERE n = 'bob'",
    "SELECT id FROM t WHERE n = 'bob '",
    'SELECT "Id" FROM t',
    'SELECT "id" FROM t',
    'SELECT 1 -- a\n, 2',
    'SELECT 1 -- a , 2',
  ];
  const promises = queries.map((query) => optimizer.queueQuery(query));
  assert.equal(optimizer.batchTimers.size, queries.length);
  await optimizer.flush();
  assert.deepEqual(await Promise.all(promises), queries);
});

test('QO-D1: texts that differ in half a surrogate pair do not share a batch', () => {
  const [one, other] = ["SELECT '\ud800'", "SELECT '\ud801'"].map(normalize);
  assert.notEqual(one, other);
});

test('QO-D2: advice does not depend on case, spacing or line breaks', () => {
  const optimizer = new QueryOptimizer();
  const wanted = optimizer.optimizeQuery('SELECT * FROM users WHERE id = 1').suggestions;
  assert.equal(wanted.length, 3);
  for (const query of ['select * from users where id = 1', 'SELECT  *\nFROM users\n\tWHERE id = 1']) {
    assert.deepEqual(optimizer.optimizeQuery(query).suggestions, wanted);
  }
  const joins = 'SELECT a.id FROM a\nJOIN b\n ON b.a = a.id\nLEFT\nJOIN c ON c.b = b.id\ninner join d ON d.c = c.id';
  assert.equal(optimizer.optimizeQuery(joins).suggestions.length, 1);
});

test('QO-D2: keywords in literals, names and comments do not count', () => {
  const optimizer = new QueryOptimizer();
  for (const query of [
    "SELECT 'SELECT * WHERE JOIN JOIN JOIN' FROM t",
    'SELECT "where", "select *" FROM "join join join"',
    'SELECT a /* WHERE join join join */ FROM t',
  ]) {
    assert.deepEqual(optimizer.optimizeQuery(query).suggestions, []);
  }
  const query = "SELECT a FROM t WHERE b = 'LIMIT' AND c = 'INDEX'";
  assert.equal(optimizer.optimizeQuery(query).suggestions.length, 2);
});

test('QO-D3: only a missing result becomes null', async () => {
  const values = [0, '', false, NaN, null, undefined, 0n];
  const optimizer = new QueryOptimizer({ batchSize: values.length, batchTimeout: LONG, executor: () => values });
  const results = await Promise.all(values.map(() => optimizer.queueQuery('SELECT 1')));
  assert.deepEqual(results, [0, '', false, NaN, null, null, 0n]);
});

test('QO-D4: a result that is no array is a clear error', async () => {
  for (const result of [undefined, null, 5, 'ab', { 0: 'x', length: 1 }, new Map()]) {
    const optimizer = new QueryOptimizer({ batchSize: 1, executor: async () => result });
    await assert.rejects(optimizer.queueQuery('SELECT 1'), {
      name: 'TypeError',
      code: 'ERR_TOOLOO_INVALID_ARGUMENT',
      message: 'executeBatchQueries must resolve to an array with one result for each query',
    });
  }
});

test('QO-D5: queries wait in a queue of their own key', async () => {
  const optimizer = new QueryOptimizer({
    batchSize: 1000,
    batchTimeout: LONG,
    executor: (queries) => queries.map(({ params }) => params),
  });
  const promises = Array.from({ length: 10_000 }, (_, index) => optimizer.queueQuery(`SELECT ${index % 100}`, index));
  const queue = optimizer.queryQueue;
  assert.deepEqual(queue.map(({ params }) => params), Array.from({ length: 10_000 }, (_, index) => index));
  await optimizer.executeBatch('select 42');
  assert.equal(optimizer.queryQueue.length, 9_900);
  assert.equal(await promises[42], 42);
  await optimizer.close();
  assert.deepEqual(await Promise.all(promises), Array.from({ length: 10_000 }, (_, index) => index));
});

test('QO-D6: a batch that is sent by hand takes its timer with it', async () => {
  const optimizer = new QueryOptimizer({
    batchTimeout: 60,
    executor: (queries) => queries.map(() => performance.now()),
  });
  const first = optimizer.queueQuery('SELECT 1');
  const [timer] = optimizer.batchTimers.values();
  await optimizer.executeBatch('select 1');
  await first;
  assert.equal(timer._destroyed, true);
  await new Promise((resolve) => setTimeout(resolve, 30));
  const start = performance.now();
  assert.ok((await optimizer.queueQuery('SELECT 1')) - start >= 55);
});

test('QO-D7: a failed batch has a latency, and a slow entry says which query it was', async () => {
  const optimizer = new QueryOptimizer({ batchSize: 1, slowQueryThreshold: 5 });
  optimizer.executeBatchQueries = async () => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    throw new Error('down');
  };
  await assert.rejects(optimizer.queueQuery('SELECT  Id FROM t WHERE k = $1', ['a-secret']));
  const [slow] = optimizer.getSlowQueries();
  assert.equal(slow.queryKey, 'select id from t where k = $1');
  assert.equal(slow.batchSize, 1);
  assert.ok(slow.latency > 5);
  assert.equal(optimizer.stats.latencyHistory.length, 1);
  assert.ok(!JSON.stringify([optimizer.stats, optimizer.getStats(), optimizer]).includes('a-secret'));
});

test('QO-D7: flush sends everything and waits for what is out', async () => {
  const released = [];
  const optimizer = new QueryOptimizer({ batchSize: 2, batchTimeout: LONG });
  optimizer.executeBatchQueries = (queries) =>
    new Promise((resolve) => released.push(() => resolve(queries.map(({ query }) => query))));
  const out = [optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 1')];
  const waiting = optimizer.queueQuery('SELECT 2');
  let flushed = false;
  const flush = optimizer.flush().then((value) => {
    flushed = true;
    return value;
  });
  assert.equal(released.length, 2);
  released[1]();
  assert.equal(await waiting, 'SELECT 2');
  assert.equal(flushed, false);
  released[0]();
  assert.equal(await flush, undefined);
  await Promise.all(out);
});

test('QO-D7: flush waits for results that are promises, and never rejects', async () => {
  let refuse;
  const optimizer = new QueryOptimizer({
    batchTimeout: LONG,
    executor: () => [new Promise((_, reject) => { refuse = reject; })],
  });
  const failed = assert.rejects(optimizer.queueQuery('SELECT 1'), /late/);
  let flushed = false;
  const flush = optimizer.flush().then(() => { flushed = true; });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(flushed, false);
  refuse(new Error('late'));
  await flush;
  await failed;
});

test('QO-D7: close flushes, refuses later queries, can be called twice, and the rest still answers', async () => {
  const optimizer = new QueryOptimizer({ batchTimeout: LONG });
  const waiting = optimizer.queueQuery('SELECT 1');
  assert.equal(await optimizer.close(), undefined);
  assert.deepEqual(await waiting, { success: true });
  await optimizer.close();
  const refused = optimizer.queueQuery('SELECT 1');
  await assert.rejects(refused, { code: 'ERR_TOOLOO_CLOSED', message: 'the query optimizer is closed' });
  assert.equal(optimizer.batchTimers.size, 0);
  assert.equal(optimizer.normalizeQuery('SELECT 1'), 'select 1');
  assert.equal(optimizer.getStats().queriesBatched, 1);
});

test('QO-D7: asyncDispose closes', { skip: !Symbol.asyncDispose }, async () => {
  const optimizer = new QueryOptimizer();
  await optimizer[Symbol.asyncDispose]();
  await assert.rejects(optimizer.queueQuery('SELECT 1'), { code: 'ERR_TOOLOO_CLOSED' });
});
