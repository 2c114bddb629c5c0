// What queries cost, by fingerprint.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';
import { survives } from './support/resilience.mjs';

async function busy() {
  const executor = async (items) => items.map(({ params }) => ({ rows: new Array(params[0] ?? 1).fill({}) }));
  const optimizer = new QueryOptimizer({ executor, batchTimeout: 1 });
  await Promise.all([1, 2, 3].map((count) => optimizer.queueQuery("SELECT a FROM t WHERE b = 'secret' AND c = $1", [count])));
  await Promise.all([4, 5].map((count) => optimizer.queueQuery("select a from t where b = 'other' and c = $1", [count])));
  await optimizer.queueQuery('SELECT 7');
  return optimizer;
}

test('the most expensive come first, without their values', async () => {
  const optimizer = await busy();
  const [first, second] = optimizer.getTopQueries({ by: 'calls' });
  assert.equal(first.query, 'select a from t where b = ? and c = $1');
  assert.deepEqual([first.calls, first.rows, second.query, second.calls], [5, 15, 'select ?', 1]);
  assert.match(first.fingerprint, /^[0-9a-f]{16}$/);
  assert.ok(first.totalMs > 0 && first.maxMs >= first.meanMs && first.p99Ms >= first.p50Ms);
  assert.ok(Math.abs(first.meanMs - first.totalMs / 5) < 1e-9);
  assert.doesNotMatch(JSON.stringify(optimizer.getTopQueries()), /secret|other/);
});

test('a limit, an order, and a new start', async () => {
  const optimizer = await busy();
  assert.equal(optimizer.getTopQueries({ limit: 1 }).length, 1);
  for (const by of ['totalMs', 'meanMs', 'maxMs']) {
    const values = optimizer.getTopQueries({ by }).map((cost) => cost[by]);
    assert.deepEqual(values, [...values].sort((a, b) => b - a));
  }
  optimizer.clearStats();
  assert.deepEqual(optimizer.getTopQueries(), []);
});

test('a failed batch counts, too', async () => {
  const optimizer = new QueryOptimizer({ batchTimeout: 1, executor: async () => { throw new Error('no'); } });
  await assert.rejects(optimizer.queueQuery('select x'), /no/);
  assert.equal(optimizer.getTopQueries()[0].calls, 1);
});

test('bad options are refused by name, and nothing else breaks', async () => {
  const optimizer = await busy();
  assert.throws(() => optimizer.getTopQueries({ by: 'speed' }), /"by" must be totalMs, calls, meanMs or maxMs, got "speed"/);
  assert.throws(() => optimizer.getTopQueries({ limit: -1 }), /"limit"/);
  for (const value of [null, 0, NaN, '', 'x', [], {}, Symbol('s'), 1n, () => {}, new Date(NaN)]) {
    await survives(() => optimizer.getTopQueries(value));
    await survives(() => optimizer.getTopQueries({ by: value, limit: value }));
  }
});
