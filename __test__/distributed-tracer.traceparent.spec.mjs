// The `traceparent` header of W3C Trace Context, read and written.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const tracer = new DistributedTracer({ serviceName: 'web' });
after(() => tracer.shutdown());

const read = (traceparent) => tracer.extract({ traceparent });
/** What the next service is told, once the trace is continued. */
const told = (traceparent) => {
  const { traceId, spanId } = tracer.startTrace(...read(traceparent));
  return tracer.traceparent(traceId, spanId).slice(-2);
};

test('the example of the specification is read, with its flag and what stands around it', () => {
  for (const header of [`00-${TRACE}-${SPAN}-01`, ` 00-${TRACE}-${SPAN}-03\t`, `00-${TRACE}-${SPAN}-00`]) assert.deepEqual(read(header), [TRACE, SPAN]);
  const trace = (last) => TRACE.slice(0, -1) + last;
  assert.deepEqual([told(`00-${trace(1)}-${SPAN}-01`), told(`00-${trace(2)}-${SPAN}-00`), told(`00-${trace(3)}-${SPAN}-ff`)], ['01', '00', '01']);
});

test('versions to come may be longer, version zero may not', () => {
  for (const header of [`cc-${TRACE}-${SPAN}-01-what-the-future-brings`, `cc-${TRACE}-${SPAN}-01`, `fe-${TRACE}-${SPAN}-01-`]) assert.deepEqual(read(header), [TRACE, SPAN]);
  for (const header of [`cc-${TRACE}-${SPAN}-01.x`, `00-${TRACE}-${SPAN}-01-x`, `00-${TRACE}-${SPAN}-01-`, `ff-${TRACE}-${SPAN}-01`]) assert.deepEqual(read(header), []);
});

test('what is not a context starts a new trace', () => {
  const zeros = '0'.repeat(32);
  const headers = [
    '', '00', `00-${zeros}-${SPAN}-01`, `00-${TRACE}-${zeros.slice(16)}-01`, `00-${TRACE.toUpperCase()}-${SPAN}-01`, `00-${TRACE}-${SPAN}-0g`,
    `00-${TRACE}-${SPAN}-1`, `00-${TRACE}-${SPAN}`, `0-${TRACE}-${SPAN}-011`, `00-${TRACE}${SPAN}--01`, `00-${TRACE}-${SPAN}-01, 00-${TRACE}-${SPAN}-01`,
    `é0-${TRACE}-${SPAN}-01`, `00_${TRACE}-${SPAN}-01`, `00-${TRACE}_${SPAN}-01`, `00-${TRACE}-${SPAN}_01`, `00-${TRACE.slice(1)}/-${SPAN}-01`,
    `00-${TRACE.slice(1)}:-${SPAN}-01`, `00-${TRACE}-\`${SPAN.slice(1)}-01`,
  ];
  for (const header of headers) assert.deepEqual(read(header), [], header);
});

test('a long header of blanks is read in no time that counts', () => {
  const began = performance.now();
  assert.deepEqual(read(`${'\t'.repeat(500_000)}x${'\t'.repeat(500_000)}x`), []);
  // Quadratic work would be hours.
  assert.ok(performance.now() - began < 10_000);
});

test('every header that is written is read as it was written, and ids of another form give none', () => {
  for (let count = 0; count < 2000; count += 1) {
    const { traceId, spanId } = tracer.startTrace();
    assert.deepEqual(read(tracer.traceparent(traceId, spanId)), [traceId, spanId]);
  }
  const { traceId, spanId } = tracer.startTrace();
  for (const [trace, span] of [['abc', spanId], [traceId, 'abc'], [traceId.toUpperCase().replace(/^./, 'A'), spanId], ['0'.repeat(32), spanId], [traceId, '0'.repeat(16)], [undefined, spanId], [`${traceId}0`, spanId]]) {
    assert.equal(tracer.traceparent(trace, span), null, `${trace} ${span}`);
  }
});
