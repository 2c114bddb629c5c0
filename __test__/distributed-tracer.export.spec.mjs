// What a collector in another process gets to see: spans, their order and attributes, and which traces there are.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import http from 'node:http';
import { once } from 'node:events';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';
import { startCollector } from './support/collector.mjs';
import { ODD, sleep, survives } from './support/resilience.mjs';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const collector = await startCollector();
const tracers = [];

after(async () => {
  for (const tracer of tracers) tracer.shutdown();
  await collector.stop();
});

function made(options, otlp) {
  const tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1, exporter: { otlp: { endpoint: collector.url, ...otlp } }, ...options });
  tracers.push(tracer);
  return tracer;
}

/** The spans of these tracers' traces, by name. */
async function received(...tracers) {
  for (const tracer of tracers) assert.equal(await tracer.flush(), true);
  const spans = await collector.spans();
  await collector.clear();
  return spans;
}

test('a trace arrives as one tree, with its times, attributes, events and links', async () => {
  const tracer = made();
  const before = BigInt(Date.now()) * 1_000_000n;
  const { traceId, spanId } = tracer.startTrace();
  const query = tracer.startSpan(traceId, 'SELECT', spanId);
  await sleep(20);
  const inner = tracer.startSpan(traceId, 'decode', query);
  tracer.addEvent(traceId, 'first row', { row: 1 }, inner);
  tracer.endSpan(traceId, inner, 'success', { list: [1, 2], big: 10n, none: null, own: undefined, fn() {}, when: new Date(0) });
  tracer.endSpan(traceId, query, 'error', { 'db.system.name': 'postgresql', 'db.response.status_code': '57014', error: new Error('cancelled') });
  const loose = tracer.startSpan(traceId, 'render');
  tracer.endSpan(traceId, loose);
  tracer.addTag(traceId, 'user', 'größe 😀');
  tracer.addLog(traceId, 'a line', 'warn');
  tracer.addLink(traceId, { traceId: TRACE, spanId: SPAN, attributes: { why: 'retry' } });
  tracer.endTrace(traceId, 'success', { rows: 3, ratio: 0.5, ok: true });
  const spans = await received(tracer);
  const after = BigInt(Date.now() + 1) * 1_000_000n;
  assert.deepEqual(spans.map(({ name, parentSpanId, kind }) => [name, parentSpanId, kind]), [
    ['web', '', 'INTERNAL'], ['SELECT', spanId, 'CLIENT'], ['decode', query, 'INTERNAL'], ['render', spanId, 'INTERNAL'],
  ]);
  const [root, select, decode] = spans;
  for (const span of spans) {
    assert.deepEqual([span.traceId, span.scope, span.resource['service.name']], [traceId, 'tooloo-native', 'web']);
    assert.ok(span.start >= before && span.end <= after, `${span.start} ${span.end}`);
  }
  assert.ok(select.start >= root.start && select.end <= root.end && decode.start >= select.start && decode.end <= select.end);
  assert.ok(select.end - select.start >= 15_000_000n);
  assert.deepEqual(root.attributes, { user: 'größe 😀', rows: 3, ratio: 0.5, ok: true });
  assert.deepEqual(root.events.map(({ name, attributes }) => [name, attributes]), [['log', { 'log.severity': 'warn', 'log.message': 'a line' }]]);
  assert.deepEqual(root.links, [{ traceId: TRACE, spanId: SPAN, attributes: { why: 'retry' } }]);
  assert.ok(root.events[0].time >= root.start);
  assert.deepEqual([select.status, select.attributes['error.type']], [{ code: 'ERROR', message: 'cancelled' }, '57014']);
  assert.deepEqual([decode.attributes, decode.events[0].name], [{ list: '[1,2]', big: '10', when: '"1970-01-01T00:00:00.000Z"' }, 'first row']);
  assert.deepEqual([root.status.code, root.resource['process.pid']], ['UNSET', process.pid]);
  assert.deepEqual(tracer.getTrace(traceId).links[0].spanId, SPAN);
});

test('a request is a server span with its route, and goes on with what came in', async () => {
  const tracer = made();
  const handle = tracer.middleware({ name: (request) => `${request.method} ${request.url.split('?')[0]}` });
  const server = http.createServer((request, response) => handle(request, response, () => {
    response.statusCode = request.url.startsWith('/bad') ? 503 : 200;
    response.end();
  })).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const ask = async (path, headers) => (await fetch(`http://127.0.0.1:${server.address().port}${path}`, { headers })).text();
  await ask('/fine?token=secret', { traceparent: `00-${TRACE}-${SPAN}-01`, tracestate: 'congo=t61' });
  await ask('/bad');
  while (tracer.getMetrics().totalRequests < 2) await sleep(5);
  const [fine, bad] = await received(tracer);
  server.closeAllConnections?.();
  server.close();
  assert.deepEqual([fine.traceId, fine.parentSpanId, fine.tracestate, fine.kind], [TRACE, SPAN, 'congo=t61', 'SERVER']);
  // Bit 9: the parent is remote; bit 8: that is known.
  assert.equal(fine.flags & 0x300, 0x300);
  assert.deepEqual(fine.attributes, {
    'http.request.method': 'GET', 'url.path': '/fine', 'http.response.status_code': 200, 'url.scheme': 'http', 'http.route': '/fine',
  });
  assert.deepEqual([bad.attributes['error.type'], bad.status, bad.parentSpanId], ['503', { code: 'ERROR', message: 'HTTP 503' }, '']);
});

test('what the rate left out goes when it failed or was slow', async () => {
  const tracer = made({ samplingRate: 0, slowMs: 15 });
  const one = async (name, ms, status, ofSpan) => {
    const { traceId } = tracer.startTrace();
    const span = tracer.startSpan(traceId, name);
    if (ms > 0) await sleep(ms);
    tracer.endSpan(traceId, span, ofSpan);
    tracer.endTrace(traceId, status);
  };
  await one('fast', 0, 'success', 'success');
  await one('failed', 0, 'timeout', 'success');
  await one('part failed', 0, 'success', 'error');
  await one('slow', 30, 'success', 'success');
  const spans = await received(tracer);
  assert.deepEqual(spans.filter(({ name }) => name !== 'web').map(({ name }) => name), ['failed', 'part failed', 'slow']);
  assert.equal(spans[0].attributes['tooloo.status'], 'timeout');
  const { tracesLeftOut, tracesFailed, tracesSlow, tracesSampled, exported } = tracer.exporterStats();
  assert.deepEqual([tracesLeftOut, tracesFailed, tracesSlow, tracesSampled, exported], [1, 2, 1, 0, 6]);
});

test('two services take the same traces at the same rate', async () => {
  const [web, budget] = [made({ samplingRate: 0.3, slowMs: 1e9 }), made({ samplingRate: 0.3, slowMs: 1e9, serviceName: 'budget' })];
  for (let index = 0; index < 300; index += 1) {
    const { traceId } = web.startTrace();
    budget.endTrace(budget.startTrace(traceId).traceId);
    web.endTrace(traceId);
  }
  const spans = await received(web, budget);
  const ids = (service) => spans.filter(({ resource }) => resource['service.name'] === service).map(({ traceId }) => traceId).sort();
  assert.deepEqual(ids('web'), ids('budget'));
  assert.ok(ids('web').length > 40 && ids('web').length < 160, `${ids('web').length}`);
});

test('the rate of traces is limited, but for those that another service decided about', async () => {
  const tracer = made({ tracesPerSecond: 5 });
  for (let index = 0; index < 50; index += 1) tracer.endTrace(tracer.startTrace().traceId);
  const parent = (index) => `00-${index.toString(16).padStart(32, '1')}-${SPAN}-01`;
  for (let index = 0; index < 20; index += 1) tracer.endTrace(tracer.startTrace(...tracer.extract({ traceparent: parent(index) })).traceId);
  const spans = await received(tracer);
  const own = spans.filter(({ parentSpanId }) => parentSpanId === '').length;
  assert.ok(own >= 5 && own <= 7, `${own}`);
  assert.equal(spans.length - own, 20);
  assert.equal(tracer.exporterStats().tracesRateLimited, 50 - own);
});

test('a span that ends after its trace goes by itself, and nothing goes twice', async () => {
  const tracer = made();
  const { traceId, spanId } = tracer.startTrace();
  const early = tracer.startSpan(traceId, 'early');
  const late = tracer.startSpan(traceId, 'late');
  tracer.endSpan(traceId, early);
  tracer.endTrace(traceId);
  assert.deepEqual((await received(tracer)).map(({ name }) => name), ['web', 'early']);
  tracer.endSpan(traceId, late);
  const [span, ...rest] = await received(tracer);
  assert.deepEqual([span.name, span.parentSpanId, rest.length], ['late', spanId, 0]);
  // One that ends between its trace's end and the hand-over goes with the trace.
  const other = tracer.startTrace();
  const between = tracer.startSpan(other.traceId, 'between');
  tracer.endTrace(other.traceId);
  tracer.endSpan(other.traceId, between);
  assert.deepEqual((await received(tracer)).map(({ name }) => name), ['web', 'between']);
  assert.equal(tracer.exporterStats().tracesSampled, 2);
  // A trace that is started once more is one more span of the trace.
  tracer.startTrace(traceId);
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'again'));
  tracer.endTrace(traceId);
  assert.deepEqual((await received(tracer)).map(({ name }) => name), ['web', 'again']);
});

test('spans of a trace that was started elsewhere belong to what was given as their parent', async () => {
  const tracer = made();
  const span = tracer.startSpan(TRACE, 'part', SPAN);
  tracer.endSpan(TRACE, tracer.startSpan(TRACE, 'inner', span));
  tracer.endSpan(TRACE, span);
  const spans = await received(tracer);
  assert.deepEqual(spans.map(({ name, parentSpanId }) => [name, parentSpanId]), [['inner', span], ['part', SPAN]]);
});

test('traces that never ended, and spans beyond the limit, are counted', async () => {
  const tracer = made({ maxSpans: 3, maxSpansPerTrace: 40 });
  for (let index = 0; index < 5; index += 1) tracer.startTrace();
  assert.equal(tracer.exporterStats().tracesUnfinished, 2);
  const { traceId } = tracer.startTrace();
  for (let index = 0; index < 50; index += 1) tracer.endSpan(traceId, tracer.startSpan(traceId, `span ${index}`));
  tracer.endTrace(traceId);
  assert.equal((await received(tracer)).length, 41);
  assert.equal(tracer.exporterStats().spansOverLimit, 10);
});

test('ids of another form become ids of OTLP, the same everywhere', async () => {
  const [web, budget] = [made(), made({ serviceName: 'budget' })];
  for (const tracer of [web, budget]) {
    tracer.startTrace('request-7', 'parent of mine');
    tracer.endTrace('request-7');
  }
  const [one, other] = await received(web, budget);
  assert.deepEqual([one.traceId, one.parentSpanId], [other.traceId, other.parentSpanId]);
  assert.deepEqual([one.attributes['tooloo.trace_id'], one.parentSpanId.length], ['request-7', 16]);
});

test('large and odd values arrive cut or without what cannot be read, and never twice', async () => {
  const tracer = made();
  const { traceId } = tracer.startTrace();
  const circular = {};
  circular.self = circular;
  tracer.addTag(traceId, 'long', 'x'.repeat(100_000));
  tracer.addTag(traceId, 'status', 'a');
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'circular'), 'success', { circular });
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'trap'), 'error', { get error() { throw new Error('trap'); } });
  tracer.endTrace(traceId, 'success', { status: 'b', ...Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, index])) });
  for (const value of ODD) {
    const { traceId: id } = tracer.startTrace();
    tracer.endSpan(id, tracer.startSpan(id, value, value), value, value);
    tracer.addEvent(id, value, value);
    try { tracer.addLink(id, value); } catch (error) { assert.ok(error instanceof TypeError || error.message === 'trap', error.message); }
    tracer.addTag(id, value, value);
    tracer.addLog(id, value, value);
    tracer.endTrace(id, value, value);
  }
  const spans = await received(tracer);
  assert.equal(spans.length, 3 + 2 * ODD.length);
  const root = spans[0];
  assert.equal(Object.keys(root.attributes).length <= 128, true);
  assert.deepEqual(spans.slice(1, 3).map(({ name, attributes }) => [name, attributes]), [['circular', {}], ['trap', { 'error.type': '_OTHER' }]]);
  assert.deepEqual((await collector.requests()).filter(({ fault }) => fault !== undefined), []);
});

test('the environment turns the export on, names the service and brings headers', async () => {
  const variables = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_HEADERS: 'api-key=s%20t,x=1',
    OTEL_EXPORTER_OTLP_COMPRESSION: 'gzip',
    OTEL_SERVICE_NAME: 'named',
    OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=other',
    OTEL_TRACES_SAMPLER: 'parentbased_always_on',
  };
  const trace = (tracer) => tracer.endTrace(tracer.startTrace().traceId);
  const off = [];
  try {
    Object.assign(process.env, variables);
    await collector.clear();
    const tracer = new DistributedTracer();
    tracers.push(tracer);
    trace(tracer);
    await tracer.flush();
    const [request] = await collector.requests();
    assert.deepEqual([request.headers['api-key'], request.headers.x, request.headers['content-encoding'], request.fault], ['s t', '1', 'gzip', undefined]);
    const [span] = await received(tracer);
    assert.deepEqual([span.resource['service.name'], span.resource['deployment.environment.name'], tracer.serviceName], ['named', 'test', 'named']);
    off.push(new DistributedTracer({ exporter: false }));
    process.env.OTEL_SDK_DISABLED = 'true';
    off.push(new DistributedTracer({ exporter: { otlp: { endpoint: collector.url } } }));
  } finally {
    for (const name of [...Object.keys(variables), 'OTEL_SDK_DISABLED']) delete process.env[name];
  }
  off.push(new DistributedTracer());
  for (const tracer of off) {
    trace(tracer);
    assert.deepEqual([await tracer.flush(), tracer.exporterStats(), 'exporter' in tracer.getMetrics()], [true, undefined, false]);
    tracer.shutdown();
  }
});

test('forty bad values for each option are refused by its name, or taken, and secrets are never told', async () => {
  for (const option of ['endpoint', 'headers', 'timeoutMs', 'compression', 'certificate', 'maxQueueSize', 'maxBatchSize', 'delayMs', 'retryForMs', 'exitTimeoutMs', 'resource', 'protocol', 'clientKey']) {
    const answered = await survives((value) => {
      try {
        new DistributedTracer({ exporter: { otlp: { [option]: value, delayMs: option === 'delayMs' ? value : 1e9 } } }).shutdown();
      } catch (error) {
        if (error.message === 'trap' || error.message === 'toString') return;
        assert.ok(error instanceof TypeError || error instanceof RangeError, `${option}: ${error.stack}`);
        assert.ok(error.message.includes(option) || /PEM|options object/.test(error.message), `${option}: ${error.message}`);
      }
    });
    assert.equal(answered, 40);
  }
  for (const [name, value] of [['exporter', 5], ['exporter', 'otlp'], ['slowMs', -1], ['slowMs', 'x'], ['tracesPerSecond', -1], ['tracesPerSecond', {}]]) {
    assert.throws(() => new DistributedTracer({ [name]: value }), (error) => error.message.includes(name), name);
  }
  assert.equal(await survives((value) => new DistributedTracer({ exporter: value, slowMs: value }).shutdown()), 40);
  const tracer = made();
  assert.equal(await survives((timeoutMs) => tracer.flush({ timeoutMs })), 40);
  for (const otlp of [
    { endpoint: 'http://user:hunter2@127.0.0.1' }, { endpoint: 'http://x/?key=hunter2' }, { headers: { authorization: 'hunter2\n' } },
    { headers: { authorization: ['hunter2'] } }, { headers: 'hunter2' },
  ]) {
    assert.throws(() => made({}, otlp), (error) => error instanceof TypeError && !error.message.includes('hunter2'));
  }
});
