// Bad input is refused with an error that says what is wrong, and changes nothing.
import assert from 'node:assert/strict';
import test from 'node:test';
import { metrics, metricsHandler } from 'tooloo-native';

const good = { name: 'z_good', help: 'Good.' };
const hostile = new Proxy({}, { get() { throw new Error('proxy'); } });

/** `[what is called, with what, the message]` */
const DEFINITIONS = [
  ['counter', undefined, /options object/],
  ['counter', null, /options object/],
  ['gauge', 'name', /options object/],
  ['counter', {}, /"name".*undefined/],
  ['counter', { name: '', help: 'x' }, /"name"/],
  ['counter', { name: 7, help: 'x' }, /"name".*7/],
  ['counter', { name: 'a' }, /"help".*undefined/],
  ['counter', { name: 'a', help: ' ' }, /"help"/],
  ['counter', { name: 'a', help: Symbol('h') }, /"help".*symbol/],
  ['gauge', { name: '1a', help: 'x' }, /snake_case.*"1a"/],
  ['gauge', { name: 'orderCount', help: 'x' }, /snake_case/],
  ['gauge', { name: 'a b', help: 'x' }, /snake_case/],
  ['gauge', { name: 'a\n# EOF', help: 'x' }, /snake_case/],
  ['gauge', { name: 'job:a:rate', help: 'x' }, /snake_case/],
  ['gauge', { name: 'x'.repeat(1000), help: 'x' }, /at most 128/],
  ['gauge', { name: 'a_total', help: 'x' }, /_total/],
  ['histogram', { name: 'a_bucket', help: 'x' }, /_bucket/],
  ['histogram', { name: 'took_ms', help: 'x' }, /"seconds" instead of "ms"/],
  ['histogram', { name: 'size_kilobytes', help: 'x' }, /"bytes" instead of "kilobytes"/],
  ['counter', { name: 'orders_counter', help: 'x' }, /type/],
  ['counter', { name: 'tooloo_orders', help: 'x' }, /prefix tooloo_/],
  ['counter', { ...good, labelNames: 'a' }, /"labelNames" must be an array/],
  ['counter', { ...good, labelNames: [1] }, /"labelNames"/],
  ['counter', { ...good, labelNames: ['le'] }, /"labelNames".*"le"/],
  ['counter', { ...good, labelNames: ['__a'] }, /"labelNames"/],
  ['counter', { ...good, labelNames: ['a-b'] }, /"labelNames"/],
  ['counter', { ...good, labelNames: ['a', 'a'] }, /different names/],
  ['counter', { ...good, labelNames: Array.from({ length: 11 }, (_, at) => `l${at}`) }, /at most 10/],
  ['counter', { ...good, maxLabelSets: -1 }, /"maxLabelSets".*-1/],
  ['counter', { ...good, maxLabelSets: 1e9 }, /"maxLabelSets"/],
  ['counter', { ...good, maxLabelSets: 'many' }, /"maxLabelSets".*"many"/],
  ['counter', { ...good, buckets: [1] }, /histograms only/],
  ['histogram', { ...good, buckets: [] }, /"buckets"/],
  ['histogram', { ...good, buckets: [2, 1] }, /"buckets".*1/],
  ['histogram', { ...good, buckets: [1, NaN] }, /"buckets".*NaN/],
  ['histogram', { ...good, buckets: ['1'] }, /"buckets"/],
  ['histogram', { ...good, buckets: 5 }, /"buckets"/],
  ['histogram', { ...good, buckets: Array.from({ length: 101 }, (_, at) => at) }, /100/],
  ['gauge', { ...good, collect: 5 }, /"collect"/],
  ['counter', hostile, /proxy/],
];

for (const [at, [type, options, message]] of DEFINITIONS.entries()) {
  test(`definition ${at} of a ${type} is refused: ${message}`, () => {
    assert.throws(() => metrics[type](options), (error) => {
      assert.ok(error instanceof Error);
      assert.match(error.message, message);
      return true;
    });
  });
}

const counter = metrics.counter({ name: 'y_things', help: 'x', labelNames: ['a'] });
const bare = metrics.counter({ name: 'y_bare', help: 'x' });
const gauge = metrics.gauge({ name: 'y_level', help: 'x' });
const histogram = metrics.histogram({ name: 'y_seconds', help: 'x' });

const CALLS = {
  'a counter that shrinks': [() => bare.inc(-1), /"y_bare_total" can only grow.*-1/],
  'a counter that grows by NaN': [() => bare.inc(NaN), /can only grow/],
  'a counter that grows by Infinity': [() => bare.inc(Infinity), /can only grow/],
  'a text as value': [() => bare.inc({}, '5'), /must be a number, got string/],
  'no value': [() => gauge.set(), /must be a number, got undefined/],
  'null as value': [() => gauge.set({}, null), /must be a number/],
  'NaN in a gauge': [() => gauge.set(NaN), /"y_level" must be a number, got NaN/],
  'NaN in a histogram': [() => histogram.observe(NaN), /"y_seconds" must be a number, got NaN/],
  'a bigint': [() => histogram.observe({}, 5n), /must be a number, got bigint/],
  'labels missing': [() => counter.inc(), /labels are needed: a/],
  'a label of another metric': [() => counter.inc({ b: 1 }), /no label "b" among: a/],
  'labels where there are none': [() => bare.inc({ a: 1 }), /no label "a"/],
  'labels that are no object': [() => counter.inc('a'), /labels must be an object/],
  'labels that are null': [() => counter.labels(null), /labels must be an object/],
  'an object as label value': [() => counter.inc({ a: {} }), /label "a" must be a string, a number or a boolean/],
  'a symbol as label value': [() => counter.inc({ a: Symbol('s') }), /label "a"/],
  'an exemplar without a trace': [() => histogram.observe(1, {}), /traceId/],
  'an Accept that is no text': [() => metrics.scrape(5), /accept must be a string/],
  'a kind that is no text': [() => metrics.instances(5), /kind/],
  'handler options that are null': [() => metricsHandler(null), /options must be an object/],
  'handler options that are a text': [() => metricsHandler('x'), /options must be an object/],
  'gzip that is no boolean': [() => metricsHandler({ gzip: 'yes' }), /"gzip" must be a boolean/],
};

for (const [what, [call, message]] of Object.entries(CALLS)) {
  test(`${what} is refused`, () => {
    assert.throws(call, (error) => (error instanceof TypeError || error instanceof RangeError) && message.test(error.message));
  });
}

test('after all that nothing has changed', () => {
  const text = metrics.text();
  assert.ok(text.includes('y_bare_total 0\n') && text.includes('y_level 0\n') && text.includes('y_seconds_count 0\n'));
  assert.ok(!text.includes('y_things_total{') && !text.includes('z_good'));
});
