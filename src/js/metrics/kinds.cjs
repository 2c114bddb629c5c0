'use strict';
// How the figures of each class are read, in the order of the columns in src/metrics/catalogue.rs. `counters` must not
// need the instance: it is read once more when that is gone. `field` names the public object with the counters, which a
// caller may have replaced.

const { performance } = require('node:perf_hooks');
const { statsOf } = require('../pool/timed.cjs');
const { native } = require('../addon.cjs');

/** Traces, the newest ones, that are looked at for exemplars, and spans of each. */
const EXEMPLAR_TRACES = 32;
const EXEMPLAR_SPANS = 8;
const OPEN = -1;

const NOT_EXPORTED = Object.freeze({ exported: 0, droppedQueueFull: 0, droppedFailed: 0, rejected: 0, queued: 0 });
const flag = (is) => (is ? 1 : 0);
const none = () => [];

let lastUtilization;

const KINDS = {
  PersistentCache: {
    field: 'stats',
    counters: ({ stats, counts: { lower, shared, disk, remote }, evicted }) => [
      Math.max(stats.hits - lower, 0), lower, stats.misses, stats.writes, evicted, shared, disk, remote,
    ],
    before: (cache, held) => {
      held.evicted = cache.getStats().evictions;
    },
    gauges: (cache, { handle }) => [cache.memoryCache.size, cache.maxMemoryItems, ...native.cachePending(handle)],
  },
  MemoryCacheLayer: {
    field: 'stats',
    counters: ({ stats }) => [stats.hits, stats.misses, stats.writes, stats.evictions, stats.expirations],
    gauges: (layer) => [layer.cache.size, layer.maxSize],
  },
  DiskCacheLayer: {
    field: 'stats',
    counters: ({ stats }) => [stats.hits, stats.misses, stats.writes, stats.deletes],
    gauges: ({ stats }) => [stats.currentSize],
  },
  MultiLayerCacheManager: {
    field: 'stats',
    counters: ({ stats }) => [
      stats.memoryHits, stats.diskHits, stats.remoteHits ?? 0, stats.misses, stats.writes, stats.promotions, stats.invalidations,
    ],
    gauges: none,
  },
  ConnectionPool: {
    counters: (held) => {
      const { acquired, created, closed, failures, retries, timeouts } = statsOf(held);
      const { errors, waits, queries } = held.timed;
      return [acquired, created, closed, failures, retries, timeouts, errors, ...waits.cells, ...queries.cells];
    },
    gauges: (pool) => {
      const { activeCount, availableConnections, creating, maxConnections, waitingRequests } = pool.getStats();
      return [activeCount, availableConnections, creating, maxConnections, waitingRequests];
    },
  },
  QueryOptimizer: {
    counters: ({ handle, counters, sent }) => [
      ...counters, sent.merged, sent.deduplicated, sent.statementsSent, native.querySlowSeen(handle),
    ],
    gauges: (optimizer) => {
      const { queueSize, activeBatches } = optimizer.getStats();
      return [queueSize, activeBatches];
    },
  },
  RateLimiter: {
    field: 'stats',
    counters: ({ stats, waits }) => [stats.allowedRequests, stats.deniedRequests, stats.queuedRequests, ...waits.cells],
    gauges: ({ buckets }, { waiters }) => [waiters.deref()?.size ?? 0, buckets.size],
  },
  DistributedTracer: {
    before: (tracer, held) => {
      held.spans = tracer.exporterStats() ?? NOT_EXPORTED;
    },
    counters: ({ recorder, spans = NOT_EXPORTED }) => [
      recorder.started, spans.exported, spans.droppedQueueFull, spans.droppedFailed, spans.rejected,
    ],
    gauges: ({ spans }, held) => [held.spans.queued, spans.size],
    part: 'Operation',
    report: ({ recorder }, part) => recorder.report(part),
    also: exemplars,
  },
  CircuitBreaker: {
    field: 'metrics',
    counters: ({ stats, counts }) => [stats.totalSuccesses, stats.totalFailures, counts.rejected],
    gauges: ({ state }) => [flag(state === 'CLOSED'), flag(state === 'OPEN'), flag(state === 'HALF_OPEN')],
  },
  RequestDeduplicator: {
    field: 'metrics',
    counters: ({ stats }) => [stats.cacheMisses, stats.dedupHits, stats.cacheHits, stats.evictions],
    gauges: ({ pending, cache }) => [pending.size, cache.size],
  },
  retry: { counters: ({ stats }) => [stats.calls, stats.repeats, stats.givenUp], gauges: none },
  hedge: { counters: ({ stats }) => [stats.calls, stats.launched, stats.won], gauges: none },
  Bulkhead: {
    counters: ({ stats }) => [stats.calls, stats.rejected],
    gauges: ({ active, waiting }) => [active, waiting],
  },
  RetryBudget: { counters: none, gauges: ({ balance }) => [balance] },
  ProviderQualityLearner: {
    field: 'metrics',
    counters: ({ stats }) => [stats.totalRecords, stats.recommendations],
    gauges: none,
  },
  HealthMonitor: {
    counters: ({ stats }) => [stats.checksRun, stats.checkFailures],
    gauges: ({ stats }) => [stats.healthyServices, stats.unhealthyServices],
    before: (monitor, held) => {
      held.stats = monitor.stats;
    },
    part: 'HealthService',
    rows: ({ services }) => Array.from(services, ([name, { status }]) => [name, [flag(status === 'healthy')]]),
  },
  IntelligentRouter: {
    field: 'stats',
    counters: ({ stats }) => [stats.routeCount, stats.errors, stats.circuitBreakerTrips],
    gauges: ({ targets }) => [targets.size],
    part: 'RouterService',
    rows: ({ targets }) => Array.from(targets, ([name, service]) => [name, [service.size]]),
  },
  LoadBalancer: {
    field: 'stats',
    counters: ({ stats }) => [stats.requestsServed],
    gauges: ({ targets }) => [targets.length],
  },
  HorizontalScalingManager: {
    field: 'stats',
    counters: ({ stats }) => [stats.totalInstancesSpawned, stats.totalInstancesTerminated, stats.failedScaleAttempts],
    gauges: none,
    part: 'ScalingService',
    rows: ({ instances }) => Array.from(instances, ([name, { size }]) => [name, [size]]),
  },
  AutoScalingDecisionEngine: {
    field: 'stats',
    counters: ({ stats }) => [stats.scaleUpDecisions, stats.scaleDownDecisions, stats.holdDecisions],
    gauges: none,
  },
  ReadinessProbe: {
    field: 'stats',
    counters: ({ stats }) => [stats.probePassCount, stats.probeFailureCount],
    gauges: ({ probeStatus }) => {
      let failing = 0;
      for (const { status } of probeStatus.values()) failing += flag(status === 'not-ready' || status === 'error');
      return [probeStatus.size, failing];
    },
  },
  DistributedCacheCoordinator: {
    field: 'stats',
    counters: ({ stats }) => [stats.broadcastsSent, stats.broadcastsReceived, stats.conflictsResolved, stats.peerFailures],
    gauges: none,
  },
  process: {
    counters: () => {
      const { user, system } = process.cpuUsage();
      return [(user + system) / 1e6];
    },
    gauges: () => {
      const { rss, heapTotal, heapUsed, external } = process.memoryUsage();
      const now = performance.eventLoopUtilization();
      const { utilization } = lastUtilization === undefined ? now : performance.eventLoopUtilization(now, lastUtilization);
      lastUtilization = now;
      return [rss, performance.timeOrigin / 1e3, heapTotal, heapUsed, external, utilization];
    },
  },
};

/** The newest traces that are exported, as examples of what the histograms count. */
function exemplars(tracer, part) {
  for (const trace of tracer.spans.newestRecords?.(EXEMPLAR_TRACES) ?? []) {
    if (!trace.sampled) continue;
    const tell = ({ operation, duration }, spanId, start) => {
      if (duration === OPEN) return;
      const label = operation || tracer.serviceName;
      if (typeof label !== 'string') return;
      native.metricsExemplar(part, label, duration / 1e6, trace.id, spanId, trace.wallTime() + (start + duration) / 1e3);
    };
    tell(trace, trace.spanId, 0);
    let left = EXEMPLAR_SPANS;
    for (let span = trace.newest; span !== null && left > 0; span = span.previous, left -= 1) tell(span, span.id, span.start);
  }
}

module.exports = { KINDS };
