// What a scrape costs the event loop, and what writing a metric costs, beside prom-client where it is installed.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { CircuitBreaker, ConnectionPool, DistributedTracer, metrics, PersistentCache, QueryOptimizer, RateLimiter } from 'tooloo-native';
import { timeSync } from './harness.mjs';
import { peer } from './peers.mjs';

const SERIES = 200;
const PROTOBUF = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';

const seriesOf = (text) => text.split('\n').filter((line) => line !== '' && !line.startsWith('#')).length;

/** Microseconds of one scrape: all of it is on the event loop, but for gzip. */
const scrapeTime = (accept) => timeSync(200, () => metrics.scrape(accept)) / 1e3;

/** A service as the demo's: what its modules report, and own metrics until there are 200 series. */
async function fill(folder) {
  const cache = new PersistentCache({ cacheDir: folder });
  await cache.set('key', 1);
  const pool = new ConnectionPool({ factory: { create: () => ({}) } });
  pool.release(await pool.acquire());
  const limiter = new RateLimiter({});
  limiter.isAllowed('client');
  const tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1 });
  for (let turn = 0; turn < 2000; turn += 1) tracer.run(`GET /${turn % 4}`, () => turn);
  const own = metrics.counter({ name: 'bench_orders', help: 'Orders.', labelNames: ['shop'], maxLabelSets: 1000 });
  const kept = [cache, pool, limiter, tracer, new CircuitBreaker('mail'), new QueryOptimizer()];
  for (let shop = 0; seriesOf(metrics.text()) < SERIES; shop += 1) own.inc({ shop });
  return { kept, close: () => Promise.all([cache.close(), pool.drain(), limiter.shutdown(), tracer.shutdown()]) };
}

export async function run(table) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-bench-'));
  const { kept, close } = await fill(folder);
  const count = seriesOf(metrics.text());
  for (const [name, accept] of [['text', ''], ['OpenMetrics', 'application/openmetrics-text'], ['protobuf', PROTOBUF]]) {
    scrapeTime(accept);
    await table.limit({ title: `scrape of ${count} series, ${name}, event-loop time`, limit: 1000, unit: 'µs', rounds: 7, ours: () => scrapeTime(accept) });
  }
  const counter = metrics.counter({ name: 'bench_hits', help: 'Hits.', labelNames: ['kind', 'status'] });
  const histogram = metrics.histogram({ name: 'bench_took_seconds', help: 'Time.', labelNames: ['kind', 'status'] });
  const labels = { kind: 'a', status: 200 };
  const client = peer('prom-client');
  if (client === undefined) {
    const write = () => timeSync(200_000, () => counter.inc(labels));
    await table.limit({ title: 'inc of a counter with two labels', limit: 1000, unit: 'ns', rounds: 7, ours: write });
  } else {
    const register = new client.Registry();
    const shared = { labelNames: ['kind', 'status'], registers: [register] };
    const theirCounter = new client.Counter({ name: 'hits', help: 'Hits.', ...shared });
    const theirHistogram = new client.Histogram({ name: 'took', help: 'Time.', buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10], ...shared });
    const theirs = new client.Counter({ name: 'orders', help: 'Orders.', labelNames: ['shop'], registers: [register] });
    const pair = (title, baseline, ours, rounds = 200_000) =>
      table.compare({ title, goal: 1, baseline: () => timeSync(rounds, baseline), ours: () => timeSync(rounds, ours) });
    await pair('inc of a counter with two labels, beside prom-client', () => theirCounter.inc(labels), () => counter.inc(labels));
    const [theirBound, bound] = [theirCounter.labels('a', 200), counter.labels(labels)];
    await pair('inc of one series, beside prom-client', () => theirBound.inc(), () => bound.inc());
    await pair('observe with two labels, beside prom-client', (turn) => theirHistogram.observe(labels, turn / 1e5), (turn) => histogram.observe(labels, turn / 1e5));
    for (let shop = 0; seriesOf(await register.metrics()) < count; shop += 1) theirs.inc({ shop });
    const scrape = async (body) => {
      const start = process.cpuUsage();
      for (let turn = 0; turn < 200; turn += 1) await body();
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 200;
    };
    await table.compare({
      title: `scrape of ${count} series, processor time, beside prom-client`, goal: 1, unit: 'µs',
      baseline: () => scrape(() => register.metrics()), ours: () => scrape(() => metrics.text()),
    });
  }
  await close();
  fs.rmSync(folder, { recursive: true, force: true });
  if (kept.length === 0) throw new Error('unreachable: it keeps the instances alive until here');
}
