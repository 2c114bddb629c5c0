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

/** A trace without its times and random ids: `name` gives an id its place among the ids. */
function described(trace, name) {
  const plain = ({ startTime, endTime, duration, spanId, parentSpanId, logs, ...rest }) => ({
    ...rest, logs: logs.map(({ timestamp, ...log }) => ({ ...log, at: typeof timestamp })), spanId: name(spanId), parentSpanId: name(parentSpanId), hasStart: Number.isInteger(startTime), ended: typeof endTime, lasted: typeof duration,
  });
  return { ...plain(trace), traceId: name(trace.traceId), spans: trace.spans.map((span) => ({ ...plain(span), traceId: name(span.traceId) })) };
}

test('an ended trace reads the same whether somebody looked at it before or not, and goes on the same', () => {
  const seen = make({ maxTagsPerTrace: 3, maxSpans: 500 });
  const unseen = make({ maxTagsPerTrace: 3, maxSpans: 500 });
  const random = numbers(11);
  const next = (below) => Math.floor(random.next().value * below);
  const ids = [];
  for (let step = 0; step < 2000; step += 1) {
    // Each kind of trace: with and without tags, logs, events, links, spans that stay open, parents and ids of one's own.
    const own = next(4) === 0 ? `own ${step}` : null;
    const [count, tags, kind] = [next(8), next(5), next(12)];
    const pair = [seen, unseen].map((tracer) => {
      const { traceId, spanId } = tracer.startTrace(own, kind === 0 ? 'upstream' : null);
      if (tracer === seen) tracer.getTrace(traceId);
      const spans = [];
      for (let index = 0; index < count; index += 1) {
        spans.push(tracer.startSpan(traceId, index === 1 ? undefined : `op ${index % 3}`, [null, spanId, spans[0] ?? null][index % 3]));
      }
      for (let tag = 0; tag < tags; tag += 1) tracer.addTag(traceId, tag === 2 ? '__proto__' : `tag ${tag}`, tag === 1 ? { step } : tag);
      if (kind === 1) tracer.addLog(traceId, 'hello', 'warn');
      if (kind === 2) tracer.addEvent(traceId, 'moment', { step }, spans[0]);
      if (kind === 3) tracer.addLink(traceId, { traceId: 'a', spanId: 'b' }, spans[1]);
      spans.forEach((span, index) => {
        if (kind !== 4 || index > 0) tracer.endSpan(traceId, span, index === 2 ? 'error' : 'success', index === 3 ? { index } : undefined);
      });
      tracer.endTrace(traceId, kind === 5 ? 'timeout' : 'success', kind === 6 ? null : { step });
      if (kind === 7) tracer.addTag(traceId, 'late', true);
      if (kind === 8) tracer.endSpan(traceId, tracer.startSpan(traceId, 'late'));
      if (kind === 9) tracer.endTrace(traceId, 'twice');
      if (kind === 10) tracer.startTrace(traceId);
      return [traceId, spanId, ...spans];
    });
    ids.push(pair);
  }
  assert.equal(seen.spans.size, 500);
  assert.equal(unseen.spans.size, 500);
  for (const [index, [one, other]] of ids.entries()) {
    const of = (own) => (id) => (own.includes(id) ? own.indexOf(id) : /^[0-9a-f]{16}$/.test(id) ? 'an id' : id);
    assert.equal(unseen.spans.has(other[0]), seen.spans.has(one[0]));
    if (!seen.spans.has(one[0])) continue;
    assert.deepEqual(described(unseen.getTrace(other[0]), of(other)), described(seen.getTrace(one[0]), of(one)), `${index}`);
    // It is one object from then on.
    assert.equal(unseen.getTrace(other[0]), unseen.spans.get(other[0]));
    assert.equal(unseen.getTrace(other[0]).metadata, unseen.getTrace(other[0]).metadata);
  }
  assert.deepEqual([...unseen.getMetrics().recentErrors.map(({ error }) => error)], seen.getMetrics().recentErrors.map(({ error }) => error));
});

test('durations and distances of a trace are as exact when it is read late', async () => {
  const tracer = make();
  const { traceId, spanId } = tracer.startTrace();
  await new Promise((resolve) => { setTimeout(resolve, 12); });
  const child = tracer.startSpan(traceId, 'op', spanId);
  await new Promise((resolve) => { setTimeout(resolve, 12); });
  tracer.endSpan(traceId, child);
  tracer.endTrace(traceId);
  const { duration } = tracer.spans.record(traceId);
  const [span] = tracer.spans.record(traceId).spans();
  const trace = tracer.getTrace(traceId);
  assert.equal(trace.duration, duration / 1e3);
  assert.equal(trace.spans[0].duration, span.duration / 1e3);
  assert.ok(span.start >= 11_000 && span.duration >= 11_000 && duration >= 23_000, `${span.start} ${span.duration} ${duration}`);
  assert.equal(trace.endTime, Math.round(trace.startTime + trace.duration));
});

test('cleanup goes by the age of traces that nobody looked at, too', async () => {
  const tracer = make({ flushInterval: 60_000 });
  const end = () => {
    const { traceId } = tracer.startTrace();
    tracer.endTrace(traceId);
    return traceId;
  };
  const old = Array.from({ length: 400 }, end);
  const { traceId: long } = tracer.startTrace();
  await new Promise((resolve) => { setTimeout(resolve, 2000); });
  tracer.endTrace(long);
  const young = Array.from({ length: 300 }, end);
  tracer.cleanup(1500);
  assert.deepEqual([...tracer.spans.keys()], [long, ...young]);
  assert.equal(tracer.getTrace(old[0]), null);
  tracer.cleanup(-1);
  assert.equal(tracer.spans.size, 0);
  const later = Array.from({ length: 3000 }, end);
  assert.deepEqual([...tracer.spans.keys()], later);
});

test('of unsampled traces the last ones stay readable, and those with something open as long as it takes', () => {
  const tracer = make({ samplingRate: 0 });
  const end = () => {
    const { traceId } = tracer.startTrace();
    tracer.endTrace(traceId);
    return traceId;
  };
  const open = tracer.startTrace().traceId;
  const first = end();
  const withSpan = tracer.startTrace().traceId;
  const span = tracer.startSpan(withSpan, 'still open');
  tracer.endTrace(withSpan);
  const late = end();
  const lateSpan = tracer.startSpan(late, 'late');
  const lateOver = end();
  tracer.endSpan(lateOver, tracer.startSpan(lateOver, 'late'));
  const again = end();
  tracer.startTrace(again);
  const gone = end();
  tracer.spans.delete(gone);
  tracer.startTrace('in its place');
  const last = Array.from({ length: 1024 }, end);
  for (const id of [first, lateOver, gone]) assert.equal(tracer.getTrace(id), null);
  for (const id of [open, withSpan, late, again, 'in its place', ...last]) assert.notEqual(tracer.getTrace(id), null);
  tracer.endSpan(withSpan, span);
  tracer.endSpan(late, lateSpan);
  assert.equal(tracer.getTrace(withSpan).spans[0].status, 'success');
  assert.equal(tracer.getMetrics().requests.late.count, 2);
  tracer.endTrace(again);
  Array.from({ length: 1024 }, end);
  assert.equal(tracer.getTrace(again), null);
  // What was cleared is not found again, and what comes after it stays.
  tracer.spans.clear();
  const fresh = Array.from({ length: 100 }, () => tracer.startTrace().traceId);
  Array.from({ length: 3000 }, end);
  for (const id of fresh) assert.equal(tracer.getTrace(id).status, 'in-progress');
  assert.equal(tracer.spans.size, 1124);
});
