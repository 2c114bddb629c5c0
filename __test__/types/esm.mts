// An ES module in TypeScript: the package and its modules, by named and default imports.
import { CircuitBreaker, ConnectionPool, DistributedTracer, PersistentCache, QueryOptimizer, RateLimiter } from 'tooloo-native';
import DefaultCache, { PersistentCache as NamedCache } from 'tooloo-native/lib/persistent-cache.js';
import DefaultPool, { ConnectionPool as NamedPool } from 'tooloo-native/lib/connection-pool.js';
import DefaultOptimizer, { QueryOptimizer as NamedOptimizer } from 'tooloo-native/lib/query-optimizer.js';
import DefaultLimiter, { RateLimiter as NamedLimiter } from 'tooloo-native/lib/rate-limiter.js';
import DefaultTracer, { DistributedTracer as NamedTracer } from 'tooloo-native/lib/distributed-tracer.js';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const yes = <T extends true>(): T | undefined => undefined;

yes<Same<typeof PersistentCache, typeof DefaultCache>>();
yes<Same<typeof PersistentCache, typeof NamedCache>>();
yes<Same<typeof ConnectionPool, typeof DefaultPool>>();
yes<Same<typeof ConnectionPool, typeof NamedPool>>();
yes<Same<typeof QueryOptimizer, typeof DefaultOptimizer>>();
yes<Same<typeof QueryOptimizer, typeof NamedOptimizer>>();
yes<Same<typeof RateLimiter, typeof DefaultLimiter>>();
yes<Same<typeof RateLimiter, typeof NamedLimiter>>();
yes<Same<typeof DistributedTracer, typeof DefaultTracer>>();
yes<Same<typeof DistributedTracer, typeof NamedTracer>>();

// Cache
const cache = new PersistentCache({ cacheDir: '/tmp/x', ttl: 1000, compress: true, maxMemoryItems: 10 });
interface Price {
  cents: number;
}
const price: Promise<Price | null> = cache.get<Price>('a');
// @ts-expect-error a miss is null
const always: Promise<Price> = cache.get<Price>('a');
// @ts-expect-error a cache answers with a promise
const cents: number = cache.get<Price>('a').cents;
const stored: Promise<void> = cache.set('a', { cents: 1 }, 1000);
const removed: Promise<number> = cache.cleanup();
const bytes: Promise<number> = cache.getSize();
const hitRate: string = cache.getStats().hitRate;
const loaded: Promise<Price> = cache.getOrSet('a', async () => ({ cents: 1 }), { ttl: 1000, graceMs: 1000 });
// @ts-expect-error seconds are no option
new PersistentCache({ ttlSeconds: 5 });
// @ts-expect-error options are never null
new PersistentCache(null);
class Quiet extends PersistentCache {
  override async init(): Promise<void> {}
}
const quiet: PersistentCache = new Quiet();

// Pool
class Client {
  ping(): boolean {
    return true;
  }
}
class ClientPool extends ConnectionPool<Client> {
  override async createConnection(): Promise<Client> {
    return new Client();
  }
}
const pool = new ClientPool({ minConnections: 2, maxConnections: 5, connectionTimeout: 1000, idleTimeout: 5000 });
const client: Promise<Client> = pool.acquire({ signal: AbortSignal.timeout(1000) });
// @ts-expect-error release takes a connection of this pool
pool.release('a string');
const health: Promise<{ healthy: number; unhealthy: number; total: number }> = pool.healthCheck();
const utilization: string = pool.getStats().utilization;
const poolSize: number = pool.connections.length;
const isActive: boolean = pool.activeConnections.has(new Client());
const answer: Promise<boolean> = pool.withConnection((connection) => connection.ping());
const drained: Promise<void> = pool.drain({ timeoutMs: 1000 });
const rows: Promise<{ id: number }[]> = pool.query<{ id: number }>('select 1', [], { timeoutMs: 5 }).then((result) => result.rows);
const moved: Promise<number> = pool.transaction(async (tx) => tx.copyFrom('copy t from stdin', 'x'), { retries: 1 });
// @ts-expect-error an isolation level is one of four
pool.transaction(async () => {}, { isolation: 'total' });
new ConnectionPool({ connectionString: 'postgres://h/d', preparedStatements: false });
const limited = { signal: AbortSignal.timeout(1000), timeoutMs: 500 };
const streamed: AsyncGenerator<{ id: number }> = pool.stream<{ id: number }>('select 1', [], limited);
pool.transaction((tx) => tx.queryBatch(['select 1'], limited), limited);
pool.copyFrom('copy t from stdin', 'x', limited);
pool.copyTo('copy t to stdout', limited);
// @ts-expect-error a limit is a number of milliseconds
pool.queryBatch(['select 1'], { timeoutMs: '5 s' });

// Optimizer
const optimizer = new QueryOptimizer({ batchSize: 5, batchTimeout: 100, slowQueryThreshold: 100 });
const suggestions: string[] = optimizer.optimizeQuery('SELECT 1').suggestions;
const normalized: string = optimizer.normalizeQuery('SELECT 1');
const queued: Promise<unknown> = optimizer.queueQuery('SELECT $1', [1]);
// @ts-expect-error a query is a string
optimizer.queueQuery(42);
const { fingerprint, statement, tables, findings } = optimizer.analyze('SELECT 1');
const analyzed: [string, string | null, string[]] = [fingerprint, statement, tables];
for (const { rule, severity, message, start, end, fix } of findings) {
  const isStar: boolean = rule === 'select-star' && severity !== 'error';
  const texts: [string, string | null, number] = [message, fix, end - start];
  // @ts-expect-error there is no such rule
  if (rule === 'select-stars') isStar;
  texts;
}
// @ts-expect-error a query is a string
optimizer.analyze(42);
const explained = optimizer.explain('SELECT $1', [1], { analyze: true, largeTableRows: 1000, hypothetical: false });
explained.then(({ totalCost, rows, executionMs, sequentialScans, indexProposals, casts, plan }) => {
  const figures: (number | null)[] = [totalCost, rows, executionMs, indexProposals[0]?.tried?.gain ?? null];
  const names: string[] = [...sequentialScans.map(({ table }) => table), ...casts.map(({ column }) => column)];
  return [figures, names, plan['Node Type']];
});
optimizer.on('n-plus-one', ({ fingerprint, query, traceId, count }) => [`${fingerprint}${query}${traceId}`, count + 1]);
// @ts-expect-error there is no such event
optimizer.once('n-plus-two', () => {});
const loops: number[] = optimizer.getTopQueries({ by: 'meanMs' }).map(({ loops }) => loops);
const parameters: unknown[] | undefined = optimizer.getSlowQueries()[0]?.parameters;
loops;
parameters;
// @ts-expect-error it runs or it does not
optimizer.explain('SELECT 1', [], { analyze: 'yes' });
analyzed;
const latency: string = optimizer.getStats().averageLatency;
const sentOnce: number = optimizer.getStats().merged + optimizer.getStats().deduplicated + optimizer.getStats().statementsSent;
const unmerged = new QueryOptimizer({ mergeLookups: false, deduplicate: false });
unmerged.mergeLookups = true;
const whyNot: Promise<string | undefined> = optimizer.batchPlan('SELECT 1').then(({ merges, reason }) => (merges ? undefined : reason));
// @ts-expect-error a switch is a boolean
new QueryOptimizer({ deduplicate: 'yes' });

// Limiter
const limiter = new RateLimiter({ rateLimit: 10, refillRate: 1, maxWaitTime: 1000, fairQueueing: true });
const allowed: boolean = limiter.isAllowed('client', 1);
const acquired: Promise<{ acquired: boolean; waitTime: number }> = limiter.acquire('client');
limiter.getBucket('client').tokens = 0;
// @ts-expect-error a cost is a number
limiter.isAllowed('client', '1');
const allowRate: string = limiter.getStats().allowRate;
const sharing = new RateLimiter({ globalLimit: { rateLimit: 10, refillRate: 5, quantum: 2 } });
void sharing.acquire('client', 1, { weight: 2, priority: 0 });
const sharedQuantum: number | undefined = sharing.globalLimit?.quantum;
const promised: Promise<{ readonly waitMs: number; cancel(): boolean }> = limiter.reserveStore('client', 2, { maxWaitMs: 100, weight: 2 });
void promised;
const reservation: { readonly waitMs: number; readonly at: number } = limiter.reserve('client', 2, { maxWaitMs: 100 });
const overStore = new RateLimiter({ store: { url: 'redis://127.0.0.1:1', leaseTokens: 5, insurance: 'deny' } });
limiter.setLimits([{ match: 'a', rateLimit: 5 }, { match: /^b/, rateLimit: 1, refillRate: 2 }]);
limiter.setLimits([{ match: 'c', weight: 3, priority: 0 }]);
// @ts-expect-error a limit is needed
limiter.setLimits([{ match: 'a' }]);
const confirmed: Promise<boolean> = overStore.flush();
const storeIsUp: boolean | undefined = overStore.getStats().store?.up;
// @ts-expect-error there is no such insurance
new RateLimiter({ store: { url: 'redis://127.0.0.1:1', insurance: 'maybe' } });
// @ts-expect-error a shared limit has no default
new RateLimiter({ globalLimit: { quantum: 2 } });
limiter.shutdown();

// Tracer
const tracer = new DistributedTracer({ serviceName: 'types', samplingRate: 1.0, flushInterval: 100 });
const { traceId, spanId }: { traceId: string; spanId: string } = tracer.startTrace();
const child: string = tracer.startSpan(traceId, 'work', spanId);
tracer.endSpan(traceId, child, 'success', { rows: 1 });
tracer.endTrace(traceId, 'error', { error: 'no' });
const status: string | undefined = tracer.getTrace(traceId)?.status;
// @ts-expect-error an unknown trace is null
const length: number = tracer.getTrace(traceId).spans.length;
const errorRate: string = tracer.getMetrics().errorRate;
tracer.addEvent(traceId, 'cache miss', { key: 1 }, child);
tracer.addLink(traceId, { traceId, spanId, attributes: { why: 'retry' } });
const delivered: Promise<boolean> = tracer.flush({ timeoutMs: 1000 });
const lost: number | undefined = tracer.exporterStats()?.droppedQueueFull;
const exported: number | undefined = tracer.getMetrics().exporter?.exported;
new DistributedTracer({ exporter: { otlp: { endpoint: 'http://127.0.0.1:4318', headers: { a: 'b' }, compression: 'gzip' } }, slowMs: 500, tracesPerSecond: 10 });
new DistributedTracer({ exporter: false });
// @ts-expect-error: an unknown compression
new DistributedTracer({ exporter: { otlp: { compression: 'zstd' } } });
// @ts-expect-error: headers are texts
new DistributedTracer({ exporter: { otlp: { headers: { a: 5 } } } });
tracer.shutdown();

export const used = [
  price, always, cents, stored, removed, bytes, hitRate, loaded, quiet, client, health, utilization, poolSize, isActive,
  answer, drained, suggestions, normalized, queued, latency, allowed, acquired, allowRate, status, length, errorRate,
];

import DefaultBreaker from 'tooloo-native/lib/circuit-breaker.js';

yes<Same<typeof CircuitBreaker, typeof DefaultBreaker>>();
const breaker = new CircuitBreaker('provider', { failureThreshold: 3, resetTimeout: 1000 });
const fromBreaker: number = await breaker.execute(async () => 42, { name: 'ask', timeout: 100 });
const stateOfBreaker: 'CLOSED' | 'OPEN' | 'HALF_OPEN' = breaker.getState().state;
void [fromBreaker, stateOfBreaker];
// @ts-expect-error the threshold is a number
new CircuitBreaker('provider', { failureThreshold: 'many' });

// Resilience, readiness and scaling.
import {
  AutoScalingDecisionEngine, cacheManager, gracefulShutdown, policy, ProviderQualityLearner, ReadinessProbe, RequestDeduplicator, retry,
} from 'tooloo-native';
import { createServer } from 'node:http';

const shared: Promise<number> = new RequestDeduplicator({ ttlMs: 5 }).deduplicate('k', async () => 1, { timeoutMs: 5 });
const again: Promise<string> = retry((signal) => `${signal.aborted}`, { jitter: 'decorrelated' });
// @ts-expect-error a jitter is not any text
void retry(() => 1, { jitter: 'wild' });
const best: string | null = new ProviderQualityLearner({ exploration: 'thompson' }).recommend('p');
const kept: { a: number } | null = cacheManager.get<{ a: number }>('k');
const decision: 'SCALE_UP' | 'SCALE_DOWN' | 'HOLD' = new AutoScalingDecisionEngine().evaluateScaling('s', 2);
const either: Promise<number | null> = policy({ timeoutMs: 5, fallback: null }).execute(() => 1);
const readiness = new ReadinessProbe();
const exit: Promise<number> = gracefulShutdown(createServer(readiness.handler()), { readiness, drain: [() => 1] }).done;
void [shared, again, best, kept, decision, either, exit];

// Router
import DefaultRouter, { IntelligentRouter, type Route } from 'tooloo-native/lib/resilience/IntelligentRouter.js';
const router: IntelligentRouter = new DefaultRouter({ algorithm: 'p2c-ewma', outlier: { failureRate: 0.2 }, zone: 'a' });
router.addTarget('api', 8001, 2, { host: '127.0.0.2', zone: 'a' });
const route: Route = router.routeRequest('api', { key: 'user', exclude: ['api:1'] });
route.done(undefined, 5);
router.proxy('api', { key: (request) => request.url }).close();
// @ts-expect-error a number of milliseconds
new IntelligentRouter({ slowStartMs: 'soon' });

// Balancer
import { LoadBalancer } from 'tooloo-native/lib/resilience/LoadBalancer.js';
const hashed = new LoadBalancer<{ id: string; zone: string }>('consistent-hash', { zone: 'a', outlier: { failureRate: 0.2 } });
hashed.acquire({ key: 7 })?.done(5, new Error('failed'));
const drained2: Promise<void> = hashed.drainTarget('a');
// @ts-expect-error a key is a text or a number
hashed.nextTarget({ key: {} });
void drained2;

// Dashboard
import { dashboard, type DashboardHandler } from 'tooloo-native';

const page: DashboardHandler = dashboard({
  limiter: { api: new RateLimiter() }, breakers: new Map([['mail', new CircuitBreaker('mail')]]), tracer: [new DistributedTracer()],
  router, health: readiness, token: 'sixteen-characters', intervalMs: 500,
});
createServer(page);
page.close();
// @ts-expect-error a limiter has no operations
dashboard({ tracer: new RateLimiter() });
// @ts-expect-error there is no such panel
dashboard({ caches: [] });

// Layers over processes.
import { DistributedCacheCoordinator, MultiLayerCacheManager } from 'tooloo-native';
const layered = new MultiLayerCacheManager({
  remote: { url: 'redis://127.0.0.1', prefix: 'app:', timeoutMs: 250, compressAboveBytes: 1024, leaseMs: 5000 },
  bus: { channel: 'app', maxStaleMs: 1000 },
  encryption: { key: new Uint8Array(32) },
});
const told: boolean = await layered.invalidate('k');
const byTag: boolean = await layered.invalidateTag('users');
const made: number = await layered.getOrSet('k', (_key, { fencingToken }) => Number(fencingToken ?? 0), { lock: 'distributed' });
const inStep: boolean | null | undefined = (await layered.getStats()).remote?.inStep;
// @ts-expect-error: two kinds of lock there are
layered.getOrSet('k', () => 1, { lock: 'global' });
// @ts-expect-error: a server needs an address
new MultiLayerCacheManager({ remote: {} });
new PersistentCache({ remote: { url: 'rediss://host', caFile: 'ca.pem' }, bus: true });
new DistributedCacheCoordinator(layered, 'a', { engine: { url: 'redis+cluster://a,b' } });
console.log(told, byTag, made, inStep);

// Metrics
import { metrics, metricsHandler, type Counter } from 'tooloo-native';
const orders: Counter<'shop' | 'kind'> = metrics.counter({ name: 'orders_total', help: 'Orders.', labelNames: ['shop', 'kind'] });
orders.inc({ shop: 'a', kind: 1 });
orders.labels({ shop: 'a' }).inc(2);
// @ts-expect-error no such label
orders.inc({ town: 'b' });
metrics.gauge({ name: 'queue', help: 'Waiting.', collect() { this.set(1); } }).dec();
const took: number = metrics.histogram({ name: 'took_seconds', help: 'Time.', buckets: [1, 2] }).startTimer()();
// @ts-expect-error a help text is needed
metrics.counter({ name: 'orders_total' });
createServer(metricsHandler({ gzip: false }));
new PersistentCache({ name: 'prices', metrics: true });
const scraped: { contentType: string; body: Buffer } = metrics.scrape('*/*');
void [took, scraped];

import { Cdn } from 'tooloo-native';
const purging: Promise<void> = new Cdn({ provider: 'fastly', serviceId: 's', token: 't', soft: false }).purge(['a']);
new MultiLayerCacheManager({ cdn: { provider: 'varnish', url: 'http://127.0.0.1:6081' } });
// @ts-expect-error no such provider
new Cdn({ provider: 'akamai' });
void purging;
