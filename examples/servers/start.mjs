// npm start: a PostgreSQL with a ledger, two services on it, a load, and a table of what the modules did.
import path from 'node:path';
import { countConnections, named } from './database.mjs';
import { loadLedger, resetLedger } from './ledger.mjs';
import { HELP, readOptions } from './options.mjs';
import { comparisonTable, moduleTable } from './report.mjs';
import { scalingAct } from './scaling.mjs';
import { inSession } from './session.mjs';

const say = (text) => console.log(text);

function progressBar(title) {
  let printed = -25;
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

async function demo(options, { fleet, folder, signal, open, atEnd }) {
  say(process.env.DATABASE_URL ? 'Connecting to the PostgreSQL of DATABASE_URL…' : 'Starting PostgreSQL…');
  const database = await open();
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
  say(`\nweb     ${on.services.url}   try /api/quote/7?tokens=5000, /api/overview?cohorts=1,2,3, /stats`);
  say(`budget  ${on.services.budgetUrl}   try /quote/7?tokens=5000, /stats`);
  say(`watch   ${on.services.url}/dashboard/ and ${on.services.budgetUrl}/dashboard/`);
  say(`scrape  ${on.services.url}/metrics and ${on.services.budgetUrl}/metrics`);
  say(`\nLoad with the modules: ${options.rate} requests per second for ${options.seconds} s…`);
  const withModules = await measure({ fleet, ...on, database, options });
  say('The same load with the modules switched off…\n');
  const off = await start('off', 0);
  await resetLedger(database.client, database.schema, options.calls);
  const without = await measure({ fleet, ...off, database, options });
  await off.services.stop();

  say(`${moduleTable(withModules.report, withModules)}\n\n${comparisonTable(withModules, without)}`);
  say('\nFrom one budget process to three under load, and back…');
  const env = {
    DATABASE_URL: named(database.url, 'budget-scaled'), LEDGER_SCHEMA: database.schema, CACHE_DIR: path.join(folder, 'cache-scaled'),
  };
  const scaling = await scalingAct({ fleet, env, rate: options.rate, seconds: options.seconds, atEnd, say });
  const problems = [...withModules.load.problems, ...without.load.problems, ...scaling];
  if (problems.length > 0) throw new Error(`requests failed: ${problems.join('; ')}`);
  if (options.once) return;
  say('\nThe services stay up. Ctrl-C ends everything.');
  await new Promise(() => {});
}

try {
  const options = readOptions(process.argv.slice(2));
  if (options.help) say(HELP);
  // Interrupted before its table, `--once` has not done what it was asked for.
  else process.exitCode = await inSession((session) => demo(options, session), { interruptedCode: options.once ? 1 : 0 });
} catch (error) {
  console.error(error.message);
  process.exitCode = 1;
}
