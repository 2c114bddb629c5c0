// The contract of QueryOptimizer, row by row.
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import Default, { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';

const require = createRequire(import.meta.url);
/** A batch timeout that no test waits for. */
const LONG = 60_000;

/** An optimizer that notes every batch and answers with `answer`. */
function recording(options, answer = (queries) => queries.map(({ params }) => params)) {
  const optimizer = new QueryOptimizer(options);
  const batches = [];
  optimizer.executeBatchQueries = async (queries) => {
    batches.push(queries);
    return answer(queries);
  };
  return { optimizer, batches };
}

test('one class for import, default import and require', () => {
  const cjs = require('../src/js/lib/query-optimizer.cjs');
  assert.equal(Default, QueryOptimizer);
  assert.equal(cjs.QueryOptimizer, QueryOptimizer);
  assert.equal(cjs.default, QueryOptimizer);
  assert.equal(cjs.__esModule, true);
  assert.equal(QueryOptimizer.name, 'QueryOptimizer');
});

test('options: defaults, and falsy numbers mean the default', () => {
  for (const options of [
    undefined,
    {},
    { batchSize: 0, batchTimeout: null, slowQueryThreshold: NaN, enablePreparedStatements: undefined },
  ]) {
    const { batchSize, batchTimeout, slowQueryThreshold, enablePreparedStatements } = new QueryOptimizer(options);
    assert.deepEqual(
      { batchSize, batchTimeout, slowQueryThreshold, enablePreparedStatements },
      { batchSize: 10, batchTimeout: 100, slowQueryThreshold: 1000, enablePreparedStatements: true },
    );
  }
  const options = { batchSize: 5, batchTimeout: 50, slowQueryThreshold: 100, enablePreparedStatements: false };
  assert.deepEqual({ ...new QueryOptimizer({ ...options, unknown: 1 }) }, options);
});

test('options: null throws a TypeError', () => {
  assert.throws(() => new QueryOptimizer(null), TypeError);
});

test('fields: queryQueue and batchTimers show what waits, in order of arrival', async () => {
  const optimizer = new QueryOptimizer({ batchTimeout: LONG });
  assert.deepEqual(optimizer.queryQueue, []);
  assert.equal(optimizer.batchTimers.size, 0);
  const before = Date.now();
  const promises = ['SELECT 1', 'SELECT  2', 'select 1'].map((query, index) => optimizer.queueQuery(query, [index]));
  const queue = optimizer.queryQueue;
  assert.deepEqual(queue.map(({ query, queryKey, params }) => [query, queryKey, params]), [
    ['SELECT 1', 'select 1', [0]],
    ['SELECT  2', 'select 2', [1]],
    ['select 1', 'select 1', [2]],
  ]);
  assert.deepEqual(Object.keys(queue[0]), ['query', 'queryKey', 'params', 'resolve', 'reject', 'queuedAt']);
  assert.equal(typeof queue[0].resolve, 'function');
  assert.equal(typeof queue[0].reject, 'function');
  assert.ok(queue[0].queuedAt >= before && queue[0].queuedAt <= Date.now());
  assert.ok(optimizer.batchTimers instanceof Map);
  assert.deepEqual([...optimizer.batchTimers.keys()], ['select 1', 'select 2']);
  for (const timer of optimizer.batchTimers.values()) assert.equal(timer.hasRef(), true);
  await optimizer.flush();
  await Promise.all(promises);
  assert.deepEqual(optimizer.queryQueue, []);
  assert.equal(optimizer.batchTimers.size, 0);
});

test('fields: stats has the original keys', async () => {
  const { optimizer } = recording({ batchSize: 1, slowQueryThreshold: 5 });
  await optimizer.queueQuery('SELECT 1');
  optimizer.recordQueryLatency(50, 3);
  const { stats } = optimizer;
  assert.deepEqual(Object.keys(stats), [
    'queriesBatched', 'queriesOptimized', 'averageLatency', 'latencyHistory', 'slowQueries',
  ]);
  assert.equal(stats.queriesBatched, 1);
  assert.equal(stats.averageLatency, 0);
  assert.equal(stats.latencyHistory.length, 2);
  assert.equal(stats.latencyHistory[1], 50);
  assert.equal(stats.slowQueries.at(-1).latency, 50);
});

test('fields: batchSize, batchTimeout and slowQueryThreshold may be written', async () => {
  const { optimizer, batches } = recording({ batchTimeout: LONG });
  optimizer.batchSize = 2;
  await Promise.all([optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 1')]);
  assert.equal(batches.length, 1);
  optimizer.batchTimeout = 5;
  await optimizer.queueQuery('SELECT 1');
  assert.equal(batches.length, 2);
  optimizer.slowQueryThreshold = 10;
  optimizer.recordQueryLatency(11, 1);
  assert.equal(optimizer.getSlowQueries().length, 1);
});

test('queueQuery: a native promise of its element of the batch result', async () => {
  const { optimizer } = recording({ batchSize: 3, batchTimeout: LONG });
  const promises = ['a', 'b', 'c'].map((params) => optimizer.queueQuery('SELECT $1', params));
  assert.ok(promises.every((promise) => promise instanceof Promise));
  assert.deepEqual(await Promise.all(promises), ['a', 'b', 'c']);
});

test('queueQuery: params default to an empty array', async () => {
  const { optimizer } = recording({ batchSize: 1 });
  assert.deepEqual(await optimizer.queueQuery('SELECT 1'), []);
});

test('queueQuery: throws a TypeError synchronously for a query that is no string', () => {
  const optimizer = new QueryOptimizer();
  for (const query of [undefined, null, 1, {}, [], Symbol('q'), () => 'SELECT 1', new String('SELECT 1')]) {
    assert.throws(() => optimizer.queueQuery(query), { name: 'TypeError', code: 'ERR_TOOLOO_INVALID_ARGUMENT' });
  }
  assert.equal(optimizer.batchTimers.size, 0);
});

test('queueQuery: the first query of a key starts the timer, and the timer sends the batch', async () => {
  const { optimizer, batches } = recording({ batchTimeout: 20 });
  const start = performance.now();
  const promises = [optimizer.queueQuery('SELECT 1', 1), optimizer.queueQuery('SELECT 1', 2)];
  assert.equal(batches.length, 0);
  assert.deepEqual(await Promise.all(promises), [1, 2]);
  assert.ok(performance.now() - start >= 15);
  assert.equal(batches.length, 1);
});

test('queueQuery: reaching batchSize enters the hook synchronously', async () => {
  const { optimizer, batches } = recording({ batchSize: 2, batchTimeout: LONG });
  const first = optimizer.queueQuery('SELECT 1');
  assert.equal(batches.length, 0);
  const second = optimizer.queueQuery('select  1');
  assert.equal(batches.length, 1);
  assert.equal(optimizer.queryQueue.length, 0);
  assert.equal(optimizer.batchTimers.size, 0);
  await Promise.all([first, second]);
});

test('queueQuery: keys do not share a batch', async () => {
  const { optimizer, batches } = recording({ batchSize: 2, batchTimeout: LONG });
  const promises = ['SELECT 1', 'SELECT 2', 'SELECT 1', 'SELECT 2'].map((query) => optimizer.queueQuery(query));
  await Promise.all(promises);
  assert.deepEqual(batches.map((batch) => batch.map(({ query }) => query)), [
    ['SELECT 1', 'SELECT 1'],
    ['SELECT 2', 'SELECT 2'],
  ]);
});

test('executeBatch: resolves to undefined, and an unknown key is a no-op', async () => {
  const { optimizer, batches } = recording({ batchTimeout: LONG });
  for (const key of ['nothing', undefined, null, Symbol('key'), 7]) {
    assert.equal(await optimizer.executeBatch(key), undefined);
  }
  assert.equal(batches.length, 0);
  const promise = optimizer.queueQuery('SELECT 1', 'x');
  assert.equal(await optimizer.executeBatch('select 1'), undefined);
  assert.equal(await promise, 'x');
});

test('executeBatch: a failing hook rejects all with the same error object and never rejects itself', async () => {
  const error = new Error('down');
  for (const fail of [() => { throw error; }, async () => { throw error; }]) {
    const optimizer = new QueryOptimizer({ batchTimeout: LONG });
    optimizer.executeBatchQueries = fail;
    const promises = [optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 1')];
    const settled = Promise.allSettled(promises);
    assert.equal(await optimizer.executeBatch('select 1'), undefined);
    assert.deepEqual((await settled).map(({ reason }) => reason === error), [true, true]);
  }
});

test('hooks: overriding on a subclass, the prototype and an instance takes effect', async () => {
  class Sub extends QueryOptimizer {
    async executeBatchQueries(queries) {
      return (await super.executeBatchQueries(queries)).map((result) => ({ ...result, from: 'subclass' }));
    }
  }
  const options = { batchSize: 1, executor: () => ['executor'] };
  assert.deepEqual(await new Sub({ batchSize: 1 }).queueQuery('SELECT 1'), { success: true, from: 'subclass' });
  const instance = new QueryOptimizer(options);
  instance.executeBatchQueries = async () => ['instance'];
  assert.equal(await instance.queueQuery('SELECT 1'), 'instance');
  const { executeBatchQueries } = QueryOptimizer.prototype;
  QueryOptimizer.prototype.executeBatchQueries = async () => ['prototype'];
  try {
    assert.equal(await new QueryOptimizer(options).queueQuery('SELECT 1'), 'prototype');
  } finally {
    QueryOptimizer.prototype.executeBatchQueries = executeBatchQueries;
  }
  assert.equal(await new QueryOptimizer(options).queueQuery('SELECT 1'), 'executor');
});

test('methods: overriding normalizeQuery changes the key, recordQueryLatency sees every batch', async () => {
  const seen = [];
  class Sub extends QueryOptimizer {
    normalizeQuery(query) {
      return query.replace(/\d+/g, '?');
    }

    recordQueryLatency(latency, batchSize) {
      seen.push([latency >= 0, batchSize]);
      throw new Error('a broken override costs a sample, not the results');
    }
  }
  const optimizer = new Sub({ batchSize: 2, batchTimeout: LONG });
  assert.equal(optimizer.optimizeQuery('SELECT 1').normalized, 'SELECT ?');
  const promises = [optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 2')];
  assert.deepEqual(await Promise.all(promises), [{ success: true }, { success: true }]);
  assert.deepEqual(seen, [[true, 2]]);
});

test('methods: an overridden executeBatch that fails rejects its queries', async () => {
  const error = new Error('broken');
  for (const broken of [() => { throw error; }, async () => { throw error; }]) {
    const optimizer = new QueryOptimizer({ batchTimeout: 5 });
    optimizer.executeBatch = broken;
    await assert.rejects(optimizer.queueQuery('SELECT 1'), error);
  }
});

test('QO-K1: normalizeQuery is equal for queries that differ only in case and spacing of SQL text', () => {
  const optimizer = new QueryOptimizer();
  const expected = 'select id from users where id = $1';
  for (const query of [
    expected,
    'SELECT id FROM users WHERE id = $1',
    '  select ID\n\tfrom   USERS\r\n where id  = $1  ',
    'SELECT\u00a0id FROM\u2003users WHERE id = $1\ufeff',
  ]) {
    assert.equal(optimizer.normalizeQuery(query), expected);
  }
  assert.equal(optimizer.normalizeQuery(''), '');
  assert.throws(() => optimizer.normalizeQuery(undefined), TypeError);
});

test('QO-K2: results by index, a missing element is null', async () => {
  for (const answer of [() => ['only'], () => ['only', undefined, null], () => ['only', ...Array(2)]]) {
    const { optimizer } = recording({ batchSize: 3, batchTimeout: LONG }, answer);
    const promises = [1, 2, 3].map(() => optimizer.queueQuery('SELECT 1'));
    assert.deepEqual(await Promise.all(promises), ['only', null, null]);
  }
});

test('QO-K3: the default result is { success: true }, an object for each query', async () => {
  const optimizer = new QueryOptimizer({ batchSize: 2, batchTimeout: LONG });
  const results = await Promise.all([optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 1')]);
  assert.deepEqual(results, [{ success: true }, { success: true }]);
  assert.notEqual(results[0], results[1]);
});

test('QO-K4: queriesBatched counts successful queries only', async () => {
  let fail = false;
  const { optimizer } = recording({ batchSize: 2, batchTimeout: LONG }, () => {
    if (fail) throw new Error('down');
    return [1, Promise.reject(new Error('this one only'))];
  });
  const pair = () => Promise.allSettled([optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 1')]);
  assert.deepEqual((await pair()).map(({ status }) => status), ['fulfilled', 'rejected']);
  fail = true;
  assert.deepEqual((await pair()).map(({ status }) => status), ['rejected', 'rejected']);
  assert.equal(optimizer.getStats().queriesBatched, 1);
});

test('getStats: the original keys and those about the pool, and 0ms without samples', () => {
  assert.deepEqual(new QueryOptimizer().getStats(), {
    queriesBatched: 0,
    queriesOptimized: 0,
    averageLatency: '0ms',
    slowQueriesCount: 0,
    queueSize: 0,
    activeBatches: 0,
    merged: 0,
    deduplicated: 0,
    statementsSent: 0,
  });
});

test('getStats: queueSize and activeBatches follow the queue', async () => {
  const optimizer = new QueryOptimizer({ batchTimeout: LONG });
  for (const query of ['SELECT 1', 'SELECT 1', 'SELECT 2']) optimizer.queueQuery(query);
  const { queueSize, activeBatches } = optimizer.getStats();
  assert.deepEqual({ queueSize, activeBatches }, { queueSize: 3, activeBatches: 2 });
  await optimizer.flush();
  const after = optimizer.getStats();
  assert.deepEqual([after.queueSize, after.activeBatches, after.queriesBatched], [0, 0, 3]);
});

test('getStats: the average has two decimals and covers the last 1000 batches', () => {
  const optimizer = new QueryOptimizer();
  for (const latency of [20, 22]) optimizer.recordQueryLatency(latency, 1);
  assert.equal(optimizer.getStats().averageLatency, '21.00ms');
  for (let batch = 0; batch < 1000; batch += 1) optimizer.recordQueryLatency(5, 1);
  assert.equal(optimizer.getStats().averageLatency, '5.00ms');
  assert.equal(optimizer.stats.latencyHistory.length, 1000);
});

test('getSlowQueries: slow is above the threshold; the last 20 of 100', () => {
  const optimizer = new QueryOptimizer({ slowQueryThreshold: 100 });
  assert.deepEqual(optimizer.getSlowQueries(), []);
  optimizer.recordQueryLatency(100, 1);
  assert.deepEqual(optimizer.getSlowQueries(), []);
  for (let latency = 101; latency <= 250; latency += 1) optimizer.recordQueryLatency(latency, 3);
  const slow = optimizer.getSlowQueries();
  assert.equal(slow.length, 20);
  assert.deepEqual(slow.map(({ latency }) => latency), Array.from({ length: 20 }, (_, index) => 231 + index));
  const [{ timestamp, ...rest }] = slow;
  assert.deepEqual(rest, { latency: 231, batchSize: 3 });
  assert.equal(new Date(timestamp).toISOString(), timestamp);
  assert.equal(optimizer.getStats().slowQueriesCount, 100);
  assert.equal(optimizer.stats.slowQueries.length, 100);
});

test('clearStats: forgets figures, keeps what waits', async () => {
  const optimizer = new QueryOptimizer({ batchTimeout: LONG, slowQueryThreshold: 1 });
  optimizer.optimizeQuery('SELECT id FROM t LIMIT 1');
  optimizer.recordQueryLatency(50, 1);
  await Promise.all([optimizer.queueQuery('SELECT 1'), optimizer.flush()]);
  const waiting = optimizer.queueQuery('SELECT 1');
  assert.equal(optimizer.clearStats(), undefined);
  assert.deepEqual(optimizer.getStats(), {
    queriesBatched: 0, queriesOptimized: 0, averageLatency: '0ms', slowQueriesCount: 0, queueSize: 1, activeBatches: 1,
    merged: 0, deduplicated: 0, statementsSent: 0,
  });
  assert.deepEqual(optimizer.stats.latencyHistory, []);
  await optimizer.flush();
  assert.deepEqual(await waiting, { success: true });
});

test('an instance can be copied, printed and serialised; a pool does not show', () => {
  const optimizer = new QueryOptimizer({ pool: { url: 'postgres://me:secret@host', query: async () => ({}) } });
  const text = JSON.stringify(optimizer) + inspect(optimizer, { depth: 9 }) + JSON.stringify({ ...optimizer });
  assert.ok(inspect(optimizer).startsWith('QueryOptimizer'));
  assert.ok(!text.includes('secret'));
  assert.deepEqual(Object.keys(JSON.parse(JSON.stringify(optimizer))).sort(), [
    'batchSize', 'batchTimeout', 'enablePreparedStatements', 'slowQueryThreshold',
  ]);
});

test('G-D4: a timer longer than setTimeout can hold is clamped, not fired at once', async () => {
  for (const batchTimeout of [2 ** 31, 1e15, Infinity]) {
    const { optimizer, batches } = recording({ batchTimeout });
    const promise = optimizer.queueQuery('SELECT 1', 'x');
    await sleep(20);
    assert.equal(batches.length, 0);
    await optimizer.flush();
    assert.equal(await promise, 'x');
  }
});

test('1000 times in a loop', async () => {
  const { optimizer } = recording({ batchSize: 7, batchTimeout: 1 });
  const promises = Array.from({ length: 1000 }, (_, index) => optimizer.queueQuery(`SELECT ${index % 13}`, index));
  assert.deepEqual(await Promise.all(promises), Array.from({ length: 1000 }, (_, index) => index));
  assert.equal(optimizer.getStats().queriesBatched, 1000);
});
