// The budget service twice in one process, with and without its tracer, on the same modules: what remains between the
// two is the tracer. Environment as for the budget service. Answers `{ ask: 'report' }` with the processor time so far.
import { once } from 'node:events';
import { createBudget } from '../../examples/servers/budget/app.mjs';
import { openLedger } from '../../examples/servers/budget/data-native.mjs';
import { createLimiter, createTracer } from '../../examples/servers/guards-native.mjs';
import { createTracer as createNoTracer } from '../../examples/servers/guards-plain.mjs';
import { LEDGER_END } from '../../examples/servers/ledger.mjs';

const { DATABASE_URL: connectionString, LEDGER_SCHEMA: schema, CACHE_DIR: cacheDir } = process.env;
const ledger = await openLedger({ connectionString, schema, cacheDir, ledgerEnd: LEDGER_END });
const limiter = createLimiter({ rateLimit: 1e9, refillRate: 1e9 });
const meter = { time: (work) => work() };
const tracer = createTracer({ serviceName: 'budget' });

const listen = async (app) => {
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  server.keepAliveTimeout = 60_000;
  return server;
};
const servers = {
  with: await listen(createBudget({ ledger, limiter, meter, tracer })),
  without: await listen(createBudget({ ledger, limiter, meter, tracer: createNoTracer() })),
};

let stopping = false;
async function stop() {
  if (stopping) return;
  stopping = true;
  for (const server of Object.values(servers)) {
    server.close();
    server.closeAllConnections();
  }
  limiter.shutdown();
  tracer.shutdown();
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
process.send({ with: servers.with.address().port, without: servers.without.address().port });
