// SELECTs in a loop, found at run time within a trace; and what slow entries say.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';

const executor = async (items) => items.map(() => ({ rows: [{}] }));
const turn = () => new Promise((resolve) => setImmediate(resolve));

/** An optimizer with its tracer and the loops that it told of. */
function watched(options = {}) {
  const tracer = new DistributedTracer({ serviceName: 'loops', samplingRate: 1 });
  const optimizer = new QueryOptimizer({ executor, batchTimeout: 1, ...options });
  const told = [];
  optimizer.on('n-plus-one', (event) => told.push(event));
  return { tracer, optimizer, told, end: () => tracer.shutdown() };
}

async function oneByOne(optimizer, count, text = (id) => `SELECT name FROM users WHERE id = ${id}`) {
  for (let id = 0; id < count; id += 1) await optimizer.queueQuery(text(id));
}

test('a SELECT in a loop of awaits is told of once in a trace, by its fingerprint', async () => {
  const { tracer, optimizer, told, end } = watched();
  await tracer.run('GET /orders', () => oneByOne(optimizer, 12));
  await turn();
  assert.equal(told.length, 1);
  const [{ traceId, ...event }] = told;
  assert.match(traceId, /^[0-9a-f]{32}$/);
  const { fingerprint } = optimizer.analyze('select name from users where id = 99');
  assert.deepEqual(event, { fingerprint, query: 'select name from users where id = ?', count: 5 });
  await tracer.run('GET /orders', () => oneByOne(optimizer, 5));
  await turn();
  assert.equal(told.length, 2);
  end();
});

test('analyze and getTopQueries tell of it; clearStats forgets it', async () => {
  const { tracer, optimizer, end } = watched({ nPlusOneThreshold: 3 });
  const query = 'SELECT name FROM users WHERE id = 7';
  assert.deepEqual(optimizer.analyze(query).findings, []);
  await tracer.run('GET /orders', () => oneByOne(optimizer, 3));
  const { findings: [finding, ...more] } = optimizer.analyze(query);
  assert.deepEqual(more, []);
  assert.deepEqual([finding.rule, finding.severity, finding.fix], ['n-plus-one', 'warning', null]);
  assert.equal(query.slice(finding.start, finding.end), query);
  assert.match(finding.message, /= ANY\(\$1\)/);
  assert.equal(optimizer.getTopQueries()[0].loops, 1);
  assert.deepEqual(new QueryOptimizer().analyze(query).findings, []);
  optimizer.clearStats();
  assert.deepEqual(optimizer.analyze(query).findings, []);
  end();
});

test('queries that wait together are no loop: they go out together', async () => {
  const { tracer, optimizer, told, end } = watched({ batchSize: 100 });
  await tracer.run('GET /orders', () => Promise.all(Array.from({ length: 50 }, (_, id) => optimizer.queueQuery('SELECT name FROM users WHERE id = $1', [id]))));
  await turn();
  assert.deepEqual(told, []);
  end();
});

test('no loop: without a trace, spread over traces, other statements, other texts', async () => {
  const { tracer, optimizer, told, end } = watched();
  await oneByOne(optimizer, 20);
  for (let request = 0; request < 20; request += 1) await tracer.run('GET /', () => oneByOne(optimizer, 4));
  await tracer.run('POST /', () => oneByOne(optimizer, 20, (id) => `UPDATE users SET seen = now() WHERE id = ${id}`));
  await tracer.run('GET /', () => oneByOne(optimizer, 20, (id) => `SELECT name FROM users_${'abcdefghijklmnopqrst'[id]} WHERE id = 1`));
  await turn();
  assert.deepEqual(told, []);
  assert.ok(optimizer.getTopQueries({ limit: 100 }).every(({ loops }) => loops === 0));
  end();
});

test('spans of one trace count together, and the threshold is the caller’s', async () => {
  const { tracer, optimizer, told, end } = watched({ nPlusOneThreshold: 6 });
  await tracer.run('GET /orders', async () => {
    for (let row = 0; row < 5; row += 1) await tracer.run('row', () => oneByOne(optimizer, 1));
    await turn();
    assert.deepEqual(told, []);
    await tracer.run('row', () => oneByOne(optimizer, 1));
  });
  await turn();
  assert.equal(told[0].count, 6);
  end();
});

test('listeners: once, off, and none', async () => {
  const { tracer, optimizer, told, end } = watched({ nPlusOneThreshold: 2 });
  let once = 0;
  const never = () => assert.fail('taken away');
  assert.equal(optimizer.once('n-plus-one', () => (once += 1)).on('n-plus-one', never).off('n-plus-one', never), optimizer);
  for (let request = 0; request < 3; request += 1) await tracer.run('GET /', () => oneByOne(optimizer, 2));
  await turn();
  assert.deepEqual([once, told.length], [1, 3]);
  const silent = new QueryOptimizer({ executor, batchTimeout: 1, nPlusOneThreshold: 2 });
  await tracer.run('GET /', () => oneByOne(silent, 3));
  assert.equal(silent.getTopQueries()[0].loops, 1);
  assert.deepEqual(Object.keys(silent).filter((key) => key.startsWith('_')), []);
  for (const value of [undefined, null, 1, 'x', {}]) assert.throws(() => silent.on('n-plus-one', value), TypeError);
  for (const value of [-1, 1, 'x', {}]) {
    assert.throws(() => new QueryOptimizer({ nPlusOneThreshold: value }), /"nPlusOneThreshold"/);
  }
  end();
});

/** One slow batch. */
async function slow(options = {}) {
  const optimizer = new QueryOptimizer({
    slowQueryThreshold: 1, batchTimeout: 1, ...options,
    executor: async (items) => {
      await new Promise((resolve) => setTimeout(resolve, 10));
      return items.map(() => ({ rows: [] }));
    },
  });
  const query = "SELECT id FROM users WHERE token = 'hidden-literal' AND name = $1 AND age > 41";
  await Promise.all([optimizer.queueQuery(query, ['hidden-parameter']), optimizer.queueQuery(query, ['hidden-other'])]);
  return { optimizer, query };
}

test('a slow entry has the fingerprint and the text without its values, and no parameters', async () => {
  const { optimizer, query } = await slow();
  const [entry] = optimizer.getSlowQueries();
  assert.deepEqual(Object.keys(entry), ['latency', 'batchSize', 'timestamp', 'queryKey', 'fingerprint', 'query']);
  assert.equal(entry.query, 'select id from users where token = ? and name = $1 and age > ?');
  assert.equal(entry.fingerprint, optimizer.analyze(query).fingerprint);
  assert.equal(entry.fingerprint, optimizer.getTopQueries()[0].fingerprint);
  assert.equal(entry.queryKey, optimizer.normalizeQuery(query));
  const { queryKey, ...shown } = entry;
  assert.doesNotMatch(JSON.stringify(shown), /hidden/);
  assert.doesNotMatch(JSON.stringify([optimizer.getSlowQueries(), optimizer.stats, optimizer.getTopQueries(), optimizer]), /parameter|other/);
});

test('parameters are kept with slow entries when somebody asks for them, and forgotten with them', async () => {
  const { optimizer } = await slow({ recordParameters: true });
  const [entry] = optimizer.getSlowQueries();
  assert.deepEqual(entry.parameters, [['hidden-parameter'], ['hidden-other']]);
  entry.parameters.length = 0;
  assert.equal(optimizer.getSlowQueries()[0].parameters.length, 2);
  for (let batch = 0; batch < 150; batch += 1) optimizer.recordQueryLatency(50, 1, 'select 1');
  assert.ok(optimizer.stats.slowQueries.every((kept) => !('parameters' in kept)));
  optimizer.clearStats();
  assert.deepEqual(optimizer.getSlowQueries(), []);
  for (const value of [1, 'yes', {}]) assert.throws(() => new QueryOptimizer({ recordParameters: value }), /"recordParameters"/);
});

test('texts of a megabyte are cut in slow entries and in getTopQueries', async () => {
  const optimizer = new QueryOptimizer({ executor, batchSize: 1, slowQueryThreshold: 1 });
  const query = `SELECT ${'a, '.repeat(300_000)} b`;
  await optimizer.queueQuery(query);
  optimizer.recordQueryLatency(50, 1, query);
  for (const { query: shown } of [...optimizer.getSlowQueries(), ...optimizer.getTopQueries()]) {
    assert.ok(shown.length < 5_000 && shown.endsWith('…'));
  }
});
