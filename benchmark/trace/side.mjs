// The same spans by one of two tracers, or by none: argument `{ side, endpoint, perSecond, seconds, warmup }`. Sends the time that its
// event loop and its process worked in `seconds`, and how many spans there were.
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { loopMs } from './loop-time.mjs';

const { side, endpoint, perSecond, seconds, warmup } = JSON.parse(process.argv[2]);
const SPANS = 3;
const TICK_MS = 10;

/** A function that makes a trace of a request with a query and a render, and one that delivers what is pending. */
const sides = {
  none: () => ({ trace() {}, end: async () => {} }),
  async ours() {
    const { DistributedTracer } = await import('../../src/js/lib/distributed-tracer.mjs');
    const tracer = new DistributedTracer({ serviceName: 'bench', samplingRate: 1, exporter: { otlp: { endpoint } } });
    return {
      trace() {
        const { traceId, spanId } = tracer.startTrace();
        const query = tracer.startSpan(traceId, 'db-query', spanId);
        tracer.endSpan(traceId, query, 'success', { 'db.system.name': 'postgresql', rows: 3 });
        const render = tracer.startSpan(traceId, 'render', spanId);
        tracer.endSpan(traceId, render, 'success', { bytes: 512 });
        tracer.addTag(traceId, 'http.request.method', 'GET');
        tracer.addTag(traceId, 'url.path', '/users/7');
        tracer.endTrace(traceId, 'success', { 'http.response.status_code': 200 });
      },
      async end() {
        if (!(await tracer.flush())) throw new Error(JSON.stringify(tracer.exporterStats()));
        tracer.shutdown();
      },
    };
  },
  sdk() {
    const peers = createRequire(fileURLToPath(new URL('../../node_modules/.cache/peers/x.cjs', import.meta.url)));
    const { NodeTracerProvider, BatchSpanProcessor } = peers('@opentelemetry/sdk-trace-node');
    const { OTLPTraceExporter } = peers('@opentelemetry/exporter-trace-otlp-proto');
    const { context, trace, SpanKind } = peers('@opentelemetry/api');
    const exporter = new OTLPTraceExporter({ url: `${endpoint}/v1/traces` });
    // As much may wait as with ours.
    const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter, { maxQueueSize: 8192 })] });
    provider.register();
    const tracer = provider.getTracer('bench');
    return {
      trace() {
        const root = tracer.startSpan('request', { kind: SpanKind.SERVER });
        const within = trace.setSpan(context.active(), root);
        const query = tracer.startSpan('db-query', { kind: SpanKind.CLIENT }, within);
        query.setAttribute('db.system.name', 'postgresql');
        query.setAttribute('rows', 3);
        query.end();
        const render = tracer.startSpan('render', {}, within);
        render.setAttribute('bytes', 512);
        render.end();
        root.setAttribute('http.request.method', 'GET');
        root.setAttribute('url.path', '/users/7');
        root.setAttribute('http.response.status_code', 200);
        root.end();
      },
      end: () => provider.shutdown(),
    };
  },
};

const { trace, end } = await sides[side]();
const perTick = (perSecond * TICK_MS) / 1000 / SPANS;
let [due, made] = [0, 0];
function tick() {
  for (due += perTick; due >= 1; due -= 1) {
    trace();
    made += SPANS;
  }
}
const timer = setInterval(tick, TICK_MS);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
await pause(warmup * 1000);
const [before, cpu, madeBefore] = [loopMs(), process.cpuUsage(), made];
await pause(seconds * 1000);
const worked = loopMs() - before;
const { user, system } = process.cpuUsage(cpu);
const spans = made - madeBefore;
clearInterval(timer);
await end();
process.send({ loopMs: worked, cpuMs: (user + system) / 1000, spans });
process.disconnect();
