// What the tracer keeps of its traces, and for how long.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';

const tracers = [];
const make = (options) => {
  const tracer = new DistributedTracer({ serviceName: 'svc', samplingRate: 1, ...options });
  tracers.push(tracer);
  return tracer;
};
after(() => tracers.forEach((tracer) => tracer.shutdown()));

/** Numbers from 0 to 1 that are the same in each run. */
function* numbers(seed) {
  let state = seed;
  for (;;) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    yield state / 2 ** 32;
  }
}

test('spans keeps what a Map would keep, whatever comes and goes, and in the same order', () => {
  const maxSpans = 3000;
  const tracer = make({ maxSpans });
  const model = new Map();
  const random = numbers(7);
  const next = (below) => Math.floor(random.next().value * below);
  // Ids with one end are chained into one bucket, until there are too many of them; one in ten is a key of another kind.
  const id = () => [`${next(4000)}-${next(9)}`, `${next(400)}-the-same-end`, `t${next(4000)}`][next(3)];
  for (let step = 0; step < 60_000; step += 1) {
    const key = next(10) === 0 ? next(50) : id();
    const what = next(100);
    if (typeof key === 'number' ? what < 60 : what < 5) {
      const value = { step };
      tracer.spans.set(key, value);
      model.delete(key);
      model.set(key, value);
    } else if (what < 80 && typeof key === 'string') {
      tracer.startTrace(key);
      // A trace takes the place of what is none.
      if (model.get(key)?.traceId === undefined) model.delete(key);
      if (model.has(key)) continue;
      model.set(key, tracer.getTrace(key));
      while (model.size > maxSpans) model.delete(model.keys().next().value);
    } else assert.equal(tracer.spans.delete(key), model.delete(key), `${step}: ${key}`);
    if (step === 50_000) {
      tracer.spans.clear();
      model.clear();
    }
    assert.equal(tracer.spans.size, model.size, `${step}: ${key}`);
    if (step % 5000 === 4999) {
      assert.deepEqual([...tracer.spans.keys()], [...model.keys()]);
      for (const [held, value] of model) assert.equal(tracer.spans.get(held), value);
    }
  }
  assert.ok(model.size > 2000);
});

test('the records of the newest traces can be read without making them live', () => {
  const tracer = make();
  const ids = Array.from({ length: 5 }, () => tracer.startTrace().traceId);
  tracer.spans.set('mine', { anything: true });
  assert.deepEqual(tracer.spans.newestRecords(3).map((record) => record.id), ids.slice(2).reverse());
  assert.deepEqual(tracer.spans.newestRecords(100).map((record) => record.id), [...ids].reverse());
});

test('a trace began when it was started, however late somebody asks', async () => {
  const tracer = make();
  const before = Date.now();
  const { traceId } = tracer.startTrace();
  const after = Date.now();
  const spanId = tracer.startSpan(traceId, 'op');
  await new Promise((resolve) => { setTimeout(resolve, 30); });
  tracer.endSpan(traceId, spanId);
  const { startTime, spans: [span] } = tracer.getTrace(traceId);
  assert.ok(Number.isInteger(startTime) && startTime >= before - 1 && startTime <= after + 1, `${before} ${startTime} ${after}`);
  assert.ok(span.startTime >= startTime && span.endTime >= span.startTime + 25);
});

test('traces of before the wall clock was set, or the machine slept, keep the time they had', () => {
  const tracer = make();
  const [known, other, later] = Array.from({ length: 3 }, () => tracer.startTrace().traceId);
  const { startTime } = tracer.getTrace(known);
  const hour = 3_600_000;
  const began = tracer.spans.record(other).began;
  tracer.spans.date(performance.timeOrigin - hour);
  assert.equal(tracer.getTrace(known).startTime, startTime);
  assert.equal(tracer.getTrace(other).startTime, Math.floor(performance.timeOrigin - hour + began));
  assert.ok(Math.abs(tracer.getTrace(later).startTime - startTime + hour) < 1000);
  tracer.cleanup();
  assert.ok(Math.abs(tracer.getTrace(tracer.startTrace().traceId).startTime - Date.now()) < 1000);
});

test('sampled and other traces get ids of their own, each for one trace', () => {
  const tracer = make({ samplingRate: 0.3 });
  const ids = new Set();
  let sampled = 0;
  for (let index = 0; index < 3000; index += 1) {
    const { traceId, spanId } = tracer.startTrace();
    const child = tracer.startSpan(traceId, 'op', spanId);
    for (const id of [traceId, spanId, child]) ids.add(id);
    const trace = tracer.getTrace(traceId);
    if (trace.sampled) sampled += 1;
    assert.deepEqual([trace.traceId, trace.spanId, trace.spans[0].spanId], [traceId, spanId, child]);
    assert.match(traceId, /^[0-9a-f]{32}$/);
    assert.match(spanId + child, /^[0-9a-f]{32}$/);
    tracer.endTrace(traceId);
  }
  assert.equal(ids.size, 9000);
  assert.ok(sampled > 700 && sampled < 1100, `${sampled}`);
});
