// analyze: what each rule finds and what it leaves alone, places, fixes, and statements in which there is nothing to find.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { test } from 'node:test';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';

const optimizer = new QueryOptimizer();
const ids = (count) => Array.from({ length: count }, (_, id) => id + 1).join(', ');

/** What the findings of a rule point at. */
function parts(query, rule) {
  const { findings } = optimizer.analyze(query);
  return findings.filter((finding) => finding.rule === rule).map(({ start, end }) => query.slice(start, end));
}

/** Rule → texts in which it finds the part, and texts in which it finds nothing though they come close. */
const RULES = {
  'select-star': {
    found: [
      ['SELECT * FROM users LIMIT 5', '*'],
      ['select u.*, o.id from users u join orders o on o.user_id = u.id limit 5', 'u.*'],
      ['INSERT INTO archive (id, body) SELECT * FROM inbox WHERE id = $1', '*'],
      ['SELECT id FROM (SELECT * FROM users) u LIMIT 1', '*'],
    ],
    near: [
      'SELECT count(*) FROM users', 'SELECT 2 * 3', 'SELECT EXISTS (SELECT * FROM users WHERE id = $1)',
      'SELECT * FROM (SELECT id FROM users LIMIT 5) u', 'WITH u AS (SELECT id FROM users LIMIT 5) SELECT * FROM u',
      "SELECT '* FROM users'", 'SELECT "*" FROM users LIMIT 1', 'SELECT * FROM generate_series(1, 3)',
    ],
  },
  'missing-limit': {
    found: [
      ["SELECT id FROM users WHERE status = 'active'", "SELECT id FROM users WHERE status = 'active'"],
      ['SELECT id, total FROM orders', 'SELECT id, total FROM orders'],
      ['SELECT id FROM a UNION ALL SELECT id FROM b', 'SELECT id FROM a'],
    ],
    near: [
      'SELECT id FROM users LIMIT 5', 'SELECT id FROM users FETCH FIRST ROW ONLY', 'SELECT name FROM users WHERE id = $1',
      'SELECT count(*), max(age) + 1 FROM users', 'SELECT team, count(*) FROM users GROUP BY team',
      'SELECT DISTINCT team FROM users', 'SELECT 1', 'DELETE FROM users WHERE old RETURNING id',
      'SELECT id FROM (SELECT id FROM users WHERE old LIMIT 5) u', 'SELECT id FROM users WHERE old FOR UPDATE',
    ],
  },
  'update-without-where': {
    found: [
      ['UPDATE users SET active = false', 'UPDATE users'],
      ['WITH x AS (UPDATE a.users u SET n = 1 RETURNING id) SELECT id FROM x LIMIT 1', 'UPDATE a.users u'],
    ],
    near: [
      'UPDATE users SET active = false WHERE id = 1', "SELECT 'UPDATE users SET a = 1'",
      'INSERT INTO users (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = 1', 'SELECT id FROM users WHERE id = 1 FOR UPDATE',
    ],
  },
  'delete-without-where': {
    found: [['DELETE FROM users', 'DELETE FROM users'], ['delete from only users returning id', 'delete from only users']],
    near: ['DELETE FROM users WHERE id = 1', 'TRUNCATE users', "SELECT 'DELETE FROM users'", 'DROP TABLE users'],
  },
  'leading-wildcard': {
    found: [
      ["SELECT id FROM users WHERE name LIKE '%son' LIMIT 5", "name LIKE '%son'"],
      ["SELECT id FROM users WHERE name ILIKE '%' || $1 || '%' LIMIT 5", "name ILIKE '%' || $1 || '%'"],
      ["DELETE FROM users WHERE NOT (name LIKE '_x')", "name LIKE '_x'"],
    ],
    near: [
      "SELECT id FROM users WHERE name LIKE 'son%' LIMIT 5", 'SELECT id FROM users WHERE name LIKE $1 LIMIT 5',
      "SELECT id FROM users WHERE name LIKE $1 || '%' LIMIT 5", "SELECT id FROM users WHERE name NOT LIKE '%x' LIMIT 5",
      "SELECT name LIKE '%x' AS odd FROM users WHERE id = 1", "SELECT id FROM users WHERE name = '%son' LIMIT 5",
    ],
  },
  'function-on-column': {
    found: [
      ['SELECT id FROM users WHERE lower(email) = lower($1) LIMIT 1', 'lower(email) = lower($1)'],
      ["SELECT id FROM orders WHERE date_trunc('day', at) = $1 LIMIT 1", "date_trunc('day', at) = $1"],
      ['SELECT id FROM orders WHERE extract(year FROM at) = 2026 LIMIT 1', 'extract(year FROM at) = 2026'],
      ["SELECT id FROM orders WHERE at + interval '1 day' > now() LIMIT 1", "at + interval '1 day' > now()"],
      ['SELECT id FROM orders WHERE coalesce(total, 0) BETWEEN 1 AND 5 LIMIT 1', 'coalesce(total, 0) BETWEEN 1 AND 5'],
      ["SELECT id FROM users WHERE upper(name) LIKE 'A%' LIMIT 1", "upper(name) LIKE 'A%'"],
      ['SELECT a.id FROM a JOIN b ON lower(a.k) = b.k LIMIT 1', 'lower(a.k) = b.k'],
    ],
    near: [
      'SELECT id FROM users WHERE email = lower($1) LIMIT 1', 'SELECT lower(email) FROM users WHERE id = 1',
      'SELECT id FROM orders WHERE price * amount > 5 LIMIT 1', 'SELECT id FROM orders WHERE coalesce(a, b) = 1 LIMIT 1',
      "SELECT id FROM orders WHERE at > now() - interval '1 day' LIMIT 1",
      "SELECT id FROM orders WHERE doc->>'kind' = $1 LIMIT 1", 'SELECT id FROM t WHERE starts_with(name, $1) LIMIT 1',
      'SELECT team, count(*) FROM users GROUP BY team HAVING max(lower(name)) = $1',
    ],
  },
  'cast-on-column': {
    found: [
      ["SELECT id FROM orders WHERE at::date = '2026-01-31' LIMIT 1", "at::date = '2026-01-31'"],
      ['SELECT id FROM orders WHERE CAST(id AS text) = $1 LIMIT 1', 'CAST(id AS text) = $1'],
      ["SELECT id FROM orders WHERE id::text LIKE '12%' LIMIT 1", "id::text LIKE '12%'"],
    ],
    near: [
      'SELECT id FROM orders WHERE at = $1::date LIMIT 1', 'SELECT at::date FROM orders WHERE id = 1',
      "SELECT id FROM orders WHERE (doc->>'age')::int = 5 LIMIT 1", "SELECT id FROM orders WHERE at = '2026-01-31'::date LIMIT 1",
    ],
  },
  'implicit-cast': {
    found: [
      ['SELECT name FROM users WHERE id = 42.0', '42.0'],
      ['SELECT name FROM users WHERE users.team_id IN (1.5, 2)', '1.5'],
      ['SELECT name FROM users WHERE phone = 5551234', '5551234'],
      ['SELECT name FROM users WHERE id = $1::numeric', '$1::numeric'],
    ],
    near: [
      "SELECT name FROM users WHERE id = '42'", 'SELECT id FROM users WHERE score = 42.5 LIMIT 1',
      'SELECT name FROM users WHERE id = $1::bigint', "SELECT name FROM users WHERE phone = '5551234'",
      'SELECT 42.0 AS id FROM users WHERE id = 42', 'SELECT id FROM users WHERE price = $1::numeric LIMIT 1',
    ],
  },
  'deep-offset': {
    found: [['SELECT id FROM users ORDER BY id LIMIT 10 OFFSET 5000', 'OFFSET 5000']],
    near: [
      'SELECT id FROM users ORDER BY id LIMIT 10 OFFSET 40', 'SELECT id FROM users ORDER BY id LIMIT 10 OFFSET $1',
      'SELECT id FROM users ORDER BY id LIMIT 5000', "SELECT 'OFFSET 5000' AS text",
    ],
  },
  'not-in-subquery': {
    found: [
      ['SELECT id FROM a WHERE id NOT IN (SELECT a_id FROM b) LIMIT 1', 'id NOT IN (SELECT a_id FROM b)'],
      ['SELECT id FROM a WHERE id <> ALL (SELECT a_id FROM b) LIMIT 1', 'id <> ALL (SELECT a_id FROM b)'],
    ],
    near: [
      'SELECT id FROM a WHERE id NOT IN (1, 2) LIMIT 1', 'SELECT id FROM a WHERE id IN (SELECT a_id FROM b) LIMIT 1',
      'SELECT id FROM a WHERE NOT EXISTS (SELECT 1 FROM b WHERE b.a_id = a.id) LIMIT 1',
      'SELECT id FROM a WHERE id <> ALL ($1) LIMIT 1',
    ],
  },
  'huge-in-list': {
    found: [
      [`SELECT name FROM users WHERE id IN (${ids(101)})`, `id IN (${ids(101)})`],
      [`SELECT name FROM users WHERE id = ANY (ARRAY[${ids(101)}])`, `id = ANY (ARRAY[${ids(101)}])`],
      [`SELECT name FROM users WHERE id IN (${ids(20_000)})`, `IN (${ids(20_000)})`],
    ],
    near: [
      `SELECT name FROM users WHERE id IN (${ids(100)})`, 'SELECT name FROM users WHERE id = ANY ($1)',
      `INSERT INTO users (id) VALUES ${Array.from({ length: 500 }, () => '(1)').join(', ')}`, `SELECT ${ids(500)}`,
    ],
  },
  'order-by-random': {
    found: [
      ['SELECT id FROM users ORDER BY random() LIMIT 1', 'random()'],
      ['SELECT id FROM users ORDER BY team, RAND() LIMIT 1', 'RAND()'],
    ],
    near: [
      'SELECT random() FROM users ORDER BY id LIMIT 1', 'SELECT id FROM users WHERE random() < 0.01 LIMIT 1',
      'SELECT id FROM users ORDER BY random LIMIT 1',
    ],
  },
  'cartesian-join': {
    found: [
      ['SELECT u.id FROM users u, orders o LIMIT 1', 'orders o'],
      ['SELECT u.id FROM users u, orders o WHERE u.id = 5 AND o.total > 5 LIMIT 1', 'orders o'],
      ['SELECT u.id FROM users u JOIN orders o ON o.open LIMIT 1', 'orders o'],
      ['SELECT u.id FROM users u JOIN teams t ON t.id = u.team_id, prices LIMIT 1', 'prices'],
      ['DELETE FROM users USING teams WHERE teams.closed', 'teams'],
      ['UPDATE users SET n = 1 FROM teams WHERE teams.closed', 'teams'],
    ],
    near: [
      'SELECT u.id FROM users u, orders o WHERE o.user_id = u.id LIMIT 1', 'SELECT s.id FROM sizes s CROSS JOIN colors c LIMIT 1',
      'SELECT u.id FROM users u, unnest(u.tags) t LIMIT 1', 'SELECT id FROM users, orders WHERE user_id = uid LIMIT 1',
      'SELECT u.id FROM users u, LATERAL (SELECT 1) x LIMIT 1', 'SELECT a.id FROM a JOIN b USING (id) NATURAL JOIN c LIMIT 1',
      'WITH p AS (SELECT 5 AS low) SELECT u.id FROM users u, p WHERE u.id > 7 LIMIT 1',
      'SELECT a.id FROM a, b WHERE EXISTS (SELECT 1 FROM c WHERE c.x = a.x AND c.y = b.y) LIMIT 1',
    ],
  },
  'many-joins': {
    found: [[
      'SELECT a.x FROM a JOIN b USING (i) LEFT JOIN c USING (i) JOIN d USING (i) WHERE a.id = 1', 'JOIN b USING (i) LEFT JOIN c USING (i) JOIN d',
    ]],
    near: ['SELECT a.x FROM a JOIN b USING (i) JOIN c USING (i) WHERE a.id = 1', "SELECT 'join join join'"],
  },
  'distinct-over-join': {
    found: [
      ['SELECT DISTINCT u.id, u.name FROM users u JOIN orders o ON o.user_id = u.id LIMIT 5', 'SELECT DISTINCT u.id, u.name'],
      ['SELECT DISTINCT id FROM users JOIN orders ON user_id = uid LIMIT 5', 'SELECT DISTINCT id'],
    ],
    near: [
      'SELECT DISTINCT u.id, o.day FROM users u JOIN orders o ON o.user_id = u.id LIMIT 5', 'SELECT DISTINCT team FROM users',
      'SELECT u.id FROM users u JOIN orders o ON o.user_id = u.id LIMIT 5',
      'SELECT DISTINCT ON (u.id) u.id FROM users u JOIN orders o ON o.user_id = u.id LIMIT 5',
      'SELECT count(DISTINCT u.id) FROM users u JOIN orders o ON o.user_id = u.id',
    ],
  },
  'or-across-columns': {
    found: [
      ['SELECT id FROM users WHERE phone = $1 OR mail = $1 LIMIT 1', 'phone = $1 OR mail = $1'],
      ['SELECT a.x FROM a JOIN b ON a.x = b.x OR a.y = b.y LIMIT 1', 'a.x = b.x OR a.y = b.y'],
    ],
    near: [
      'SELECT id FROM users WHERE a = 1 OR a = 2 LIMIT 1', 'SELECT id FROM users WHERE team = $1 AND (a = 1 OR b = 2) LIMIT 1',
      'SELECT id FROM users WHERE ends IS NULL OR ends > now() LIMIT 1', 'SELECT id FROM users WHERE $1 IS NULL OR a = $1 LIMIT 1',
      'SELECT id FROM users WHERE a < 1 OR (a = 1 AND b < 2) LIMIT 1', 'SELECT a OR b FROM users WHERE id = 1',
    ],
  },
  'unused-cte': {
    found: [
      ['WITH old AS (SELECT id FROM users LIMIT 5) SELECT 1', 'old'],
      ['WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT 1', 'r'],
    ],
    near: [
      'WITH old AS (SELECT id FROM users LIMIT 5) SELECT id FROM old', 'WITH gone AS (DELETE FROM a WHERE b) SELECT 1',
      'WITH a AS (SELECT 1 AS x), b AS (SELECT x FROM a) SELECT x FROM b', 'WITH Old AS (SELECT 1 AS x) SELECT x FROM old',
    ],
  },
  'null-comparison': {
    found: [
      ['SELECT id FROM users WHERE team = NULL LIMIT 1', 'team = NULL'],
      ['SELECT id FROM users WHERE u.team <> null LIMIT 1', 'u.team <> null'],
      ['SELECT CASE WHEN a != NULL THEN 1 END FROM users WHERE id = 1', 'a != NULL'],
      ['SELECT id FROM users WHERE team NOT IN (1, NULL) LIMIT 1', 'team NOT IN (1, NULL)'],
    ],
    near: [
      'SELECT id FROM users WHERE team IS NULL LIMIT 1', 'UPDATE users SET team = NULL WHERE id = 1',
      "SELECT id FROM users WHERE note = 'a = NULL' LIMIT 1", 'SELECT id FROM users WHERE a IS NOT DISTINCT FROM NULL LIMIT 1',
      'SELECT make(a => NULL)', 'INSERT INTO t (a) VALUES (NULL)',
    ],
  },
  'count-for-existence': {
    found: [
      [
        'SELECT u.name FROM users u WHERE u.id = 1 AND (SELECT count(*) FROM orders o WHERE o.user_id = u.id) > 0',
        '(SELECT count(*) FROM orders o WHERE o.user_id = u.id) > 0',
      ],
      ['SELECT 0 = (SELECT count(id) FROM orders) AS none', '0 = (SELECT count(id) FROM orders)'],
      ['SELECT count(*) > 0 FROM orders', 'count(*) > 0'],
    ],
    near: [
      'SELECT count(*) FROM orders', 'SELECT (SELECT count(*) FROM orders) > 5', 'SELECT (SELECT count(DISTINCT a) FROM orders) > 0',
      'SELECT team, count(*) > 0 FROM users GROUP BY team', 'SELECT team FROM users GROUP BY team HAVING count(*) > 0',
      'SELECT EXISTS (SELECT 1 FROM orders)',
    ],
  },
  'concatenated-literals': {
    found: [
      ["SELECT id FROM users WHERE name = 'O' || 'Brien' LIMIT 1", "'O' || 'Brien'"],
      ["SELECT name FROM users WHERE id = 1 OR '1'='1'", "'1'='1'"],
      ['SELECT name FROM users WHERE id = 1 OR 1=1', '1=1'],
      ["SELECT name FROM users WHERE id = '[object Object]'", "'[object Object]'"],
      ["SELECT name FROM users WHERE id = '${id}'", "'${id}'"],
    ],
    near: [
      "SELECT first || ' ' || last FROM users WHERE id = 1", "SELECT name FROM users WHERE status = 'open' AND id = 1",
      'SELECT name FROM users WHERE 1=1 AND id = 2', 'SELECT name FROM users WHERE id = 1 OR $1 = $1',
    ],
  },
  'insert-without-columns': {
    found: [['INSERT INTO users VALUES (1, 2)', 'INSERT INTO users'], ['INSERT INTO a.b SELECT 1', 'INSERT INTO a.b']],
    near: ['INSERT INTO users (id) VALUES (1)', 'INSERT INTO users DEFAULT VALUES'],
  },
};

for (const [rule, { found, near }] of Object.entries(RULES)) {
  test(`${rule} is found where it is, and not where it only seems to be`, () => {
    for (const [query, part] of found) assert.deepEqual(parts(query, rule), [part], query);
    for (const query of near) assert.deepEqual(parts(query, rule), [], query);
  });
}

test('there are at least 18 rules, and each is in the documents', () => {
  const document = fs.readFileSync(new URL('../docs/query-analysis.md', import.meta.url), 'utf8');
  const rules = [...Object.keys(RULES), 'n-plus-one'];
  assert.ok(rules.length >= 18);
  for (const rule of rules) assert.match(document, new RegExp(`\\n### ${rule}\\n`), rule);
});

test('200 clean statements give no finding', () => {
  const text = fs.readFileSync(new URL('support/clean-statements.sql', import.meta.url), 'utf8');
  const [heading, ...statements] = text.trim().split(/\n\s*\n/);
  assert.match(heading, /^--/);
  assert.ok(new Set(statements).size >= 200);
  for (const statement of statements) assert.deepEqual(optimizer.analyze(statement).findings, [], statement);
});

test('a finding says its rule, how bad it is, where it is, and what to do', () => {
  const query = "SELECT name FROM users\r\n WHERE note = 'é💡' -- ключ 💡\n AND team = NULL AND id = 7";
  const { findings, ...rest } = optimizer.analyze(query);
  assert.deepEqual(findings, [{
    rule: 'null-comparison', severity: 'error', start: query.indexOf('team'), end: query.indexOf(' AND id'), fix: 'team IS NULL',
    message: 'A comparison with NULL is never true: use IS NULL or IS NOT NULL',
  }]);
  assert.deepEqual(rest, { fingerprint: rest.fingerprint, statement: 'select', tables: ['users'] });
});

test('a fix is what to write in place of the part: then the finding is gone, and nothing else is new', () => {
  const expected = new Map([
    ['SELECT id FROM users WHERE team = NULL LIMIT 1', 'SELECT id FROM users WHERE team IS NULL LIMIT 1'],
    ['SELECT id FROM users WHERE (NULL <> u.team) LIMIT 1', 'SELECT id FROM users WHERE (u.team IS NOT NULL) LIMIT 1'],
    ['SELECT name FROM users WHERE id = 42.0', 'SELECT name FROM users WHERE id = 42'],
    ['SELECT id FROM users WHERE phone = 5551234 LIMIT 1', "SELECT id FROM users WHERE phone = '5551234' LIMIT 1"],
    ['SELECT id FROM t WHERE a::numeric(5, 2) = NULL LIMIT 1', 'SELECT id FROM t WHERE a::numeric(5, 2) IS NULL LIMIT 1'],
    [
      "SELECT id FROM o WHERE at::date = '2026-01-31' AND open LIMIT 9",
      "SELECT id FROM o WHERE (at >= DATE '2026-01-31' AND at < DATE '2026-01-31' + 1) AND open LIMIT 9",
    ],
    [
      'SELECT 0 = (SELECT count(*) FROM a WHERE (b)) AS none',
      'SELECT NOT EXISTS (SELECT 1 FROM a WHERE (b)) AS none',
    ],
    [
      'SELECT id FROM a WHERE (select COUNT(*) from b, c where b.x = c.x) >= 1 LIMIT 1',
      'SELECT id FROM a WHERE EXISTS (SELECT 1 from b, c where b.x = c.x) LIMIT 1',
    ],
  ]);
  for (const [query, fixed] of expected) {
    const [finding, ...more] = optimizer.analyze(query).findings;
    assert.deepEqual(more, [], query);
    assert.equal(query.slice(0, finding.start) + finding.fix + query.slice(finding.end), fixed);
    assert.deepEqual(optimizer.analyze(fixed).findings, []);
  }
  // Where a part of the comparison is outside what the parser tells of, no fix is better than a wrong one.
  for (const query of ['SELECT id FROM t WHERE a::timestamp with time zone = NULL LIMIT 1', "SELECT id FROM t WHERE at::date = '2026-01-31'::date LIMIT 1"]) {
    assert.equal(optimizer.analyze(query).findings[0].fix, null, query);
  }
});

test('statement and tables', () => {
  for (const [query, statement, tables] of [
    ['SELECT a FROM Public.Users u, "Odd Name" LIMIT 1', 'select', ['public.users', 'Odd Name']],
    ['WITH x AS (SELECT id FROM a) INSERT INTO b (id) SELECT id FROM x JOIN c USING (id)', 'insert', ['a', 'b', 'c']],
    ['UPDATE t SET a = 1 FROM u WHERE t.id = u.id', 'update', ['t', 'u']],
    ['DELETE FROM t USING u WHERE t.id = u.id', 'delete', ['t', 'u']],
    ['SELECT id FROM generate_series(1, 5) id', 'select', []],
    ['(SELECT a FROM t LIMIT 1)', 'select', ['t']],
    ['CREATE TABLE t (a int)', 'create', ['t']],
    ['no sql at all', 'no', []],
    ['', null, []],
    ['💡', null, []],
  ]) {
    const found = optimizer.analyze(query);
    assert.deepEqual([found.statement, found.tables], [statement, tables], query);
  }
});

test('the fingerprint is that of getTopQueries: values do not count', async () => {
  const busy = new QueryOptimizer({ batchSize: 1 });
  await busy.queueQuery("SELECT a FROM t WHERE b = 'x' AND c = 5");
  const [{ fingerprint }] = busy.getTopQueries();
  assert.equal(busy.analyze("select a from t  where b = 'y' and c = 6").fingerprint, fingerprint);
});

test('what a caller does to an answer changes nobody else’s', () => {
  const query = 'SELECT * FROM mine LIMIT 1';
  const first = optimizer.analyze(query);
  first.tables.push('x');
  first.findings[0].rule = 'x';
  first.findings.length = 0;
  assert.deepEqual(optimizer.analyze(query).tables, ['mine']);
  assert.equal(optimizer.analyze(query).findings[0].rule, 'select-star');
});

test('suggestions of optimizeQuery are the findings in words, the original’s kinds first', () => {
  const { suggestions } = optimizer.optimizeQuery("SELECT * FROM users WHERE name LIKE '%x' AND team = NULL");
  assert.deepEqual(suggestions.map((text) => text.split(':')[0]), [
    'Name the columns you need instead of selecting all of them', 'WHERE without LIMIT',
    'Make sure that an index covers the columns in the WHERE clause', 'A pattern that starts with a wildcard cannot use a B-tree index',
    'A comparison with NULL is never true',
  ]);
});

test('deep, long and broken texts are answered', () => {
  for (const unit of ['(', '1+', 'NOT ', 'a OR ', 'a AND ', "'a' || ", 'lower(', 'SELECT 1 UNION ', 'CASE WHEN ', "'", '"', '💡', '\ud800']) {
    for (const length of [100, 3_000, 8_000, 1_000_000]) {
      const query = `SELECT * FROM t WHERE ${unit.repeat(length / unit.length)}1`;
      const { findings } = optimizer.analyze(query);
      assert.ok(findings.some(({ rule }) => rule === 'select-star'), `${length} of ${unit}`);
      assert.ok(findings.every(({ start, end }) => start <= end && end <= query.length));
    }
  }
});
