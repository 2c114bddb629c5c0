// A trace as the services make it: two spans, a tag, metadata, the end. Both sides run warm, with the ring of 10,000
// traces full, so that eviction and the garbage of old traces are in the figures.
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';
import { DistributedTracer as Baseline } from './baseline/distributed-tracer.mjs';
import { timeSync } from './harness.mjs';

// A service has one tracer class: each side gets a function of its own, or the engine would optimise for neither.
const newTrace = () => new Function(
  'tracer',
  `const { traceId } = tracer.startTrace();
  const query = tracer.startSpan(traceId, 'db-query');
  tracer.endSpan(traceId, query, 'success', { rows: 3 });
  const render = tracer.startSpan(traceId, 'render');
  tracer.endSpan(traceId, render, 'success', { bytes: 512 });
  tracer.addTag(traceId, 'user', 'anna');
  tracer.endTrace(traceId, 'success', { statusCode: 200 });`,
);

function side(Tracer, options, count) {
  const tracer = new Tracer({ serviceName: 'bench', ...options });
  const trace = newTrace();
  for (let index = 0; index < 12000; index += 1) trace(tracer);
  return { tracer, round: () => timeSync(count, () => trace(tracer)) };
}

export async function run(table) {
  for (const [title, options] of [
    ['trace with two spans, tag, metadata, end (10 % sampled)', {}],
    ['the same, all sampled', { samplingRate: 1 }],
  ]) {
    const [baseline, ours] = [side(Baseline, options, 10000), side(DistributedTracer, options, 150000)];
    await table.compare({ title, goal: 15, baseline: baseline.round, ours: ours.round });
    baseline.tracer.shutdown();
    ours.tracer.shutdown();
  }
  // Without the collector's work for 10,000 retained traces, which the baseline cannot leave out.
  const unsampled = side(DistributedTracer, { samplingRate: 0 }, 50000);
  await table.limit({ title: 'the same, none sampled', unit: 'ns', limit: 1000, ours: unsampled.round });
  unsampled.tracer.shutdown();
  const tracer = new DistributedTracer({ serviceName: 'bench' });
  for (let index = 0; index < 500; index += 1) tracer.endSpan('t', tracer.startSpan('t', `operation ${index}`));
  await table.limit({
    title: 'getMetrics with 500 operations',
    unit: 'ms',
    limit: 10,
    ours: () => timeSync(20, () => tracer.getMetrics()) / 1e6,
  });
  tracer.shutdown();
}
