// npm run bench:pg: 10,000 point lookups, 3,000 of them of keys that are asked for twice, through the optimizer, against
// postgres.js and against dataloader with pg: in turns in one run, results checked equal, and the statements counted by
// the server itself. Two connections for everybody; the lookups come all at once.
import pg from 'pg';
import { startPostgres } from '../__test__/support/postgres.mjs';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';
import { peer } from './peers.mjs';

const ROUNDS = 9;
const CONNECTIONS = 2;
const LOOKUPS = 10_000;
const DISTINCT = 7_000;
const ROWS = 50_000;
const ONE = 'select id, name, price, at from item where id = $1';
const MANY = 'select id, name, price, at from item where id = any($1::int[])';

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Every key of the first 7,000 once, 3,000 of them twice, well mixed. One in fifty is not there. */
const KEYS = Array.from({ length: LOOKUPS }, (_, index) => {
  const place = (index * 7919) % LOOKUPS;
  const key = place < DISTINCT ? place : (place * 31) % DISTINCT;
  return 1 + ((key * 7) % Math.round(ROWS * 1.02));
});

/** The optimizer with batches of this size; each round has a new one, as a request has. */
function ours(pool, batchSize, options) {
  return {
    name: `ours, batches of ${batchSize}`,
    async run() {
      const optimizer = new QueryOptimizer({ pool, batchSize, batchTimeout: 1, ...options });
      const results = await Promise.all(KEYS.map((key) => optimizer.queueQuery(ONE, [key])));
      return results.map(({ rows }) => rows[0] ?? null);
    },
  };
}

/** dataloader as its documentation shows it, over pg with a named statement. */
function loader(pool, maxBatchSize) {
  const DataLoader = peer('dataloader');
  if (DataLoader === undefined) return undefined;
  const many = async (keys) => {
    const { rows } = await pool.query({ name: 'many', text: MANY, values: [keys] });
    const byKey = new Map(rows.map((row) => [row.id, row]));
    return keys.map((key) => byKey.get(key) ?? null);
  };
  return {
    name: `dataloader + pg${maxBatchSize === Infinity ? '' : `, batches of ${maxBatchSize}`}`,
    run() {
      const items = new DataLoader(many, { maxBatchSize });
      return Promise.all(KEYS.map((key) => items.load(key)));
    },
  };
}

function postgresJs(url) {
  const postgres = peer('postgres');
  if (postgres === undefined) return undefined;
  const sql = (postgres.default ?? postgres)(url, { max: CONNECTIONS, onnotice: () => {} });
  const one = async (key) => (await sql.unsafe(ONE, [key], { prepare: true }))[0] ?? null;
  return { name: 'postgres.js', run: () => Promise.all(KEYS.map(one)), close: () => sql.end() };
}

/** Milliseconds of time and of the event loop. */
async function timed(side) {
  const before = performance.eventLoopUtilization();
  const start = process.hrtime.bigint();
  await side.run();
  const ms = Number(process.hrtime.bigint() - start) / 1e6;
  return { ms, loop: performance.eventLoopUtilization(before).active };
}

/** How many statements the server ran for one round. */
async function statements(side, admin) {
  await admin.query('select pg_stat_statements_reset()');
  await side.run();
  const { rows } = await admin.query(
    "select coalesce(sum(calls), 0)::int as calls from pg_stat_statements where query not like '%pg_stat_statements%'",
  );
  return rows[0].calls;
}

async function compare(table, sides, admin) {
  const figures = new Map(sides.map((side) => [side, []]));
  for (let round = 0; round <= ROUNDS; round += 1) {
    // The first round warms up.
    for (const side of round % 2 ? sides : [...sides].reverse()) {
      const figure = await timed(side);
      if (round > 0) figures.get(side).push(figure);
    }
  }
  const shown = [];
  for (const side of sides) {
    side.ms = median(figures.get(side).map(({ ms }) => ms));
    side.loop = median(figures.get(side).map(({ loop }) => loop));
    side.statements = await statements(side, admin);
    shown.push(`${side.name} ${side.ms.toFixed(1)} (event loop ${side.loop.toFixed(1)}, ${side.statements} statements)`);
  }
  console.log(`(${shown.join(' · ')} ms)`);
  const best = (mine) => sides.filter(mine).sort((a, b) => a.ms - b.ms)[0];
  const our = best(({ name }) => name.startsWith('ours'));
  const row = (title, goal, unit, baseline, mine) =>
    table.compare({ title: `10,000 lookups, 30 % twice: ${title}`, goal, unit, rounds: 1, baseline: () => baseline, ours: () => mine });
  for (const [start, goal] of [['postgres.js', 3], ['dataloader', 1.3]]) {
    const other = best(({ name }) => name.startsWith(start));
    if (other !== undefined) await row(`against ${other.name}`, goal, 'ms', other.ms, our.ms);
  }
  // At least 60 % fewer.
  await row('statements', 2.5, 'statements', LOOKUPS, our.statements);
}

export async function run(table) {
  const flags = ['-c', 'synchronous_commit=off', '-c', 'shared_preload_libraries=pg_stat_statements'];
  const server = await startPostgres({ flags });
  const admin = new pg.Pool({ connectionString: server.url, max: CONNECTIONS });
  const pool = new ConnectionPool({ connectionString: server.url, minConnections: CONNECTIONS, maxConnections: CONNECTIONS });
  const sides = [];
  try {
    await admin.query('create extension pg_stat_statements');
    await admin.query('create table item (id int primary key, name text, price numeric(10,2), at timestamptz)');
    await admin.query(`insert into item select n, 'item number ' || n, n / 100.0, now() - n * interval '1 second' from generate_series(1, ${ROWS}) n`);
    await admin.query('vacuum analyze item');
    await pool.initialize();
    for (const size of [1_000, LOOKUPS]) sides.push(ours(pool, size));
    sides.push(loader(admin, Infinity), loader(admin, 1_000), loader(admin, 3_500), postgresJs(server.url));
    const present = sides.filter(Boolean);
    const answers = [];
    for (const side of present) answers.push(JSON.stringify(await side.run()));
    if (new Set(answers).size !== 1) throw new Error('the results differ');
    await compare(table, present, admin);
  } finally {
    for (const side of sides) await side?.close?.();
    await pool.drain();
    await admin.end();
    await server.stop();
  }
}
