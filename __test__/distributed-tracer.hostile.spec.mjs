import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';

const MODULE = new URL('../src/js/lib/distributed-tracer.mjs', import.meta.url).href;
const run = promisify(execFile);
const tracer = new DistributedTracer({ serviceName: 'svc', samplingRate: 1 });
after(() => tracer.shutdown());

const cyclic = {};
cyclic.self = cyclic;
const throwing = { toString() { throw new Error('no'); }, get error() { throw new Error('no'); }, get duration() { return Symbol('d'); } };
const BAD = [
  undefined, null, true, false, 0, -0, -1, NaN, Infinity, -Infinity, 1e308, 2 ** 53, 0.1, 10n, -(10n ** 40n),
  '', ' ', '__proto__', 'constructor', 'toString', '\ud800', '\u0000', 'é'.repeat(300), 'x'.repeat(100_000), '💥',
  Symbol('s'), Symbol.iterator, () => {}, class {}, [], [1, 2], {}, cyclic, throwing, Object.create(null), new Date(NaN),
  new Map(), /x/, new Proxy({}, { get() { throw new Error('trap'); } }), Buffer.from('x'), new Error('e'), Promise.resolve(1),
  new Uint8Array(3), globalThis,
];

test(`${BAD.length} bad inputs in every place: never a crash, the bookkeeping stays right`, () => {
  assert.ok(BAD.length >= 40);
  for (const bad of BAD) {
    const { traceId, spanId } = tracer.startTrace(bad, bad);
    assert.ok(typeof traceId === 'string' && traceId && typeof spanId === 'string' && spanId);
    assert.ok(typeof tracer.startSpan(bad, bad, bad) === 'string');
    const span = tracer.startSpan(traceId, bad, bad);
    tracer.addTag(traceId, bad, bad);
    tracer.addTag(bad, bad, bad);
    tracer.addLog(traceId, bad, bad);
    tracer.addLog(bad, bad);
    tracer.getTrace(bad);
    tracer.getTrace(traceId);
    tracer.endSpan(bad, bad, bad, bad);
    tracer.endSpan(traceId, span, bad, bad);
    tracer.endTrace(bad, bad, bad);
    tracer.endTrace(traceId, bad, bad);
    tracer.recordMetrics(bad);
    tracer.recordMetrics({ operationName: bad, duration: bad, status: bad, metadata: bad, spanId: bad });
    tracer.traceparent(bad, bad);
    tracer.cleanup(bad);
    tracer.spans.get(bad);
    tracer.spans.delete(bad);
    tracer.generateId(bad);
  }
  const metrics = tracer.getMetrics();
  assert.ok(Number.isFinite(metrics.avgLatencyMs) && /^\d+\.\d\d%$/.test(metrics.errorRate));
  assert.doesNotThrow(() => tracer.getMetrics());
});

test('a hook that returns nonsense does not stop a start', () => {
  const odd = new DistributedTracer({ samplingRate: 1 });
  for (const bad of BAD) {
    odd.generateId = () => bad;
    const { traceId, spanId } = odd.startTrace();
    assert.ok(typeof traceId === 'string' && traceId && typeof spanId === 'string' && spanId);
    odd.endTrace(traceId);
  }
  odd.shutdown();
});

test('options of the wrong kind are refused by name, never a crash', () => {
  for (const name of ['samplingRate', 'maxSpans', 'flushInterval', 'maxSpansPerTrace', 'maxOperations', 'maxOpenMs', 'serviceName']) {
    for (const bad of BAD) {
      try {
        new DistributedTracer({ [name]: bad }).shutdown();
      } catch (error) {
        assert.ok(error instanceof TypeError || error instanceof RangeError, `${name}: ${error}`);
        assert.equal(error.code, 'ERR_TOOLOO_INVALID_ARGUMENT');
        assert.match(error.message, new RegExp(name));
      }
    }
  }
  for (const bad of BAD) {
    try {
      new DistributedTracer(bad).shutdown();
    } catch (error) {
      assert.ok(error instanceof Error);
    }
  }
  assert.throws(() => (tracer.samplingRate = 7), RangeError);
});

test('live objects that a caller takes apart do no harm', () => {
  const { traceId } = tracer.startTrace();
  const span = tracer.startSpan(traceId, 'op');
  const trace = tracer.getTrace(traceId);
  Object.assign(trace, { spans: null, tags: null, logs: null, status: 5, traceId: 'other' });
  tracer.startSpan(traceId, 'more');
  tracer.addTag(traceId, 'a', 1);
  tracer.addLog(traceId, 'x');
  tracer.endSpan(traceId, span);
  tracer.endTrace(traceId);
  assert.equal(trace.status, 'success');
  tracer.spans = null;
  tracer.metrics = null;
  tracer.endTrace(tracer.startTrace().traceId, 'error');
  assert.equal(typeof tracer.getMetrics().errorRate, 'string');
});

test('frozen live objects do no harm', () => {
  const own = new DistributedTracer({ samplingRate: 1 });
  const { traceId } = own.startTrace();
  const span = own.startSpan(traceId, 'op');
  const trace = own.getTrace(traceId);
  [trace, trace.tags, trace.logs, trace.spans, trace.spans[0]].forEach(Object.freeze);
  own.addTag(traceId, 'a', 1);
  own.addLog(traceId, 'x');
  own.startSpan(traceId, 'more');
  own.endSpan(traceId, span);
  own.endTrace(traceId);
  own.startTrace(traceId);
  assert.equal(own.getMetrics().totalRequests, 2);
  own.shutdown();
});

test('__proto__ is an operation, a tag and a trace like others', () => {
  const own = new DistributedTracer({ samplingRate: 1 });
  own.startTrace('__proto__');
  own.addTag('__proto__', '__proto__', { polluted: true });
  own.endSpan('__proto__', own.startSpan('__proto__', '__proto__'));
  assert.equal({}.polluted, undefined);
  assert.ok(Object.keys(own.getTrace('__proto__').tags).includes('__proto__'));
  const { requests } = own.getMetrics();
  assert.ok(Object.keys(requests).includes('__proto__'));
  assert.equal(JSON.parse(JSON.stringify(requests))['__proto__'].count, 1);
  own.shutdown();
});

test('metrics serialise whatever the errors were', () => {
  const own = new DistributedTracer();
  for (const error of [10n, cyclic, Symbol('s'), throwing, new Error('message'), 'x'.repeat(1e6), 404, true]) {
    own.endTrace(own.startTrace().traceId, 'error', { error });
  }
  const { recentErrors } = JSON.parse(JSON.stringify(own.getMetrics()));
  assert.equal(recentErrors.length, 8);
  assert.equal(recentErrors[4].error, 'message');
  assert.equal(recentErrors[5].error.length, 1024);
  assert.equal(recentErrors[6].error, 404);
  own.shutdown();
});

test('metrics can be reset by assignment without a crash', () => {
  const own = new DistributedTracer();
  Object.assign(own.metrics, { errors: [], requests: new Map(), latencies: [], throughput: 0 });
  own.endTrace(own.startTrace().traceId, 'error');
  assert.equal(own.metrics.errors.length, 1);
  own.shutdown();
});

test('ids that were chosen to collide are found all the same', () => {
  const own = new DistributedTracer({ samplingRate: 1 });
  const ids = Array.from({ length: 3000 }, (_, index) => `${index}`.padStart(8, '0') + 'f'.repeat(24));
  ids.forEach((id) => own.startTrace(id));
  assert.ok(ids.every((id) => own.getTrace(id).traceId === id));
  ids.filter((_, index) => index % 2).forEach((id) => own.spans.delete(id));
  assert.deepEqual(ids.map((id) => own.spans.has(id)), ids.map((_, index) => index % 2 === 0));
  assert.equal(own.spans.size, 1500);
  own.shutdown();
});

test('the map agrees with a plain Map over random operations', () => {
  const own = new DistributedTracer({ samplingRate: 1, maxSpans: 50 });
  const model = new Map();
  let seed = 42;
  const random = (below) => (seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0) % below;
  for (let step = 0; step < 20000; step += 1) {
    const id = `trace-${random(120)}`;
    if (random(4) === 0) {
      assert.equal(own.spans.delete(id), model.delete(id));
    } else if (!model.has(id)) {
      own.startTrace(id);
      model.set(id, true);
      if (model.size > 50) model.delete(model.keys().next().value);
    }
    if (step % 500 === 0) assert.deepEqual([...own.spans.keys()], [...model.keys()]);
    assert.equal(own.spans.size, model.size);
  }
  own.shutdown();
});

test('a million spans with names of their own stay bounded', { timeout: 120000 }, async () => {
  const code = `
    import { DistributedTracer } from '${MODULE}';
    const tracer = new DistributedTracer({ samplingRate: 1, maxSpans: 1000 });
    const before = process.memoryUsage().rss;
    for (let trace = 0; trace < 10000; trace += 1) {
      const { traceId } = tracer.startTrace();
      for (let span = 0; span < 100; span += 1) tracer.endSpan(traceId, tracer.startSpan(traceId, 'op ' + trace + '/' + span), 'error');
      if (trace % 2) tracer.endTrace(traceId);
    }
    const { totalRequests, requests, activeTraces } = tracer.getMetrics();
    console.log(JSON.stringify({ totalRequests, names: Object.keys(requests).length, activeTraces, grown: (process.memoryUsage().rss - before) / 1e6 }));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code]);
  const { totalRequests, names, activeTraces, grown } = JSON.parse(stdout);
  assert.deepEqual([totalRequests, names, activeTraces], [1005000, 513, 1000]);
  // Node 24 lets its heap grow to almost twice what Node 20 does; without bounds it is gigabytes.
  assert.ok(grown < 350, `${grown} MB`);
});

test('DT-D8 a tracer with open traces keeps no process alive', { timeout: 30000 }, async () => {
  const code = `import { DistributedTracer } from '${MODULE}';
    const tracer = new DistributedTracer(); tracer.startTrace(); console.log('end');`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', code], { timeout: 20000 });
  assert.equal(stdout.trim(), 'end');
});

test('a terminated worker leaves nothing behind', { timeout: 60000 }, async () => {
  for (let round = 0; round < 3; round += 1) {
    const worker = new Worker(
      `import('${MODULE}').then(({ DistributedTracer }) => {
        const tracer = new DistributedTracer({ flushInterval: 1 });
        require('node:worker_threads').parentPort.postMessage('up');
        setInterval(() => { for (let i = 0; i < 1000; i += 1) tracer.endTrace(tracer.startTrace().traceId); }, 0);
      });`,
      { eval: true },
    );
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await sleep(20);
    await worker.terminate();
  }
  const own = new DistributedTracer();
  assert.ok(own.startTrace().traceId);
  own.shutdown();
});

test('a thousand tracers, used and forgotten', () => {
  for (let index = 0; index < 1000; index += 1) {
    const own = new DistributedTracer({ serviceName: `s${index}` });
    own.endTrace(own.startTrace().traceId);
    assert.equal(own.getMetrics().requests[`s${index}`].count, 1);
    if (index % 2) own.shutdown();
  }
});

test('intervals longer than a timer can hold are clamped', async () => {
  const own = new DistributedTracer({ flushInterval: 1e15 });
  let calls = 0;
  own.cleanup = () => (calls += 1);
  await sleep(50);
  assert.equal(calls, 0);
  assert.equal(own.flushInterval, 2147483647);
  own.shutdown();
});
