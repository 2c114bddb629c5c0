import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { inspect } from 'node:util';
import Default, { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';

const tracers = [];
const make = (options, Tracer = DistributedTracer) => {
  const tracer = new Tracer(options);
  tracers.push(tracer);
  return tracer;
};
const all = (options = {}) => make({ serviceName: 'svc', samplingRate: 1.0, flushInterval: 100, ...options });
after(() => tracers.forEach((tracer) => tracer.shutdown()));

test('one class, named and default, imported and required', () => {
  assert.equal(Default, DistributedTracer);
  const required = createRequire(import.meta.url)('../src/js/lib/distributed-tracer.cjs');
  assert.equal(required.DistributedTracer, DistributedTracer);
  assert.equal(required.default, DistributedTracer);
  assert.equal(DistributedTracer.name, 'DistributedTracer');
});

test('construction without arguments gives the defaults', () => {
  const { serviceName, samplingRate, maxSpans, flushInterval } = make();
  assert.deepEqual(
    { serviceName, samplingRate, maxSpans, flushInterval },
    { serviceName: 'unknown-service', samplingRate: 0.1, maxSpans: 10000, flushInterval: 5000 },
  );
});

test('falsy options mean the default, null options are refused', () => {
  assert.equal(make({ maxSpans: 0, serviceName: '', flushInterval: null }).maxSpans, 10000);
  assert.throws(() => new DistributedTracer(null), TypeError);
});

test('startTrace returns ids, startSpan a string, the other calls undefined', () => {
  const tracer = all();
  const ids = tracer.startTrace();
  assert.deepEqual(Object.keys(ids), ['traceId', 'spanId']);
  assert.equal(typeof tracer.startSpan(ids.traceId, 'op'), 'string');
  for (const result of [
    tracer.endSpan('nowhere', 'no'), tracer.endTrace('nowhere'), tracer.addTag('nowhere', 'a', 1), tracer.addLog('nowhere', 'x'),
    tracer.endTrace(ids.traceId), tracer.cleanup(), tracer.recordMetrics({ operationName: 'x', duration: 1, status: 'success' }),
    tracer.shutdown(),
  ]) assert.equal(result, undefined);
  assert.equal(tracer.getTrace('nowhere'), null);
});

test('a trace, its spans and its logs have the shape of the original', () => {
  const tracer = all();
  const { traceId, spanId } = tracer.startTrace(null, 'parent');
  const before = Date.now();
  const span = tracer.startSpan(traceId, 'db', spanId);
  tracer.addTag(traceId, 'user', 7);
  tracer.addLog(traceId, 'hello');
  tracer.addLog(traceId, 'careful', 'warn');
  const trace = tracer.getTrace(traceId);
  assert.deepEqual(Object.keys(trace).sort(), ['duration', 'logs', 'parentSpanId', 'sampled', 'service', 'spanId', 'spans', 'startTime', 'status', 'tags', 'traceId']);
  assert.deepEqual(Object.keys(trace.spans[0]).sort(), ['duration', 'logs', 'operationName', 'parentSpanId', 'spanId', 'startTime', 'status', 'tags', 'traceId']);
  assert.equal(trace.status, 'in-progress');
  assert.equal(trace.parentSpanId, 'parent');
  assert.deepEqual(trace.tags, { user: 7 });
  assert.deepEqual(trace.logs.map(({ level, message }) => [level, message]), [['info', 'hello'], ['warn', 'careful']]);
  assert.equal(trace.spans[0].parentSpanId, spanId);
  assert.ok(Math.abs(trace.startTime - before) < 1000);
  tracer.endSpan(traceId, span, 'success', { rows: 2 });
  tracer.endTrace(traceId, 'success', { statusCode: 200 });
  assert.deepEqual(trace.metadata, { statusCode: 200 });
  assert.deepEqual(trace.spans[0].metadata, { rows: 2 });
  assert.ok(trace.duration >= 0 && trace.endTime >= trace.startTime && trace.spans[0].endTime >= trace.spans[0].startTime);
  assert.equal(JSON.parse(JSON.stringify(trace)).spans.length, 1);
});

test('getTrace gives the live trace: what happens later shows in it, whatever is written to it stays', () => {
  const tracer = all();
  const { traceId } = tracer.startTrace();
  const early = tracer.startSpan(traceId, 'early');
  const trace = tracer.getTrace(traceId);
  trace.tags.mine = true;
  const late = tracer.startSpan(traceId, 'late');
  tracer.endSpan(traceId, early, 'failed');
  tracer.endSpan(traceId, late);
  tracer.addTag(traceId, 'k', 1);
  tracer.addLog(traceId, 'm');
  tracer.endTrace(traceId);
  assert.equal(tracer.getTrace(traceId), trace);
  assert.equal(tracer.spans.get(traceId), trace);
  assert.deepEqual(trace.spans.map((span) => [span.operationName, span.status]), [['early', 'failed'], ['late', 'success']]);
  assert.deepEqual(trace.tags, { mine: true, k: 1 });
  assert.equal(trace.status, 'success');
  assert.equal(trace.logs.length, 1);
});

test('spans reads as a Map from trace id to trace, oldest first', () => {
  const tracer = all();
  const ids = ['a', 'b', 'c'].map((id) => tracer.startTrace(id).traceId);
  assert.ok(tracer.spans instanceof Map);
  assert.equal(tracer.spans.size, 3);
  assert.deepEqual([...tracer.spans.keys()], ids);
  assert.deepEqual([...tracer.spans].map(([id, trace]) => [id, trace.traceId]), [['a', 'a'], ['b', 'b'], ['c', 'c']]);
  assert.deepEqual([...tracer.spans.values()].map((trace) => trace.traceId), ids);
  tracer.spans.forEach((trace, id, map) => assert.ok(trace.traceId === id && map === tracer.spans));
  assert.ok(tracer.spans.has('b') && tracer.spans.delete('b') && !tracer.spans.delete('b'));
  assert.equal(tracer.getTrace('b'), null);
  tracer.spans.set('own', { status: 'mine' });
  assert.equal(tracer.getTrace('own').status, 'mine');
  tracer.spans.clear();
  assert.equal(tracer.spans.size, 0);
});

test('getMetrics shows the empty values before the first completion', () => {
  const { service, activeTraces, totalRequests, averageLatency, errorRate, throughput, requests, recentErrors } = all().getMetrics();
  assert.deepEqual(
    { service, activeTraces, totalRequests, averageLatency, errorRate, throughput, requests, recentErrors },
    { service: 'svc', activeTraces: 0, totalRequests: 0, averageLatency: '0ms', errorRate: '0%', throughput: '0.00 req/s', requests: {}, recentErrors: [] },
  );
});

test('getMetrics counts by operation, traces under the name of the service', () => {
  const tracer = all();
  tracer.recordMetrics({ operationName: 'op', duration: 1, status: 'success' });
  tracer.recordMetrics({ operationName: 'op', duration: 1, status: 'error', spanId: 's', metadata: { error: 'broken' } });
  tracer.recordMetrics({ duration: 0, status: 'success', service: 'svc' });
  const metrics = tracer.getMetrics();
  assert.equal(metrics.averageLatency, '0.67ms');
  assert.equal(metrics.errorRate, '33.33%');
  const { count, successCount, errorCount, totalLatency, avgLatency } = metrics.requests.op;
  assert.deepEqual([count, successCount, errorCount, totalLatency, avgLatency], [2, 1, 1, 2, '1.00']);
  assert.equal(metrics.requests.svc.count, 1);
  const [{ timestamp, ...error }] = metrics.recentErrors;
  assert.deepEqual(error, { span: 's', operation: 'op', error: 'broken' });
  assert.equal(new Date(timestamp).toISOString(), timestamp);
  assert.deepEqual([...tracer.metrics.requests.keys()].sort(), ['op', 'svc']);
  assert.deepEqual(tracer.metrics.latencies, [1, 1, 0]);
  assert.equal(tracer.metrics.throughput, 3 / 60);
});

test('the last ten errors are shown, without an operation for traces, with the reason where there is no error', () => {
  const tracer = all();
  for (let index = 0; index < 12; index += 1) {
    tracer.endTrace(tracer.startTrace().traceId, 'error', index === 11 ? { reason: 'late' } : index === 10 ? {} : { error: `e${index}` });
  }
  const { recentErrors } = tracer.getMetrics();
  assert.deepEqual(recentErrors.map(({ error }) => error), ['e2', 'e3', 'e4', 'e5', 'e6', 'e7', 'e8', 'e9', 'unknown', 'late']);
  assert.ok(recentErrors.every(({ operation }) => operation === undefined));
});

test('cleanup drops what ended longer ago than its age', async () => {
  const tracer = all({ flushInterval: 60000 });
  const ended = tracer.startTrace().traceId;
  const open = tracer.startTrace().traceId;
  tracer.endTrace(ended);
  tracer.cleanup();
  assert.notEqual(tracer.getTrace(ended), null);
  await sleep(30);
  tracer.cleanup(10);
  assert.equal(tracer.getTrace(ended), null);
  assert.notEqual(tracer.getTrace(open), null);
});

test('shutdown stops the timer, drops the traces, keeps the metrics; the tracer still works', () => {
  const tracer = all();
  assert.notEqual(tracer.flushTimer, null);
  tracer.endTrace(tracer.startTrace().traceId);
  tracer.shutdown();
  tracer.shutdown();
  assert.equal(tracer.flushTimer, null);
  assert.equal(tracer.spans.size, 0);
  assert.equal(tracer.getMetrics().totalRequests, 1);
  const { traceId } = tracer.startTrace();
  tracer.endTrace(traceId);
  assert.equal(tracer.getTrace(traceId).status, 'success');
  assert.equal(tracer.getMetrics().totalRequests, 2);
});

test('the timer only calls cleanup, through the instance', async () => {
  const tracer = all({ flushInterval: 5 });
  let calls = 0;
  tracer.cleanup = () => (calls += 1);
  for (let waited = 0; calls < 2 && waited < 200; waited += 1) await sleep(10);
  assert.ok(calls >= 2);
});

test('hooks take effect from a subclass, the prototype and an instance', () => {
  const seen = [];
  let number = 0;
  class Mine extends DistributedTracer {
    label = 'set after the constructor';
    startFlushTimer() { seen.push(['timer', this.label]); }
    generateId() { return `id-${(number += 1)}`; }
    recordMetrics(span) { seen.push([span.operationName ?? span.service, span.status, typeof span.duration]); super.recordMetrics(span); }
  }
  const tracer = make({ serviceName: 'mine', samplingRate: 1 }, Mine);
  assert.equal(tracer.flushTimer, null);
  const { traceId, spanId } = tracer.startTrace();
  assert.deepEqual([traceId, spanId], ['id-1', 'id-2']);
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'op'));
  tracer.endTrace(traceId, 'failed');
  assert.deepEqual(seen, [['timer', undefined], ['op', 'success', 'number'], ['mine', 'failed', 'number']]);
  assert.equal(tracer.getMetrics().totalRequests, 2);
  const stubbed = all();
  stubbed.recordMetrics = () => seen.push('stub');
  stubbed.endTrace(stubbed.startTrace().traceId);
  assert.equal(seen.at(-1), 'stub');
  assert.equal(stubbed.getMetrics().totalRequests, 0);
});

test('instances show, spread and serialise', () => {
  const tracer = all();
  tracer.startTrace('shown');
  assert.match(inspect(tracer), /^DistributedTracer/);
  assert.match(inspect(tracer.spans), /shown/);
  assert.equal(JSON.parse(JSON.stringify(tracer)).serviceName, 'svc');
  assert.equal({ ...tracer }.maxSpans, 10000);
  assert.ok(Object.keys(tracer).includes('spans') && Object.keys(tracer).includes('metrics'));
});

test('DT-K1 every start returns truthy strings, even for a trace that is unknown or no trace at all', () => {
  const tracer = all();
  for (const id of [tracer.startSpan('unknown', 'op'), tracer.startSpan(null, 'op'), tracer.startSpan(undefined), tracer.startTrace('').traceId]) {
    assert.match(id, /^[0-9a-f]+$/);
  }
  tracer.generateId = () => '';
  assert.match(tracer.startTrace().traceId, /^[0-9a-f]{32}$/);
});

test('DT-K2 any status other than success counts as an error', () => {
  const tracer = all();
  for (const status of ['success', 'error', 'timeout', 'Success', null]) tracer.endTrace(tracer.startTrace().traceId, status);
  tracer.endTrace(tracer.startTrace().traceId);
  assert.equal(tracer.getMetrics().requests.svc.errorCount, 4);
});

test('DT-K3 an ended trace is readable with its status and spans', () => {
  const tracer = all();
  const { traceId } = tracer.startTrace();
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'child'));
  tracer.endTrace(traceId);
  assert.equal(tracer.getTrace(traceId).status, 'success');
  assert.equal(tracer.getTrace(traceId).spans.length, 1);
});

test('DT-K4 metric values are strings with units', () => {
  const tracer = all();
  tracer.endTrace(tracer.startTrace().traceId);
  const { averageLatency, errorRate, throughput } = tracer.getMetrics();
  assert.match(averageLatency, /^\d+\.\d\dms$/);
  assert.equal(errorRate, '0.00%');
  assert.equal(throughput, '0.02 req/s');
});

test('DT-K5 totalRequests counts spans and traces together', () => {
  const tracer = all();
  const { traceId } = tracer.startTrace();
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'a'));
  tracer.endTrace(traceId);
  assert.equal(tracer.getMetrics().totalRequests, 2);
});

test('DT-D1 the rate decides what is sampled: once for a trace, not for what is measured', () => {
  const tracer = make({ serviceName: 'svc', samplingRate: 0.25 });
  let sampled = 0;
  for (let index = 0; index < 4000; index += 1) {
    const { traceId, spanId } = tracer.startTrace();
    assert.ok(traceId && spanId);
    tracer.endTrace(traceId);
    sampled += tracer.getTrace(traceId).sampled;
  }
  assert.ok(sampled > 800 && sampled < 1200, `${sampled}`);
  assert.equal(tracer.getMetrics().totalRequests, 4000);
});

test('DT-D1 a rate of zero samples nothing, and an unsampled trace is still readable right after its end', () => {
  const tracer = make({ samplingRate: 0 });
  assert.equal(tracer.samplingRate, 0);
  const { traceId } = tracer.startTrace();
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'child'));
  tracer.addTag(traceId, 'a', 1);
  tracer.endTrace(traceId);
  const trace = tracer.getTrace(traceId);
  assert.deepEqual([trace.sampled, trace.status, trace.spans.length, trace.tags.a], [false, 'success', 1, 1]);
  for (let index = 0; index < 5000; index += 1) tracer.endTrace(tracer.startTrace().traceId);
  assert.equal(tracer.spans.size, 1024);
  assert.equal(tracer.getTrace(traceId), null);
  tracer.samplingRate = 1;
  assert.equal(tracer.getTrace(tracer.startTrace().traceId).sampled, true);
});

test('DT-D1 services agree about a trace: its id decides', () => {
  const [one, other] = [make({ samplingRate: 0.5 }), make({ samplingRate: 0.5 })];
  for (let index = 0; index < 200; index += 1) {
    const { traceId } = one.startTrace();
    other.startTrace(traceId);
    assert.equal(other.getTrace(traceId).sampled, one.getTrace(traceId).sampled);
  }
});

test('DT-D2 the error rate is a share of what was recorded', () => {
  const tracer = all();
  for (let index = 0; index < 3; index += 1) tracer.endTrace(tracer.startTrace().traceId, 'error');
  assert.equal(tracer.getMetrics().errorRate, '100.00%');
});

test('DT-D3 the throughput counts the completions of the last minute', () => {
  const tracer = all();
  for (let index = 0; index < 90; index += 1) tracer.endTrace(tracer.startTrace().traceId);
  assert.equal(tracer.getMetrics().throughput, '1.50 req/s');
});

test('DT-D4 errors, names, spans, tags and logs are bounded', () => {
  const tracer = all({ maxSpansPerTrace: 40, maxTagsPerTrace: 3, maxLogsPerTrace: 4, maxOperations: 5 });
  for (let index = 0; index < 3000; index += 1) tracer.endTrace(tracer.startTrace().traceId, 'error');
  assert.equal(tracer.metrics.errors.length, 1000);
  const { traceId } = tracer.startTrace();
  const read = tracer.getTrace(traceId);
  for (let index = 0; index < 500; index += 1) {
    tracer.endSpan(traceId, tracer.startSpan(traceId, `op ${index}`));
    tracer.addTag(traceId, `tag ${index}`, index);
    tracer.addLog(traceId, index);
  }
  tracer.addTag(traceId, 'tag 0', 'changed');
  assert.equal(read.spans.length, 40);
  assert.equal(read.spans.at(-1).operationName, 'op 499');
  assert.deepEqual(read.tags, { 'tag 0': 'changed', 'tag 1': 1, 'tag 2': 2 });
  assert.deepEqual(read.logs.map(({ message }) => message), [496, 497, 498, 499]);
  const { requests, totalRequests } = tracer.getMetrics();
  assert.equal(Object.keys(requests).length, 6);
  assert.equal(requests['(other)'].count, 496);
  assert.equal(totalRequests, 3500);
});

test('DT-D4 a span that is still open outlives ended ones in a full trace', () => {
  const tracer = all({ maxSpansPerTrace: 35 });
  const { traceId } = tracer.startTrace();
  const long = tracer.startSpan(traceId, 'long');
  for (let index = 0; index < 300; index += 1) tracer.endSpan(traceId, tracer.startSpan(traceId, 'short'));
  tracer.endSpan(traceId, long);
  assert.equal(tracer.getMetrics().requests.long.count, 1);
  assert.equal(tracer.getTrace(traceId).spans.length, 35);
});

test('DT-D4 an open trace expires at its age limit', async () => {
  const tracer = all({ maxOpenMs: 20, flushInterval: 60000 });
  const { traceId } = tracer.startTrace();
  tracer.cleanup();
  assert.notEqual(tracer.getTrace(traceId), null);
  await sleep(40);
  tracer.cleanup();
  assert.equal(tracer.getTrace(traceId), null);
});

test('DT-D4 the oldest trace goes beyond maxSpans', () => {
  const tracer = all({ maxSpans: 3 });
  const ids = ['a', 'b', 'c', 'd', 'e'];
  ids.slice(0, 3).forEach((id) => tracer.startTrace(id));
  tracer.spans.delete('b');
  tracer.startTrace('d');
  assert.deepEqual([...tracer.spans.keys()], ['a', 'c', 'd']);
  tracer.startTrace('e');
  assert.deepEqual([...tracer.spans.keys()], ['c', 'd', 'e']);
});

test('DT-D5 the first end wins', () => {
  const tracer = all();
  const { traceId } = tracer.startTrace();
  const span = tracer.startSpan(traceId, 'op');
  tracer.endSpan(traceId, span, 'success', { first: true });
  tracer.endSpan(traceId, span, 'error');
  tracer.endTrace(traceId, 'success', { first: true });
  tracer.endTrace(traceId, 'error', { first: false });
  const trace = tracer.getTrace(traceId);
  assert.deepEqual([trace.status, trace.metadata, trace.spans[0].status], ['success', { first: true }, 'success']);
  const { totalRequests, errorRate } = tracer.getMetrics();
  assert.deepEqual([totalRequests, errorRate], [2, '0.00%']);
});

test('DT-D6 starting with an existing id goes on with that trace', () => {
  const tracer = all();
  const first = tracer.startTrace('mine');
  tracer.startSpan('mine', 'op');
  assert.deepEqual(tracer.startTrace('mine', 'upstream'), first);
  assert.equal(tracer.getTrace('mine').spans.length, 1);
  assert.equal(tracer.getTrace('mine').parentSpanId, 'upstream');
  assert.equal(tracer.spans.size, 1);
});

test('DT-D6 a trace that ended is open again when it is started again, and is measured again', () => {
  const tracer = all();
  tracer.startTrace('mine');
  tracer.endSpan('mine', tracer.startSpan('mine', 'op'));
  const still = tracer.startSpan('mine', 'still open');
  tracer.endTrace('mine');
  const trace = tracer.getTrace('mine');
  tracer.startTrace('other');
  tracer.startTrace('mine');
  assert.equal(trace.status, 'in-progress');
  assert.ok(!('endTime' in trace) && !('metadata' in trace));
  assert.deepEqual([...tracer.spans.keys()], ['other', 'mine']);
  tracer.endSpan('mine', still);
  tracer.endTrace('mine');
  assert.equal(trace.spans.length, 2);
  assert.ok(trace.spans.every((span) => span.duration >= 0));
  assert.equal(tracer.getMetrics().totalRequests, 4);
});

test('DT-D6 a span on an unknown trace keeps this service\'s part of it', async () => {
  const tracer = all({ flushInterval: 60000 });
  const span = tracer.startSpan('upstream', 'op', 'their-span');
  assert.deepEqual([tracer.getTrace('upstream').remoteParent, tracer.getTrace('upstream').spanId], [true, 'their-span']);
  tracer.endSpan('upstream', span);
  assert.equal(tracer.getTrace('upstream').spans[0].status, 'success');
  assert.equal(tracer.getMetrics().requests.op.count, 1);
  await sleep(20);
  tracer.cleanup(5);
  assert.equal(tracer.getTrace('upstream'), null);
});

test('DT-D6 an unknown trace that is started later is a trace like others', () => {
  const tracer = all();
  tracer.startSpan('late', 'op');
  const trace = tracer.getTrace('late');
  tracer.startTrace('late', 'parent');
  assert.ok(!('remoteParent' in trace));
  tracer.endTrace('late');
  assert.deepEqual([trace.status, trace.spans.length, trace.parentSpanId], ['success', 1, 'parent']);
});

test('DT-D6 a span of an evicted trace is measured', () => {
  const tracer = all({ maxSpans: 1 });
  const { traceId } = tracer.startTrace();
  tracer.startTrace();
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'after eviction'));
  assert.equal(tracer.getMetrics().requests['after eviction'].count, 1);
});

test('DT-D7 ids are 32 and 16 hex digits, and no two are the same', () => {
  const tracer = all();
  const ids = new Set();
  for (let index = 0; index < 2000; index += 1) {
    const { traceId, spanId } = tracer.startTrace();
    assert.match(traceId, /^[0-9a-f]{32}$/);
    assert.match(spanId, /^[0-9a-f]{16}$/);
    ids.add(traceId).add(spanId).add(tracer.generateId());
  }
  assert.equal(ids.size, 6000);
  assert.match(tracer.generateId(), /^[0-9a-f]{16}$/);
});

test('DT-D9 spans without a parent have none, and stay in progress when only the trace ends', () => {
  const tracer = all();
  const { traceId } = tracer.startTrace();
  const span = tracer.startSpan(traceId, 'open');
  tracer.endTrace(traceId);
  const trace = tracer.getTrace(traceId);
  assert.deepEqual([trace.spans[0].parentSpanId, trace.spans[0].status], [null, 'in-progress']);
  tracer.endSpan(traceId, span);
  assert.equal(trace.spans[0].status, 'success');
});

test('DT-D9 numbers stand beside the strings', () => {
  const tracer = all();
  for (const duration of Array.from({ length: 100 }, (_, index) => index + 1)) {
    tracer.recordMetrics({ operationName: 'op', duration, status: 'success' });
  }
  tracer.startTrace();
  const { retainedTraces, totalTraces, avgLatencyMs, p50Ms, p95Ms, p99Ms, p99LatencyMs, requests } = tracer.getMetrics();
  assert.deepEqual([retainedTraces, totalTraces, avgLatencyMs, p99LatencyMs], [1, 1, 50.5, p99Ms]);
  for (const [got, exact] of [[p50Ms, 50], [p95Ms, 95], [p99Ms, 99], [requests.op.p50Ms, 50], [requests.op.p95Ms, 95], [requests.op.p99Ms, 99]]) {
    assert.ok(Math.abs(got - exact) <= exact * 0.016, `${got} for ${exact}`);
  }
});

test('the consumer\'s list: trace, child span, end, metrics, a thousand times', () => {
  const tracer = make({ serviceName: 'list' });
  for (let index = 0; index < 1000; index += 1) {
    const { traceId, spanId } = tracer.startTrace();
    const child = tracer.startSpan(traceId, 'child', spanId);
    tracer.endSpan(traceId, child);
    tracer.endTrace(traceId);
    assert.equal(tracer.getTrace(traceId).status, 'success');
    assert.equal(tracer.getTrace(traceId).spans.length, 1);
  }
  const { totalRequests, activeTraces, errorRate } = tracer.getMetrics();
  assert.deepEqual([totalRequests, activeTraces, errorRate], [2000, 1000, '0.00%']);
});

test('traceparent gives the header for calls made within a trace', () => {
  const tracer = all();
  const { traceId, spanId } = tracer.startTrace();
  assert.equal(tracer.traceparent(traceId), `00-${traceId}-${spanId}-01`);
  const child = tracer.startSpan(traceId, 'call');
  assert.equal(tracer.traceparent(traceId, child), `00-${traceId}-${child}-01`);
  assert.equal(tracer.traceparent('not-w3c'), null);
});
