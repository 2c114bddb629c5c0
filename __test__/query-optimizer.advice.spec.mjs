// Advice and the consumer's own checks of the optimizer: analysis, normalisation, statistics.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';

const [ALL, JOINS, LIMIT, INDEX] = [/selecting all/, /joins/, /LIMIT/, /index covers/];

/** Which kinds of advice a query gets. */
function kinds(query) {
  const { suggestions } = new QueryOptimizer().optimizeQuery(query);
  const kinds = [ALL, JOINS, LIMIT, INDEX].filter((kind) => suggestions.some((text) => kind.test(text)));
  assert.equal(suggestions.length, kinds.length);
  return kinds;
}

test('the consumer: analysis, normalisation and statistics with its own options', () => {
  const optimizer = new QueryOptimizer({ batchSize: 5, batchTimeout: 100, slowQueryThreshold: 100 });
  const analysis = optimizer.optimizeQuery('SELECT * FROM users WHERE id = 1');
  assert.ok(analysis.suggestions.length > 0);
  assert.equal(optimizer.normalizeQuery('SELECT  *  FROM users'), optimizer.normalizeQuery('select * from USERS'));
  const stats = optimizer.getStats();
  assert.equal(typeof stats.queriesBatched, 'number');
  assert.equal(stats.averageLatency, '0ms');
});

test('optimizeQuery: exactly the original shape', () => {
  const query = ' SELECT *  FROM users WHERE id = $1';
  const advice = new QueryOptimizer().optimizeQuery(query);
  assert.deepEqual(Object.keys(advice), ['original', 'normalized', 'suggestions', 'estimatedCost']);
  assert.equal(advice.original, query);
  assert.equal(advice.normalized, 'select * from users where id = $1');
  assert.ok(advice.suggestions.every((text) => typeof text === 'string'));
  assert.equal(advice.estimatedCost, 0);
});

test('optimizeQuery: a TypeError for what is no string', () => {
  for (const query of [undefined, null, 1, {}, Symbol('q'), 1n]) {
    assert.throws(() => new QueryOptimizer().optimizeQuery(query), TypeError);
  }
});

test('optimizeQuery: the four kinds of advice', () => {
  for (const [query, expected] of [
    ['SELECT * FROM users WHERE id = $1', [ALL, LIMIT, INDEX]],
    ['SELECT u.* FROM users u', [ALL]],
    ['SELECT a FROM t JOIN u USING (i) JOIN v USING (i) JOIN w USING (i)', [JOINS]],
    ['SELECT a FROM t JOIN u USING (i) JOIN v USING (i)', []],
    ['SELECT a FROM t WHERE b = $1', [LIMIT, INDEX]],
    ['SELECT a FROM t WHERE b = $1 LIMIT 10', [INDEX]],
    ['SELECT a FROM t WHERE b = $1 LIMIT 10 -- index t_b', []],
    ['SELECT count(*) FROM t', []],
    ['UPDATE t SET a = 1 WHERE b = 2', [INDEX]],
    ['INSERT INTO t (a) VALUES ($1)', []],
    ['WITH r AS (SELECT a FROM t WHERE b = 1) SELECT a FROM r LIMIT 5', [INDEX]],
  ]) {
    assert.deepEqual(kinds(query), expected, query);
  }
});

test('optimizeQuery: what the parser does not take gets the textual rules', () => {
  for (const [query, expected] of [
    ['SELECT * FROM users WHERE id = ?', [ALL, LIMIT, INDEX]],
    ['select a from t use index (t_b) where b = ? limit 1', []],
    ['SELECT a FROM `t` WHERE `limit` = ?', [LIMIT, INDEX]],
    ['SELECT a FROM t join b join c\n join d ON ? ?', [JOINS]],
    ["SELECT 'unterminated * where", []],
    ['no sql at all', []],
    ['', []],
  ]) {
    assert.deepEqual(kinds(query), expected, query);
  }
});

test('optimizeQuery: queriesOptimized counts queries without advice, repeated ones too', () => {
  const optimizer = new QueryOptimizer();
  for (let time = 0; time < 3; time += 1) {
    optimizer.optimizeQuery('SELECT id FROM users LIMIT 10');
    optimizer.optimizeQuery('SELECT * FROM users');
  }
  assert.equal(optimizer.getStats().queriesOptimized, 3);
});

test('optimizeQuery: a caller may change what it got without changing what the next one gets', () => {
  const optimizer = new QueryOptimizer();
  const first = optimizer.optimizeQuery('SELECT * FROM shared');
  first.suggestions.length = 0;
  first.normalized = 'x';
  const second = optimizer.optimizeQuery('SELECT * FROM shared');
  assert.equal(second.suggestions.length, 1);
  assert.equal(second.normalized, 'select * from shared');
});

test('optimizeQuery: more texts than are remembered, and longer ones, get the same answers', () => {
  const optimizer = new QueryOptimizer();
  const query = (number) => `SELECT * FROM table_${number} WHERE id = ${number}`;
  for (let round = 0; round < 2; round += 1) {
    for (let number = 0; number < 6_000; number += 1) {
      assert.equal(optimizer.normalizeQuery(query(number)), `select * from table_${number} where id = ${number}`);
    }
  }
  assert.equal(optimizer.optimizeQuery(query(1)).suggestions.length, 3);
  const long = `SELECT * FROM t WHERE id IN (${Array.from({ length: 20_000 }, (_, id) => id).join(', ')})`;
  // One more: the list.
  for (let round = 0; round < 2; round += 1) assert.equal(optimizer.optimizeQuery(long).suggestions.length, 4);
});

test('optimizeQuery: deeply nested and endless texts are answered', () => {
  const optimizer = new QueryOptimizer();
  for (const unit of ['(', '1+', 'NOT ', '- ', 'a OR ', 'SELECT 1 UNION ', 'CASE WHEN ', '[', '/*', '$a$', "'", '"']) {
    for (const length of [100, 3_000, 8_000, 200_000]) {
      const text = `SELECT * FROM t WHERE ${unit.repeat(length / unit.length)}1`;
      assert.ok(optimizer.optimizeQuery(text).suggestions.length > 0, `${length} characters of ${unit}`);
    }
  }
});
