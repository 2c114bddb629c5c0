// Where batches go: an executor, or a pool in any of its forms.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';

const LONG = 60_000;

/** Sends a batch of `SELECT $1` with these parameters and returns how each promise settled. */
async function batch(pool, params) {
  const optimizer = new QueryOptimizer({ pool, batchSize: params.length, batchTimeout: LONG });
  const settled = await Promise.allSettled(params.map((value) => optimizer.queueQuery('SELECT $1', value)));
  assert.equal(optimizer.getStats().queriesBatched, settled.filter(({ status }) => status === 'fulfilled').length);
  return settled.map(({ status, value, reason }) => (status === 'fulfilled' ? value : reason));
}

test('executor: receives the queue items and gives results by index, sync or async', async () => {
  for (const wrap of [(value) => value, async (value) => value]) {
    let received;
    const executor = (queries) => {
      received = queries;
      return wrap(queries.map(({ params }) => params * 2));
    };
    const optimizer = new QueryOptimizer({ executor, batchSize: 2, batchTimeout: LONG });
    assert.equal(optimizer.executor, executor);
    const promises = [optimizer.queueQuery('SELECT  $1', 1), optimizer.queueQuery('SELECT $1', 2)];
    assert.deepEqual(await Promise.all(promises), [2, 4]);
    assert.deepEqual(received.map(({ query, queryKey }) => [query, queryKey]), [
      ['SELECT  $1', 'select $1'],
      ['SELECT $1', 'select $1'],
    ]);
  }
});

test('executor: comes before the pool, and a failure rejects all with the same error object', async () => {
  const error = new Error('down');
  const pool = { queryBatch: () => assert.fail('not asked') };
  const executor = () => { throw error; };
  const optimizer = new QueryOptimizer({ executor, pool, batchSize: 2, batchTimeout: LONG });
  const settled = await Promise.allSettled([optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 1')]);
  assert.ok(settled.every(({ reason }) => reason === error));
});

test('pool: a batch is one queryBatch, and a failing statement rejects its own caller only', async () => {
  const calls = [];
  const error = new Error('division by zero');
  const pool = {
    async queryBatch(statements) {
      calls.push(statements);
      return statements.map(({ params }) => (params[0] === 0 ? { error } : { value: { rows: [params[0]] } }));
    },
    query: () => assert.fail('not asked'),
  };
  assert.deepEqual(await batch(pool, [[1], [0], [3]]), [{ rows: [1] }, error, { rows: [3] }]);
  assert.deepEqual(calls, [[1, 0, 3].map((value) => ({ text: 'SELECT $1', params: [value] }))]);
});

test('pool: missing parameters are an empty array, missing outcomes null', async () => {
  const pool = { queryBatch: async (statements) => [{ value: statements }, undefined, { value: undefined }] };
  const [statements, ...rest] = await batch(pool, [null, [], []]);
  assert.deepEqual(statements.map(({ params }) => params), [[], [], []]);
  assert.deepEqual(rest, [null, null]);
});

test('pool: a failing queryBatch rejects all, an answer that is no array is a clear error', async () => {
  const error = new Error('connection lost');
  assert.deepEqual(await batch({ queryBatch: async () => { throw error; } }, [[1], [2]]), [error, error]);
  const [unclear] = await batch({ queryBatch: async () => ({}) }, [[1]]);
  assert.equal(unclear.code, 'ERR_TOOLOO_INVALID_ARGUMENT');
});

test('pool: without queryBatch, a query each', async () => {
  const error = new Error('no');
  const pool = {
    query(text, params) {
      if (params[0] === 0) throw error;
      return Promise.resolve([text, params[0]]);
    },
  };
  assert.deepEqual(await batch(pool, [[1], [0], [3]]), [['SELECT $1', 1], error, ['SELECT $1', 3]]);
});

test('pool: without query, a connection each, always given back', async () => {
  let out = 0;
  let released = 0;
  const error = new Error('no');
  const pool = {
    async acquire() {
      out += 1;
      return {
        async query(text, params) {
          if (params[0] === 0) throw error;
          return [text, params[0]];
        },
      };
    },
    release() {
      released += 1;
    },
  };
  assert.deepEqual(await batch(pool, [[1], [0], [3]]), [['SELECT $1', 1], error, ['SELECT $1', 3]]);
  assert.deepEqual([out, released], [3, 3]);
});

test('pool: one that cannot query is a clear error', async () => {
  for (const pool of [{}, { acquire: async () => ({ id: 'placeholder' }), release() {} }]) {
    const [error] = await batch(pool, [[1]]);
    assert.equal(error.code, 'ERR_TOOLOO_INVALID_ARGUMENT');
    assert.match(error.message, /^the pool option has neither/);
  }
});

test('pool: an override of the hook wins, and can still ask the pool through super', async () => {
  class Timed extends QueryOptimizer {
    async executeBatchQueries(queries) {
      return (await super.executeBatchQueries(queries)).map((result) => [result, queries.length]);
    }
  }
  const optimizer = new Timed({ pool: { query: async (text) => text }, batchSize: 1 });
  assert.deepEqual(await optimizer.queueQuery('SELECT 1'), ['SELECT 1', 1]);
});
