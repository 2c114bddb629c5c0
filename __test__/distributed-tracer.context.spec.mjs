// Context within a process and across services: headers, runs, outgoing requests and queries.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { MultiLayerCacheManager } from '../src/js/lib/resilience/MultiLayerCacheManager.mjs';
import { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';
import { sleep, survives } from './support/resilience.mjs';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const PARENT = `00-${TRACE}-${SPAN}-01`;
const open = [];

function made(options) {
  const tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1, ...options });
  open.push(() => tracer.shutdown());
  return tracer;
}

async function listen(handler) {
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(() => { server.closeAllConnections?.(); server.close(); });
  return `http://127.0.0.1:${server.address().port}`;
}

test.after(() => { for (const close of open) close(); });

test('what came in is gone on with, with the decision of who sent it', () => {
  const tracer = made({ samplingRate: 0 });
  assert.deepEqual(tracer.extract({ traceparent: PARENT }), [TRACE, SPAN]);
  const { traceId, spanId } = tracer.startTrace(...tracer.extract({ TraceParent: PARENT }));
  const trace = tracer.getTrace(traceId);
  assert.deepEqual([traceId, trace.parentSpanId, trace.sampled, trace.spanId === spanId], [TRACE, SPAN, true, true]);
  const other = made({ samplingRate: 1 });
  assert.equal(other.getTrace(other.startTrace(...other.extract(new Headers({ traceparent: `${PARENT.slice(0, -1)}0` }))).traceId).sampled, false);
  for (const headers of [{}, null, undefined, { traceparent: 'x' }, new Headers(), new Map()]) assert.deepEqual(tracer.extract(headers), []);
  assert.match(tracer.startTrace(...tracer.extract({})).traceId, /^[0-9a-f]{32}$/);
});

test('headers carry the trace on, and what came with it', () => {
  const tracer = made();
  const { traceId, spanId } = tracer.startTrace(...tracer.extract({ traceparent: PARENT, tracestate: 'congo=t61', baggage: 'user=alice' }));
  assert.deepEqual(tracer.inject(traceId, spanId), { traceparent: `00-${TRACE}-${spanId}-01`, tracestate: 'congo=t61', baggage: 'user=alice' });
  const headers = new Headers({ accept: 'x' });
  assert.equal(tracer.inject(traceId, spanId, headers), headers);
  assert.equal(headers.get('baggage'), 'user=alice');
  tracer.extract({ traceparent: PARENT, tracestate: 'a=b\r\nx: y', baggage: 'é' });
  assert.deepEqual(Object.keys(tracer.inject(traceId, spanId)), ['traceparent']);
  assert.deepEqual(tracer.inject('no id', spanId), {});
});

test('a run is a trace, a run within it a span, and both end with what they do', async () => {
  const tracer = made();
  let inner;
  const result = await tracer.run('outer', async () => {
    const outer = tracer.active();
    await sleep(1);
    assert.deepEqual(tracer.active(), outer);
    assert.equal(tracer.run('sync', () => { inner = tracer.active(); return 7; }), 7);
    assert.deepEqual(tracer.logFields(), { trace_id: outer.traceId, span_id: outer.spanId });
    await assert.rejects(tracer.run('fails', async () => { throw new Error('down'); }), /down/);
    assert.throws(() => tracer.run('throws', () => { throw new Error('now'); }), /now/);
    return outer;
  });
  const trace = tracer.getTrace(result.traceId);
  assert.deepEqual([trace.operationName, trace.status, trace.spans.length], ['outer', 'success', 3]);
  const [sync, fails, throws] = trace.spans;
  assert.deepEqual([sync.operationName, sync.spanId, sync.parentSpanId, sync.status], ['sync', inner.spanId, result.spanId, 'success']);
  assert.deepEqual([fails.status, fails.metadata.error, throws.status, throws.metadata.error], ['error', 'down', 'error', 'now']);
  assert.deepEqual([tracer.active(), tracer.logFields()], [undefined, {}]);
});

test('a run goes on with what came in; runs beside each other do not mix', async () => {
  const tracer = made();
  await tracer.run('in', async () => assert.equal(tracer.active().traceId, TRACE), tracer.extract({ traceparent: PARENT }));
  assert.equal(tracer.getTrace(TRACE).parentSpanId, SPAN);
  const ids = await Promise.all(Array.from({ length: 50 }, () => tracer.run('one', async () => {
    const { traceId } = tracer.active();
    await sleep(Math.random() * 5);
    assert.equal(tracer.active().traceId, traceId);
    return traceId;
  })));
  assert.equal(new Set(ids).size, 50);
});

test('fetch within a run is a span, and the other service goes on with it', async () => {
  const tracer = made();
  const other = made({ serviceName: 'budget' });
  const handle = other.middleware({ context: true });
  const base = await listen((request, response) => handle(request, response, async () => {
    await sleep(1);
    response.statusCode = request.url.startsWith('/bad') ? 503 : 200;
    response.end(JSON.stringify(other.active()));
  }));
  const closed = http.createServer().listen(0, '127.0.0.1');
  await once(closed, 'listening');
  const dead = `http://127.0.0.1:${closed.address().port}`;
  await new Promise((resolve) => { closed.close(resolve); });
  const stop = tracer.instrument();
  await (await fetch(base)).text();
  const { here, there } = await tracer.run('ask', async () => {
    const answer = await (await fetch(base)).json();
    await (await fetch(`${base}/bad?token=secret`)).text();
    await fetch(dead).catch(() => {});
    return { here: tracer.active(), there: answer };
  });
  stop();
  await tracer.run('after', async () => { await (await fetch(base)).text(); });
  assert.equal(there.traceId, here.traceId);
  const { spans } = tracer.getTrace(here.traceId);
  while (spans.some(({ status }) => status === 'in-progress')) await sleep(5);
  assert.deepEqual(spans.map(({ operationName, status, metadata }) => [operationName, status, metadata['http.response.status_code']]), [
    ['GET', 'success', 200], ['GET', 'error', 503], ['GET', 'error', undefined],
  ]);
  const { port } = new URL(base);
  assert.deepEqual([spans[1].metadata['url.full'], spans[1].metadata['server.address'], spans[1].metadata['server.port']], [`${base}/bad`, '127.0.0.1', Number(port)]);
  // The later of its two requests: a service has one record of a trace.
  assert.equal(other.getTrace(there.traceId).parentSpanId, spans[1].spanId);
});

test('the pool\'s queries are spans, with neither text nor parameters', async () => {
  const tracer = made();
  const connection = { query: async (text) => { if (text.includes('bad')) throw Object.assign(new Error('secret'), { code: '42601' }); return [1]; } };
  const pool = new ConnectionPool({ factory: { create: async () => connection }, minConnections: 0 });
  const stop = tracer.instrument();
  const { traceId } = await tracer.run('work', async () => {
    await pool.query('SELECT * FROM users WHERE token = $1', ['secret']);
    await assert.rejects(pool.query('bad'));
    await pool.queryBatch([{ text: 'select 1' }]);
    return tracer.active();
  });
  stop();
  await pool.query('SELECT 2');
  const { spans } = tracer.getTrace(traceId);
  assert.deepEqual(spans.map(({ operationName, status }) => [operationName, status]), [['SELECT', 'success'], ['BAD', 'error'], ['BATCH', 'success']]);
  assert.deepEqual(spans[1].metadata, { 'db.system.name': 'postgresql', 'db.operation.name': 'BAD', error: '42601', 'db.response.status_code': '42601' });
  assert.ok(!JSON.stringify(spans).includes('secret'));
  await pool.drain();
});

test('the caches\' reads are spans without their keys, and what a loader asks is a span of its read', async () => {
  const tracer = made();
  const cacheDir = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-traced-'));
  const [cache, layers] = [new PersistentCache({ cacheDir }), new MultiLayerCacheManager({ disk: false })];
  const connection = { query: async () => [1] };
  const pool = new ConnectionPool({ factory: { create: async () => connection }, minConnections: 0 });
  const stop = tracer.instrument();
  const { traceId, spanId } = await tracer.run('work', async () => {
    assert.equal(await cache.get('secret'), null);
    assert.equal(await cache.getOrSet('secret', async () => (await pool.query('SELECT 1'))[0]), 1);
    assert.equal(await cache.get('secret'), 1);
    assert.equal(await layers.getOrSet('secret', () => 2), 2);
    assert.equal(await layers.get('secret'), 2);
    await assert.rejects(cache.getOrSet('fails', async () => { throw new RangeError('secret'); }), RangeError);
    return tracer.active();
  });
  stop();
  await cache.get('secret');
  const { spans } = tracer.getTrace(traceId);
  assert.deepEqual(spans.map(({ operationName, status, metadata }) => [operationName, status, metadata['cache.hit'] ?? metadata['cache.loaded']]), [
    ['cache.get', 'success', false], ['cache.getOrSet', 'success', true], ['SELECT', 'success', undefined], ['cache.get', 'success', true],
    ['cache.getOrSet', 'success', true], ['cache.get', 'success', true], ['cache.getOrSet', 'error', true],
  ]);
  assert.deepEqual([spans[0].parentSpanId, spans[2].parentSpanId, spans[6].metadata.error], [spanId, spans[1].spanId, 'RangeError']);
  assert.ok(!JSON.stringify(spans).includes('secret'));
  await Promise.all([cache.close(), pool.drain()]);
  fs.rmSync(cacheDir, { recursive: true, force: true });
});

test('what came to the middleware with its trace travels on', async () => {
  const tracer = made();
  const handle = tracer.middleware();
  const base = await listen((request, response) => handle(request, response, () => {
    response.end(JSON.stringify(tracer.inject(request.trace.traceId, request.trace.spanId)));
  }));
  const answer = await (await fetch(base, { headers: { traceparent: PARENT, tracestate: 'a=1', baggage: 'b=2' } })).json();
  assert.deepEqual([answer.tracestate, answer.baggage, answer.traceparent.slice(3, 35)], ['a=1', 'b=2', TRACE]);
});

test('forty odd values are answered', async () => {
  const tracer = made();
  assert.equal(await survives((value) => tracer.extract(value)), 40);
  assert.equal(await survives((value) => tracer.extract({ traceparent: value, tracestate: value, baggage: value })), 40);
  assert.equal(await survives((value) => tracer.inject(value, value, value)), 40);
  assert.equal(await survives((value) => tracer.run(value, () => value)), 40);
  assert.equal(await survives((value) => tracer.run('x', value, value)), 40);
  const many = made();
  for (let index = 0; index < 5000; index += 1) many.extract({ traceparent: `00-${index.toString(16).padStart(32, '1')}-${SPAN}-01` });
});
