// npm run bench:pg: rows from a real PostgreSQL against pg (named statements; and `pipeline: true`) and postgres.js, in
// turns in one run; results are checked equal first. The baseline of a row is the fastest peer of that run.
import pg from 'pg';
import { startPostgres } from '../__test__/support/postgres.mjs';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { peer } from './peers.mjs';
import { pgbench } from './pgbench.mjs';

const ROUNDS = 7;
const CONNECTIONS = 2;
const RANGE = 'select id, name, price, at from item where id >= $1 and id < $2 order by id';
const ONE = 'select id, name, price, at from item where id = $1';
const INSERT = 'insert into entry (name) values ($1)';
const WIDE = 'select id, name, price, at, id * 2 as b, name || $1 as c, price::float8 as d, id % 2 = 0 as e from item order by id';
const ROWS = 50_000;

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

function pgPeer(name, url, more) {
  const pool = new pg.Pool({ connectionString: url, max: CONNECTIONS, ...more });
  pool.on('error', () => {});
  const run = async (text, values) => (await pool.query({ name: text.slice(0, 40) + text.length, text, values })).rows;
  return { name, run, close: () => pool.end() };
}

async function pipelinedPg(url) {
  const clients = [];
  for (let index = 0; index < CONNECTIONS; index += 1) {
    const client = new pg.Client({ connectionString: url, pipeline: true });
    client.on('error', () => {});
    await client.connect();
    clients.push(client);
  }
  let turn = 0;
  return {
    name: 'pg, pipeline',
    async run(text, values) {
      turn += 1;
      return (await clients[turn % CONNECTIONS].query({ name: text.slice(0, 40) + text.length, text, values })).rows;
    },
    close: () => Promise.all(clients.map((client) => client.end())),
  };
}

/** postgres.js takes a Unix socket as an option only. */
const addressFor = (server, via) =>
  via === 'TCP' ? [server.url] : [{ host: server.socketDir, port: server.port, user: 'postgres', password: 'postgres', database: 'postgres' }];

function postgresJs(server, via) {
  const postgres = peer('postgres');
  if (postgres === undefined) return undefined;
  const [address, options = {}] = addressFor(server, via);
  const more = { max: CONNECTIONS, onnotice: () => {}, ...options };
  const connect = postgres.default ?? postgres;
  const sql = typeof address === 'string' ? connect(address, more) : connect({ ...address, ...more });
  return { name: 'postgres.js', run: (text, values) => sql.unsafe(text, values, { prepare: true }), close: () => sql.end() };
}

function ours(name, url, more) {
  const pool = new ConnectionPool({ connectionString: url, minConnections: CONNECTIONS, maxConnections: CONNECTIONS, ...more });
  return { name, run: async (text, values) => (await pool.query(text, values)).rows, close: () => pool.drain(), pool };
}

/** Milliseconds of the process's time, of one call. */
async function timed(body) {
  const start = process.hrtime.bigint();
  await body();
  return Number(process.hrtime.bigint() - start) / 1e6;
}

const oneByOne = (count, body) => async (side) => {
  for (let index = 0; index < count; index += 1) await body(side, index);
};

/** Always `flight` under way. */
const inFlight = (flight, count, body) => async (side) => {
  let next = 0;
  const worker = async () => {
    while (next < count) await body(side, next++);
  };
  await Promise.all(Array.from({ length: flight }, worker));
};

async function check(sides) {
  const plain = (rows) => JSON.stringify(rows, (_, value) => value);
  const answers = [];
  for (const side of sides) answers.push(plain(await side.run(RANGE, [10, 20])));
  if (new Set(answers).size !== 1) throw new Error(`the results differ: ${answers.join('\n')}`);
}

async function row(table, title, goal, sides, mine, count, work) {
  const figures = new Map(sides.map((side) => [side, []]));
  for (let round = 0; round <= ROUNDS; round += 1) {
    const order = round % 2 ? sides : [...sides].reverse();
    for (const side of order) {
      const ms = await timed(() => work(side));
      // The first round warms up.
      if (round > 0) figures.get(side).push((ms * 1000) / count);
    }
  }
  const medians = sides.map((side) => ({ side, figure: median(figures.get(side)) }));
  const best = medians.filter(({ side }) => !mine.includes(side)).sort((a, b) => a.figure - b.figure)[0];
  const our = medians.filter(({ side }) => mine.includes(side)).sort((a, b) => a.figure - b.figure)[0];
  console.log(`(${medians.map(({ side, figure }) => `${side.name} ${figure.toFixed(1)}`).join(' · ')} µs)`);
  await table.compare({
    title: `${title}, against ${best.side.name}`,
    goal,
    unit: 'µs',
    rounds: 1,
    baseline: () => best.figure,
    ours: () => our.figure,
  });
}

async function overTransport(table, server, via) {
  const folder = encodeURIComponent(server.socketDir);
  const url = via === 'TCP' ? server.url : `postgres://postgres:postgres@${folder}:${server.port}/postgres`;
  const mine = [ours('ours', url), ours('ours, pipelined', url, { pipelineConnections: CONNECTIONS })];
  const peers = [pgPeer('pg', url), await pipelinedPg(url), postgresJs(server, via)].filter(Boolean);
  const sides = [...mine, ...peers];
  try {
    await check(sides);
    await rows(table, via, sides, mine);
  } finally {
    for (const side of sides) await side.close();
  }
}

async function rows(table, via, sides, mine) {
  const one = (side, index) => side.run(ONE, [1 + ((index * 7919) % ROWS)]);
  const range = (count) => (side, index) => side.run(RANGE, [1 + (index * count) % 40_000, 1 + (index * count) % 40_000 + count]);
  await row(table, `1 row, one at a time, ${via}`, 1.3, sides, mine, 500, oneByOne(500, one));
  await row(table, `100 rows, one at a time, ${via}`, 1.7, sides, mine, 200, oneByOne(200, range(100)));
  await row(table, `500 rows, one at a time, ${via}`, 1.9, sides, mine, 80, oneByOne(80, range(500)));
  await row(table, `1 row, 64 in flight, ${via}`, 2, sides, mine, 4000, inFlight(64, 4000, one));
  await row(table, `1 row, 1,000 in flight, ${via}`, 2, sides, mine, 8000, inFlight(1000, 8000, one));
  await row(table, `insert, 1,000 in flight, ${via}`, 1.3, sides, mine, 4000, inFlight(1000, 4000, (side, index) => side.run(INSERT, [`n${index}`])));
}

/** One row by pgbench, which has a connection for each client and makes nothing of the rows. */
async function limits(server, via) {
  const script = `\\set id random(1, ${ROWS})\n${ONE.replace('$1', ':id')};\n`;
  for (const clients of [1, 2, 64]) {
    const us = await pgbench(server, via, script, clients);
    if (us === undefined) return;
    console.log(`(limit: pgbench, prepared, 1 row, ${clients} in flight, ${via}: ${us.toFixed(1)} µs)`);
  }
}

/** All rows through a stream with back-pressure: ours, pg-less postgres.js cursors. */
async function streams(table, url) {
  const our = ours('ours', url);
  const postgres = peer('postgres');
  if (postgres !== undefined) {
    const sql = (postgres.default ?? postgres)(url, { max: 1, onnotice: () => {} });
    const theirs = async () => {
      let count = 0;
      for await (const rows of sql.unsafe(WIDE, ['x'], { prepare: true }).cursor(1000)) count += rows.length;
      if (count !== ROWS) throw new Error(`${count} rows`);
    };
    const mine = async () => {
      let count = 0;
      for await (const _ of our.pool.stream(WIDE, ['x'])) count += 1;
      if (count !== ROWS) throw new Error(`${count} rows`);
    };
    const loop = async (body) => {
      const before = performance.eventLoopUtilization();
      await body();
      return performance.eventLoopUtilization(before).active;
    };
    await table.compare({ title: '50,000 rows of 8 columns, streamed, against postgres.js', goal: 2, unit: 'ms', baseline: () => timed(theirs), ours: () => timed(mine) });
    await table.compare({ title: 'the same, event-loop time', goal: 3, unit: 'ms', baseline: () => loop(theirs), ours: () => loop(mine) });
    await sql.end();
  }
  await our.close();
}

export async function run(table) {
  const server = await startPostgres({ flags: ['-c', 'synchronous_commit=off'] });
  try {
    const setup = ours('setup', server.url);
    await setup.pool.query('create table item (id int primary key, name text, price numeric(10,2), at timestamptz)');
    await setup.pool.query(`insert into item select n, 'item number ' || n, n / 100.0, now() - n * interval '1 second' from generate_series(1, ${ROWS}) n`);
    await setup.pool.query('create table entry (id serial primary key, name text)');
    await setup.pool.query('vacuum analyze item');
    await setup.close();
    for (const via of ['TCP', 'Unix socket']) {
      await overTransport(table, server, via);
      await limits(server, via);
    }
    await streams(table, server.url);
  } finally {
    await server.stop();
  }
}
