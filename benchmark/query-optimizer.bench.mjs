// Queueing and advice. The 100 shapes are texts of the length that a service sends; each of the 10,000 queries has
// its own parameters. `batchSize` 200 lets the queue grow to all 10,000, as in the figures that the goals stand on;
// with the default of 10 the queue stays below 1,000.
import { QueryOptimizer as Baseline } from './baseline/query-optimizer.mjs';
import { timeSync } from './harness.mjs';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';

const SHAPES = Array.from(
  { length: 100 },
  (_, shape) => `SELECT id, provider, cost_${shape}\n  FROM calls\n WHERE cohort = $1 AND day >= $2\n ORDER BY day`,
);
const QUERIES = 10_000;

const TEXTS = [
  'SELECT * FROM users WHERE email = $1',
  'SELECT id, name FROM users WHERE tenant = $1 AND active ORDER BY name LIMIT 50',
  'SELECT c.id, p.name, b.cents FROM calls c JOIN providers p ON p.id = c.provider JOIN budgets b ON b.id = c.budget ' +
    'JOIN cohorts k ON k.id = c.cohort WHERE k.name = $1',
  'UPDATE budgets SET cents = cents - $1 WHERE id = $2',
];

async function queued(Optimizer, batchSize) {
  const optimizer = new Optimizer({ batchSize, batchTimeout: 5_000 });
  const promises = [];
  const start = process.hrtime.bigint();
  for (let index = 0; index < QUERIES; index += 1) {
    promises.push(optimizer.queueQuery(SHAPES[index % SHAPES.length], [index, index]));
  }
  const figure = Number(process.hrtime.bigint() - start) / QUERIES;
  for (const shape of SHAPES) await optimizer.executeBatch(optimizer.normalizeQuery(shape));
  for (const timer of optimizer.batchTimers.values()) clearTimeout(timer);
  await Promise.all(promises);
  return figure;
}

async function settled(Optimizer, batchSize) {
  const optimizer = new Optimizer({ batchSize });
  const start = process.hrtime.bigint();
  const promises = [];
  for (let index = 0; index < QUERIES; index += 1) {
    promises.push(optimizer.queueQuery(SHAPES[index % SHAPES.length], [index, index]));
  }
  await Promise.all(promises);
  return Number(process.hrtime.bigint() - start) / QUERIES;
}

export async function run(table) {
  await table.compare({
    title: 'queueQuery, 10,000 of 100 shapes',
    goal: 20,
    baseline: () => queued(Baseline, 200),
    ours: () => queued(QueryOptimizer, 200),
  });
  await table.compare({
    title: 'queueQuery, 10,000 of 100 shapes, full batches of 10, to the last result',
    goal: 1,
    baseline: () => settled(Baseline, 10),
    ours: () => settled(QueryOptimizer, 10),
  });
  const [baseline, ours] = [new Baseline(), new QueryOptimizer()];
  await table.compare({
    title: 'optimizeQuery, repeated texts',
    goal: 5,
    baseline: () => timeSync(200_000, (index) => baseline.optimizeQuery(TEXTS[index % TEXTS.length])),
    ours: () => timeSync(200_000, (index) => ours.optimizeQuery(TEXTS[index % TEXTS.length])),
  });
  // No goal: a text that was never seen is parsed, which the baseline does not do at all.
  await table.limit({
    title: 'optimizeQuery, a new text each time',
    limit: 50_000,
    unit: 'ns',
    ours: () => {
      const run = Math.floor(Math.random() * 1e9);
      return timeSync(2_000, (index) => ours.optimizeQuery(`SELECT a, b FROM t WHERE id = ${run} AND n = ${index}`));
    },
  });
}
