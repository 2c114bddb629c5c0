// Web and budget twice in one process, with and without their tracers, on the same modules: what remains between the
// two is tracing. Environment as for the budget service. Answers `{ ask: 'report' }` with the processor time so far.
import { once } from 'node:events';
import { createBudget } from '../../examples/servers/budget/app.mjs';
import { openLedger } from '../../examples/servers/budget/data-native.mjs';
import { createBreaker, createLimiter, createTracer } from '../../examples/servers/guards-native.mjs';
import { createTracer as createNoTracer } from '../../examples/servers/guards-plain.mjs';
import { closeConnections } from '../../examples/servers/http.mjs';
import { LEDGER_END } from '../../examples/servers/ledger.mjs';
import { createWeb } from '../../examples/servers/web/app.mjs';

const { DATABASE_URL: connectionString, LEDGER_SCHEMA: schema, CACHE_DIR: cacheDir } = process.env;
const ledger = await openLedger({ connectionString, schema, cacheDir, ledgerEnd: LEDGER_END });
const limiter = createLimiter({ rateLimit: 1e9, refillRate: 1e9 });
const meter = { time: (work) => work() };
const servers = [];
const tracers = [];

async function listen(app) {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.keepAliveTimeout = 60_000;
  servers.push(server);
  return server.address().port;
}

/** Both services; answers with the port of web. */
async function chain(create) {
  const [web, budget] = ['web', 'budget'].map((serviceName) => create({ serviceName }));
  tracers.push(web, budget);
  const port = await listen(createBudget({ ledger, limiter, meter, tracer: budget }));
  return listen(createWeb({ budgetUrl: `http://127.0.0.1:${port}`, breaker: createBreaker('budget'), limiter, meter, tracer: web }));
}

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  closeConnections();
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
  limiter.shutdown();
  for (const tracer of tracers) tracer.shutdown();
  await ledger.close();
  if (process.connected) process.disconnect();
}

process.on('SIGINT', () => {});
process.on('disconnect', stop);
process.on('message', ({ ask }) => {
  if (ask === 'stop') return stop();
  const { user, system } = process.cpuUsage();
  process.send({ cpuUs: user + system });
});
process.send({ with: await chain(createTracer), without: await chain(createNoTracer) });
