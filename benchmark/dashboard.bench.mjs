// One look of the dashboard at all modules, and its text: what an interval costs however many watch.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import {
  CircuitBreaker,
  ConnectionPool,
  DistributedTracer,
  PersistentCache,
  QueryOptimizer,
  RateLimiter,
} from '../src/js/index.mjs';

const { Snapshots } = createRequire(import.meta.url)('../src/js/dashboard/snapshot.cjs');

function tracerOf() {
  const tracer = new DistributedTracer({ samplingRate: 1 });
  for (let number = 0; number < 10_000; number += 1) {
    const { traceId, spanId } = tracer.startTrace();
    tracer.endSpan(traceId, tracer.startSpan(traceId, `operation ${number % 100}`, spanId));
    tracer.endTrace(traceId, number % 50 === 0 ? 'error' : 'success');
  }
  return tracer;
}

async function optimizerOf() {
  const optimizer = new QueryOptimizer({ batchTimeout: 1, executor: async (items) => items.map(() => ({ rows: [] })) });
  await Promise.all(
    Array.from({ length: 2000 }, (_, number) =>
      optimizer.queueQuery(`SELECT a${number % 200} FROM t WHERE x = $1`, [number]),
    ),
  );
  return optimizer;
}

/** Processor time of a look, in milliseconds: a busy machine makes it wait, not work. */
function cost(snapshots) {
  const before = process.cpuUsage();
  JSON.stringify(snapshots.read());
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1000;
}

export async function run(table) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-bench-'));
  const cache = new PersistentCache({ cacheDir: home });
  const [tracer, optimizer, pool] = [tracerOf(), await optimizerOf(), new ConnectionPool()];
  const breakers = Array.from({ length: 20 }, (_, number) => new CircuitBreaker(`breaker ${number}`));
  for (const clients of [1000, 1_000_000]) {
    const limiter = new RateLimiter();
    for (let client = 0; client < clients; client += 1) limiter.isAllowed(`client-${client}`);
    const snapshots = new Snapshots({ title: 'bench', panels: { cache, pool, optimizer, limiter, tracer, breakers } });
    for (let warm = 0; warm < 50; warm += 1) snapshots.read();
    await table.limit({
      title: `a look of the dashboard, 10,000 traces, ${clients.toLocaleString('en')} clients`,
      unit: 'ms',
      limit: 5,
      rounds: 31,
      ours: () => cost(snapshots),
    });
    limiter.shutdown();
  }
  tracer.shutdown();
  await optimizer.close();
  await cache.close();
  await pool.drain();
  fs.rmSync(home, { recursive: true, force: true });
}
