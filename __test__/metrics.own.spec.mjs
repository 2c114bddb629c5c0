// An app's own metrics.
import assert from 'node:assert/strict';
import test from 'node:test';
import { DistributedTracer, metrics } from 'tooloo-native';
import { seriesOf } from './support/metrics.mjs';
import { promtool, withoutPrometheus } from './support/prometheus.mjs';

const value = (series) => seriesOf(metrics.text()).get(series);

test('a counter counts, by its labels', () => {
  const counter = metrics.counter({ name: 'a_orders_total', help: 'Orders.', labelNames: ['shop', 'kind'] });
  counter.inc({ shop: 'x', kind: 'y' });
  counter.inc({ kind: 'y', shop: 'x' }, 2);
  counter.inc({ shop: 'x' }, 0.5);
  counter.labels({ shop: 1, kind: true }).inc();
  assert.equal(value('a_orders_total{shop="x",kind="y"}'), 3);
  assert.equal(value('a_orders_total{shop="x",kind=""}'), 0.5);
  assert.equal(value('a_orders_total{shop="1",kind="true"}'), 1);
});

test('a metric without labels is there as zero from the beginning', () => {
  metrics.counter({ name: 'b_things', help: 'Things' });
  metrics.gauge({ name: 'b_level', help: 'Level' });
  metrics.histogram({ name: 'b_took_seconds', help: 'Time' });
  assert.equal(value('b_things_total'), 0);
  assert.equal(value('b_level'), 0);
  assert.equal(value('b_took_seconds_count'), 0);
});

test('a gauge goes up and down', () => {
  const gauge = metrics.gauge({ name: 'c_level', help: 'Level.', labelNames: ['of'] });
  gauge.set({ of: 'a' }, 5);
  gauge.inc({ of: 'a' });
  gauge.dec({ of: 'a' }, 4);
  const bound = gauge.labels({ of: 'b' });
  bound.set(-1.5);
  bound.inc();
  bound.dec(2);
  assert.equal(value('c_level{of="a"}'), 2);
  assert.equal(value('c_level{of="b"}'), -2.5);
});

test('a histogram counts by size, and its timer measures seconds', () => {
  const histogram = metrics.histogram({ name: 'd_took_seconds', help: 'Time.', buckets: [0.5, 1, Infinity] });
  for (const took of [0.1, 0.5, 0.7, 100]) histogram.observe(took);
  assert.equal(value('d_took_seconds_bucket{le="0.5"}'), 2);
  assert.equal(value('d_took_seconds_bucket{le="1"}'), 3);
  assert.equal(value('d_took_seconds_bucket{le="+Inf"}'), 4);
  const seconds = histogram.startTimer()();
  assert.ok(seconds >= 0 && seconds < 10);
  assert.equal(value('d_took_seconds_count'), 5);
  assert.ok(Math.abs(value('d_took_seconds_sum') - 101.3 - seconds) < 1e-6);
});

test('what is observed in a trace has it as its exemplar, and so has what is given one', async () => {
  const tracer = new DistributedTracer({ samplingRate: 1 });
  const histogram = metrics.histogram({ name: 'e_took_seconds', help: 'Time.', buckets: [1, 2], labelNames: ['how'] });
  let traceId;
  await tracer.run('work', async () => {
    await null;
    ({ traceId } = tracer.active());
    histogram.observe({ how: 'inside' }, 1);
  });
  histogram.observe({ how: 'given' }, 2, { traceId: 'abc', spanId: 'def' });
  histogram.observe({ how: 'outside' }, 2);
  histogram.observe({ how: 'long' }, 2, { traceId: 'x'.repeat(200) });
  const text = metrics.scrape('application/openmetrics-text').body.toString();
  const exemplar = (how) => / # \{(.*)\} /.exec(text.split('\n').find((line) => line.includes(`how="${how}"`) && line.includes(' # ')) ?? '')?.[1];
  assert.ok(exemplar('inside').startsWith(`trace_id="${traceId}",span_id="`));
  assert.equal(exemplar('given'), 'trace_id="abc",span_id="def"');
  assert.equal(exemplar('outside'), undefined);
  assert.equal(exemplar('long'), undefined, 'longer than OpenMetrics allows');
  tracer.shutdown();
});

test('the same definition gives the same metric; another one for the name is refused', () => {
  const first = metrics.counter({ name: 'f_things', help: 'Things.', labelNames: ['a'] });
  const second = metrics.counter({ name: 'f_things_total', help: 'Things.', labelNames: ['a'] });
  first.inc({ a: 1 });
  second.inc({ a: 1 });
  assert.equal(value('f_things_total{a="1"}'), 2);
  assert.throws(() => metrics.counter({ name: 'f_things', help: 'Things.', labelNames: ['b'] }), /"f_things_total" exists already, with another set of labels/);
  metrics.histogram({ name: 'f_seconds', help: 'Time.' });
  assert.throws(() => metrics.histogram({ name: 'f_seconds', help: 'Time.', buckets: [1] }), /another set of buckets/);
  assert.throws(() => metrics.gauge({ name: 'f_seconds', help: 'Time.' }), /another type/);
});

test('label sets are bounded, the rest is one, and the caller’s memory stays small', () => {
  const counter = metrics.counter({ name: 'g_hits', help: 'Hits.', labelNames: ['client'], maxLabelSets: 50 });
  for (let client = 0; client < 100_000; client += 1) counter.inc({ client });
  const series = [...seriesOf(metrics.text())].filter(([name]) => name.startsWith('g_hits_total'));
  assert.equal(series.length, 51);
  assert.equal(value('g_hits_total{client="(other)"}'), 100_000 - 50);
  assert.equal(series.reduce((sum, [, count]) => sum + count, 0), 100_000);
});

test('what an app defined is what promtool accepts', { skip: withoutPrometheus() }, () => {
  assert.deepEqual(promtool(['check', 'metrics'], metrics.text()), { status: 0, said: '' });
});
