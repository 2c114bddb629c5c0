// npm start: a PostgreSQL with a ledger, two services on it, a load, and a table of what the modules did.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { countConnections, named, openDatabase } from './database.mjs';
import { Fleet } from './fleet.mjs';
import { loadLedger, resetLedger } from './ledger.mjs';
import { HELP, readOptions } from './options.mjs';
import { comparisonTable, moduleTable } from './report.mjs';

const say = (text) => console.log(text);

function progressBar(title) {
  let printed = -1;
  return (share) => {
    const percent = Math.floor(share * 100);
    const bar = `${title} [${'█'.repeat(share * 30).padEnd(30, '·')}] ${String(percent).padStart(3)} %`;
    if (process.stdout.isTTY) process.stdout.write(`\r${bar}${share >= 1 ? '\n' : ''}`);
    else if (percent >= printed + 25 || share >= 1) {
      printed = percent;
      say(bar);
    }
  };
}

/** One load on running services, with the figures of that time only. */
async function measure({ fleet, services, database, name, options }) {
  // The services load their code lazily; a second of other requests keeps that out of the figures.
  await fleet.load({ url: services.url, seconds: 1, rate: Math.min(options.rate, 100), seed: 7, crawler: false });
  await services.report();
  const load = await fleet.load({ url: services.url, seconds: options.seconds, rate: options.rate, seed: 1, crawler: true });
  const connections = await countConnections(database.client, name);
  return { load, connections, report: await services.report() };
}

async function demo({ options, keeper, fleet, folder, signal, opened }) {
  say(process.env.DATABASE_URL ? 'Connecting to the PostgreSQL of DATABASE_URL…' : 'Starting PostgreSQL…');
  const database = await openDatabase({ fleet: keeper });
  opened(database);
  signal.throwIfAborted();
  if (!database.embedded) say(`The ledger goes into the schema ${database.schema}, which is dropped at the end.`);
  const onProgress = progressBar(`Loading ${options.calls.toLocaleString('en')} calls`);
  await loadLedger(database.client, database.schema, { calls: options.calls, onProgress, signal });

  const start = async (modules, port) => {
    const name = `budget-modules-${modules}`;
    const services = await fleet.startServices({
      databaseUrl: named(database.url, name), schema: database.schema, cacheDir: path.join(folder, 'cache'), modules, port,
    });
    return { services, name };
  };

  const on = await start('on', options.port);
  say(`\nweb     ${on.services.url}   try /api/quote/7?tokens=5000, /api/usage/7, /stats`);
  say(`budget  ${on.services.budgetUrl}   try /quote/7?tokens=5000, /stats`);
  say(`\nLoad with the modules: ${options.rate} requests per second for ${options.seconds} s…`);
  const withModules = await measure({ fleet, ...on, database, options });
  say('The same load with the modules switched off…\n');
  const off = await start('off', 0);
  await resetLedger(database.client, database.schema, options.calls);
  const without = await measure({ fleet, ...off, database, options });
  await off.services.stop();

  say(`${moduleTable(withModules.report, withModules)}\n\n${comparisonTable(withModules, without)}`);
  const problems = [...withModules.load.problems, ...without.load.problems];
  if (problems.length > 0) throw new Error(`requests failed: ${problems.join('; ')}`);
  if (options.once) return;
  say('\nThe services stay up. Ctrl-C ends everything.');
  await new Promise(() => {});
}

async function main(options) {
  const stopped = new AbortController();
  let interrupted = false;
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(name, () => {
      if (!interrupted) say('\nStopping…');
      interrupted = true;
      stopped.abort(new Error('stopped'));
    });
  }
  const aborted = new Promise((_, reject) => {
    stopped.signal.addEventListener('abort', () => reject(stopped.signal.reason));
  });
  const onDeath = (error) => stopped.abort(error);
  const [keeper, fleet] = [new Fleet({ onDeath }), new Fleet({ onDeath })];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-demo-'));
  let database;
  const opened = (value) => (database = value);
  try {
    await Promise.race([demo({ options, keeper, fleet, folder, signal: stopped.signal, opened }), aborted]);
  } catch (error) {
    if (!interrupted) console.error(`\n${error.message}`);
    process.exitCode = !interrupted || options.once ? 1 : 0;
  }
  // Load, web, budget, and only then the database they use.
  await fleet.stop();
  await database?.close();
  await keeper.stop();
  fs.rmSync(folder, { recursive: true, force: true });
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) say(HELP);
  else await main(options);
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
