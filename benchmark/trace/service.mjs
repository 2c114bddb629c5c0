// The demo's web service with or without its tracer, on a budget service that answers at once: argument `{ tracing, endpoint, spans,
// budgetUrl }`. Each request makes `spans` spans. Answers `{ ask: 'report' }` with the time its event loop and its process worked.
import http from 'node:http';
import { createTracer as createNoTracer } from '../../examples/servers/guards-plain.mjs';
import { closeConnections } from '../../examples/servers/http.mjs';
import { createWeb } from '../../examples/servers/web/app.mjs';
import { DistributedTracer } from '../../src/js/lib/distributed-tracer.mjs';
import { loopMs } from './loop-time.mjs';

const { tracing, endpoint, spans, budgetUrl } = JSON.parse(process.argv[2]);
const STEPS = Array.from({ length: 8 }, (_, step) => `step ${step}`);
const tracer = tracing
  ? new DistributedTracer({ serviceName: 'web', samplingRate: 1, exporter: { otlp: { endpoint } } })
  : createNoTracer();
const app = createWeb({
  budgetUrl, tracer,
  limiter: { acquire: async () => {}, getStats: () => ({}) },
  breaker: { execute: (work) => work() },
  meter: { time: (work) => work() },
});
const server = http.createServer((req, res) => {
  app(req, res);
  // The middleware has run; what an application with many instruments would do follows.
  const { traceId, spanId } = req.trace;
  for (let step = 2; step < spans; step += 1) {
    tracer.endSpan(traceId, tracer.startSpan(traceId, STEPS[step % 8], spanId), 'success', { rows: step });
  }
});
server.keepAliveTimeout = 60_000;

async function stop() {
  await tracer.flush?.();
  process.disconnect();
  tracer.shutdown();
  closeConnections();
  server.close();
  server.closeAllConnections();
}

process.on('SIGINT', () => {});
process.on('disconnect', () => process.exit());
process.on('message', ({ ask }) => {
  if (ask === 'stop') return stop();
  const { user, system } = process.cpuUsage();
  return process.send({ cpuUs: user + system, loopMs: loopMs(), exporter: tracer.exporterStats?.() });
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
