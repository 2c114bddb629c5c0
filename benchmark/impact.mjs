// npm run bench:impact: the same services on the same ledger under the same load, with plain `pg` (ten direct
// connections) and with the modules (a pool of three), in turns, as medians with their spread.
// Options: --rounds (5), --seconds of a load (6), --rate of requests (200).
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { countConnections, named } from '../examples/servers/database.mjs';
import { closeConnections, request } from '../examples/servers/http.mjs';
import { COHORTS, PROVIDERS, loadLedger, resetLedger } from '../examples/servers/ledger.mjs';
import { plan } from '../examples/servers/load.mjs';
import { inSession } from '../examples/servers/session.mjs';
import { HEAD, line, median, percent } from './impact/figures.mjs';

const CALLS = 200_000;
const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '6' },
    rate: { type: 'string', default: '200' },
  },
});
const [rounds, seconds, rate] = [values.rounds, values.seconds, values.rate].map(Number);
const SIDES = [['plain', 'off'], ['native', 'on']];
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Answers that have to be the same on both sides, each asked twice: from the ledger, and from the cache if there is one. */
async function sample(url) {
  const paths = ['/overview?cohorts=1,2,3,4,5,100,200,300'];
  for (let provider = 1; provider <= PROVIDERS; provider += 1) paths.push(`/prices/${provider}`, `/quality/${provider}`);
  for (let cohort = 1; cohort <= COHORTS; cohort += cohort < 10 ? 1 : 35) {
    paths.push(`/usage/${cohort}`, `/recent/${cohort}`, `/quote/${cohort}?tokens=5000`);
  }
  const answers = [];
  for (const route of [...paths, ...paths]) {
    // Each as a client of its own: the web service limits what one may ask.
    const { status, text } = await request(url, `/api${route}`, { headers: { 'x-client-id': `sample ${answers.length}` } });
    answers.push(`${route} ${status} ${text}`);
  }
  return answers;
}

async function statements(client) {
  const { rows } = await client.query(`SELECT coalesce(sum(calls), 0)::int AS calls FROM pg_stat_statements
    WHERE query NOT LIKE '%pg_stat_%' AND query NOT LIKE 'DELETE FROM %'`);
  return rows[0].calls;
}

/** What the database's processes for these connections have for themselves, in bytes; undefined where it cannot be seen. */
async function sessionMemory(client, name) {
  const { rows } = await client.query('SELECT pid FROM pg_stat_activity WHERE application_name = $1', [name]);
  try {
    const files = rows.map(({ pid }) => fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'));
    const sizes = files.flatMap((text) => [...text.matchAll(/^Private_\w+: +(\d+) kB/gm)].map(([, size]) => Number(size)));
    return sizes.reduce((sum, size) => sum + size, 0) * 1024;
  } catch {
    return undefined;
  }
}

/** One load on fresh services: the figures of one side in one round. */
async function turn({ fleet, folder, database }, { side, modules, seed, seconds, url, check }) {
  const name = `impact-${side}`;
  const services = await fleet.startServices({
    databaseUrl: named(url ?? database.url, name), schema: database.schema, modules,
    cacheDir: path.join(folder, `cache-${side}-${seed}-${url ? 'bytes' : 'time'}`),
  });
  await resetLedger(database.client, database.schema, CALLS);
  await fleet.load({ url: services.url, seconds: 1.5, rate: Math.min(rate, 100), seed: 1000 + seed });
  await services.report();
  await database.client.query('SELECT pg_stat_statements_reset()');
  const load = await fleet.load({ url: services.url, seconds, rate, seed });
  if (load.failed > 0) throw new Error(`${side}: ${load.failed} requests failed: ${load.problems.join('; ')}`);
  const result = {
    load,
    statements: await statements(database.client),
    connections: await countConnections(database.client, name),
    sessionBytes: await sessionMemory(database.client, name),
    report: await services.report(),
  };
  if (check) {
    await wait(5200);
    result.answers = await sample(services.url);
  }
  await services.stop();
  return result;
}

/** Both sides in turns, `rounds` times: `{ plain: [...], native: [...] }`. */
async function inTurns(session, options) {
  const results = { plain: [], native: [] };
  for (let round = 1; round <= rounds; round += 1) {
    for (const [side, modules] of round % 2 ? SIDES : [...SIDES].reverse()) {
      process.stderr.write(`${options.title}: round ${round} of ${rounds}, ${side}\n`);
      results[side].push(await options.turn({ side, modules, seed: round, check: options.check && round === 1 }));
    }
  }
  return results;
}

function compareAnswers({ plain, native }) {
  const [expected, actual] = [plain[0].answers, native[0].answers];
  const wrong = expected.findIndex((answer, index) => answer !== actual[index]);
  if (wrong >= 0) throw new Error(`different answers:\n  plain  ${expected[wrong]}\n  native ${actual[wrong]}`);
  return expected.length;
}

/** Bytes to and from the database, through a proxy that both sides go through; apart, so that it slows no latency. */
async function measureBytes(session) {
  const proxy = await session.fleet.start('proxy', new URL('./impact/proxy.mjs', import.meta.url), {
    args: [new URL(session.database.url).port],
  });
  const through = new URL(session.database.url);
  through.port = proxy.hello.port;
  return inTurns(session, {
    title: 'bytes',
    async turn({ side, modules, seed }) {
      await proxy.ask('report');
      const { load } = await turn(session, { side, modules, seed, seconds: Math.min(seconds, 4), url: through.href });
      const { bytes } = await proxy.ask('report');
      return { ...bytes, kilobytes: (bytes.toDatabase + bytes.fromDatabase) / 1024, requests: load.requests };
    },
  });
}

/**
 * Microseconds of processor time a request through both services, with and without their tracers, in short turns on
 * one process that is always busy: `{ with: [...], without: [...] }`, a figure for each round.
 */
async function measureTracing({ fleet, folder, database }) {
  process.stderr.write('tracing: with and without, in turns\n');
  const service = await fleet.start('tracing', new URL('./impact/tracing.mjs', import.meta.url), {
    env: { DATABASE_URL: database.url, LEDGER_SCHEMA: database.schema, CACHE_DIR: path.join(folder, 'cache-tracing') },
  });
  const reads = [];
  for (const next of plan({ seed: 42, rate })) {
    if (next.method === 'GET') reads.push(next);
    if (reads.length === 200) break;
  }
  const block = async (side) => {
    const queue = [...reads];
    const before = await service.ask('report');
    const worker = async () => {
      for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
        const headers = { 'x-client-id': next.client };
        const { status } = await request(`http://127.0.0.1:${service.hello[side]}`, `/api${next.path}`, { headers });
        if (status !== 200) throw new Error(`${next.path} was answered with ${status}`);
      }
    };
    await Promise.all([worker(), worker(), worker(), worker()]);
    return ((await service.ask('report')).cpuUs - before.cpuUs) / reads.length;
  };
  for (let warm = 0; warm < 20; warm += 1) await block(warm % 2 ? 'with' : 'without');
  const results = { with: [], without: [] };
  for (let round = 0; round < rounds; round += 1) {
    const figures = { with: [], without: [] };
    for (let index = 0; index < 16; index += 1) {
      for (const side of ['with', 'without', 'without', 'with']) figures[side].push(await block(side));
    }
    for (const side of ['with', 'without']) results[side].push(median(figures[side]));
  }
  await service.stop();
  return results;
}

async function impact(session) {
  const database = await session.open({ url: null, flags: ['-c', 'shared_preload_libraries=pg_stat_statements'] });
  await database.client.query('CREATE EXTENSION pg_stat_statements');
  await loadLedger(database.client, database.schema, { calls: CALLS, signal: session.signal });
  const started = { ...session, database };

  const results = await inTurns(started, { title: 'load', check: true, turn: (options) => turn(started, { ...options, seconds }) });
  const compared = compareAnswers(results);
  const bytes = await measureBytes(started);
  const tracing = await measureTracing(started);

  const row = (title, pick, promised, from = results) => console.log(line(title, from.plain.map(pick), from.native.map(pick), promised));
  console.log(`\n\`npm run bench:impact\`: Node ${process.version}, ${os.cpus().length} cores (${os.cpus()[0]?.model.trim()}), ` +
    `PostgreSQL 18 on loopback; ${rounds} rounds in turns of ${seconds} s at ${rate} requests per second, 5 % of them writes; ` +
    `median (least–most); ${compared} answers compared, all equal\n`);
  console.log(HEAD);
  row('query latency, mean, ms (a question to the data layer)', ({ report }) => report.budget.questions.meanMs, -0.4);
  row('query latency, p50, ms', ({ report }) => report.budget.questions.p50Ms, -0.4);
  row('query latency, p99, ms', ({ report }) => report.budget.questions.p99Ms);
  row('HTTP answer, mean, ms (client to web to budget)', ({ load }) => load.latency.meanMs);
  row('HTTP answer, p99, ms', ({ load }) => load.latency.p99Ms);
  row('database connections', ({ connections }) => connections, -0.7);
  row('memory, MB (RSS of the budget service, mean)', ({ report }) => report.budget.rssBytes / 2 ** 20, -0.2);
  if (results.plain[0].sessionBytes !== undefined) {
    const whole = ({ report, sessionBytes }) => (report.budget.rssBytes + sessionBytes) / 2 ** 20;
    row('memory, MB (the same, and its sessions in the database)', whole, -0.2);
  }
  row('network, KB to and from the database', ({ kilobytes }) => kilobytes, -0.3, bytes);
  row('statements (pg_stat_statements)', (one) => one.statements, -0.3);
  row('processor time of the budget service, ms', ({ report }) => report.budget.cpuMs);

  const costs = tracing.with.map((figure, round) => figure - tracing.without[round]);
  const answer = median(results.native.map(({ load }) => load.latency.meanMs)) * 1000;
  const share = median(costs) / answer;
  console.log(`\nTracing, the modules with and without their tracers: ${median(costs).toFixed(1)} µs a request through both services ` +
    `(${Math.min(...costs).toFixed(1)}–${Math.max(...costs).toFixed(1)}), which is ${percent(share)} of an answer above; promised below 1 %: ` +
    `${share < 0.01 ? 'reached' : 'MISSED'}. Of the processor time of a request on a service that does nothing but answer from its ` +
    `cache, ${median(tracing.without).toFixed(0)} µs, it is ${percent(median(costs) / median(tracing.without))}.`);
}

process.exitCode = await inSession(impact, { interruptedCode: 1 });
closeConnections();
