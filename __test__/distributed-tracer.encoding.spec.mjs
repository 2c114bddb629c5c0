// Names, values and ids that come again are told by number, and traces that were handed over go; what a collector gets must not show it.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';
import { startCollector } from './support/collector.mjs';

const collector = await startCollector();
const tracers = [];

after(async () => {
  for (const tracer of tracers) tracer.shutdown();
  await collector.stop();
});

function made(Tracer = DistributedTracer) {
  const tracer = new Tracer({ serviceName: 'web', samplingRate: 1, exporter: { otlp: { endpoint: collector.url, maxQueueSize: 100_000 } } });
  tracers.push(tracer);
  return tracer;
}

async function received(tracer) {
  assert.equal(await tracer.flush(), true);
  const spans = await collector.spans();
  await collector.clear();
  return spans;
}

/** Ids as OTLP has them. */
const isId = (id) => /^[0-9a-f]{16}$/.test(id) && !/^0+$/.test(id);

test('parents are those that were given, in trees of any form', async () => {
  const tracer = made();
  const { traceId, spanId } = tracer.startTrace();
  const parents = new Map();
  const ids = [spanId];
  // Children of the trace, chains, siblings, leaps back, spans of other services, and none.
  for (let count = 0; count < 300; count += 1) {
    const choices = [spanId, ids.at(-1), parents.get(ids.at(-1)) ?? spanId, ids[(count * 7) % ids.length], '00f067aa0ba902b7', undefined];
    const parent = choices[(count * 5 + (count >> 3)) % choices.length];
    const id = tracer.startSpan(traceId, `step ${count % 9}`, parent);
    parents.set(id, parent ?? spanId);
    ids.push(id);
  }
  for (const id of ids.slice(1)) tracer.endSpan(traceId, id);
  tracer.endTrace(traceId);
  const spans = await received(tracer);
  assert.deepEqual(spans.map((span) => [span.spanId, span.parentSpanId]), [[spanId, ''], ...parents]);
  assert.deepEqual(spans.slice(1).map(({ name }) => name), Array.from({ length: 300 }, (_, count) => `step ${count % 9}`));
});

test('a span that was open while 20,000 others came and went keeps its id, and so do those below it', async () => {
  const tracer = made();
  const { traceId, spanId } = tracer.startTrace();
  const early = tracer.startSpan(traceId, 'early');
  const below = tracer.startSpan(traceId, 'below', early);
  for (let count = 0; count < 20_000; count += 1) tracer.startSpan(undefined, 'of no trace');
  const late = tracer.startSpan(traceId, 'late', early);
  for (const id of [below, late, early]) tracer.endSpan(traceId, id);
  tracer.endTrace(traceId);
  const spans = await received(tracer);
  assert.deepEqual(spans.map((span) => [span.name, span.spanId, span.parentSpanId]), [
    ['web', spanId, ''], ['early', early, spanId], ['below', below, early], ['late', late, early],
  ]);
});

test('a span that ends after its trace is below the right one', async () => {
  const tracer = made();
  const { traceId, spanId } = tracer.startTrace();
  const [first, second] = [tracer.startSpan(traceId, 'first'), tracer.startSpan(traceId, 'second', spanId)];
  const third = tracer.startSpan(traceId, 'third', second);
  tracer.endTrace(traceId);
  await tracer.flush();
  for (const id of [third, second, first]) tracer.endSpan(traceId, id);
  const spans = await received(tracer);
  assert.deepEqual(spans.map((span) => [span.spanId, span.parentSpanId]), [[spanId, ''], [third, second], [second, spanId], [first, spanId]]);
});

test('ids of an overridden generateId are those that arrive', async () => {
  let count = 0;
  class Counting extends DistributedTracer {
    generateId(kind) {
      count += 1;
      return kind === 'trace' ? super.generateId(kind) : count.toString(16).padStart(16, 'a');
    }
  }
  const tracer = made(Counting);
  const { traceId, spanId } = tracer.startTrace();
  const child = tracer.startSpan(traceId, 'child', spanId);
  tracer.endSpan(traceId, child);
  tracer.endTrace(traceId);
  const spans = await received(tracer);
  assert.deepEqual(spans.map((span) => [span.spanId, span.parentSpanId]), [[spanId, ''], [child, spanId]]);
  assert.match(spanId, /^a+2$/);
});

test('thousands of names and values arrive as they are, known or not', async () => {
  const tracer = made();
  const count = 3000;
  const described = (index) => ({ [`key ${index % 2500}`]: `value ${index % 70}`, 'url.path': `/users/${index}`, method: ['GET', 'POST'][index % 2], long: 'ö'.repeat(index % 130) });
  for (let index = 0; index < count; index += 1) {
    const { traceId } = tracer.startTrace();
    tracer.endSpan(traceId, tracer.startSpan(traceId, `operation ${index % 2200}`), index % 3 ? 'success' : `failed ${index % 5}`, described(index));
    tracer.endTrace(traceId, 'success', { index });
  }
  const spans = (await received(tracer)).filter(({ name }) => name !== 'web');
  assert.equal(spans.length, count);
  for (const [index, span] of spans.entries()) {
    assert.ok(isId(span.spanId) && isId(span.parentSpanId));
    assert.equal(span.name, `operation ${index % 2200}`);
    const failed = index % 3 ? {} : { 'error.type': '_OTHER', 'tooloo.status': `failed ${index % 5}` };
    assert.deepEqual(span.attributes, { ...described(index), ...failed });
  }
});

test('what a getter throws in the middle of loses what describes the trace, and nothing else', async () => {
  const tracer = made();
  const { traceId, spanId } = tracer.startTrace();
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'plain'), 'success', { before: 'x'.repeat(50) });
  tracer.endSpan(traceId, tracer.startSpan(traceId, 'torn'), 'success', { get after() { throw new Error('torn'); } });
  tracer.endTrace(traceId);
  const next = tracer.startTrace();
  tracer.endTrace(next.traceId, 'success', { whole: 'yes' });
  const spans = await received(tracer);
  assert.deepEqual(spans.map(({ name, parentSpanId, attributes }) => [name, parentSpanId, attributes]), [
    ['web', '', {}], ['plain', spanId, {}], ['torn', spanId, {}], ['web', '', { whole: 'yes' }],
  ]);
});

test('of exported traces those that ended last stay readable, fewer where they have many spans', async () => {
  const tracer = made();
  const traced = (spans) => {
    const { traceId } = tracer.startTrace();
    for (let count = 0; count < spans; count += 1) tracer.endSpan(traceId, tracer.startSpan(traceId, 'step'));
    tracer.endTrace(traceId);
    return traceId;
  };
  const small = Array.from({ length: 300 }, () => traced(1));
  assert.deepEqual([tracer.spans.size, tracer.getTrace(small[43]), tracer.getTrace(small[44])?.traceId], [256, null, small[44]]);
  const large = Array.from({ length: 10 }, () => traced(255));
  assert.deepEqual([...tracer.spans.keys()], large.slice(-4));
  assert.equal((await received(tracer)).length, 300 * 2 + 10 * 256);
});
