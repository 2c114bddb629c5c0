'use strict';
// Operations and traces. Tags, logs and metadata are the app's own and shown as they are.

const { inspect } = require('node:util');
const { Rates } = require('./rate.cjs');
const { Choice, summaryOf } = require('./trace-list.cjs');

const OPERATIONS = 20;
const ERRORS = 10;
const LONGEST_TEXT = 500;

/** Any value as a short text. */
function text(value) {
  const whole =
    typeof value === 'string'
      ? value
      : inspect(value, { depth: 3, maxArrayLength: 20, maxStringLength: LONGEST_TEXT, breakLength: Infinity });
  return whole.length > LONGEST_TEXT ? `${whole.slice(0, LONGEST_TEXT)}…` : whole;
}

/** Pairs of names and texts. */
const pairs = (object) =>
  object === null || typeof object !== 'object'
    ? []
    : Object.entries(object)
        .slice(0, 200)
        .map(([name, value]) => [text(name), text(value)]);

/** Of sorted numbers, by nearest rank. */
const percentile = (sorted, share) => sorted[Math.max(Math.ceil(sorted.length * share) - 1, 0)] ?? NaN;

class TracerReader {
  #tracer;
  #rates = new Rates();
  #each = new Rates();

  constructor(tracer) {
    this.#tracer = tracer;
  }

  read(now) {
    const metrics = this.#tracer.getMetrics();
    const all = Object.entries(metrics.requests ?? {});
    const failed = all.reduce((sum, [, { errorCount = 0 }]) => sum + errorCount, 0);
    const rates = this.#rates.next({ ended: metrics.totalRequests ?? 0, failed }, now);
    const each = this.#each.next(Object.fromEntries(all.map(([name, { count }]) => [`=${name}`, count])), now);
    const recent = Float64Array.from(this.#tracer.metrics?.latencies ?? []).sort();
    const [p50, p95, p99] = [0.5, 0.95, 0.99].map((share) => percentile(recent, share));
    return {
      service: metrics.service,
      ended: metrics.totalRequests,
      errorRate: metrics.errorRate,
      failed,
      endedPerSecond: rates.ended,
      failedPerSecond: rates.failed,
      // Of the last 1,000; those of the operations count from the start.
      recent: { p50: finite(p50), p95: finite(p95), p99: finite(p99) },
      operationCount: all.length,
      operations: all
        .sort(([, one], [, other]) => other.count - one.count)
        .slice(0, OPERATIONS)
        .map(([name, { count, errorCount, p50Ms, p95Ms, p99Ms }]) => ({
          name: text(name),
          count,
          errorCount,
          p50Ms,
          p95Ms,
          p99Ms,
          perSecond: each[`=${name}`],
        })),
      errors: (metrics.recentErrors ?? [])
        .slice(-ERRORS)
        .reverse()
        .map(({ timestamp, operation, error }) => ({
          timestamp,
          operation: operation === undefined ? '' : text(operation),
          error: text(error),
        })),
      retained: metrics.retainedTraces ?? metrics.activeTraces,
      traces: new Choice(this.#tracer.spans).traces(),
      points: { ended: rates.ended, failed: rates.failed, p50, p95, p99 },
    };
  }

  /** One trace with its spans, for the waterfall; `undefined` when it is not kept. */
  trace(id) {
    const trace = this.#tracer.getTrace(id);
    if (trace === null || trace === undefined) return undefined;
    // The live objects have whole milliseconds of the wall clock, the records microseconds since the trace began.
    const record = this.#tracer.spans?.record?.(id);
    const offsets = new Map(record?.spans().map((span) => [span.id, span.start / 1000]));
    const timed = ({ spanId, parentSpanId, startTime, duration, status, tags, logs, metadata }) => ({
      spanId: text(spanId),
      offsetMs: offsets.get(spanId) ?? startTime - trace.startTime,
      parentSpanId: parentSpanId === null || parentSpanId === undefined ? null : text(parentSpanId),
      startTime,
      durationMs: duration,
      status: text(status),
      tags: pairs(tags),
      logs: (Array.isArray(logs) ? logs : []).map(({ timestamp, level, message }) => ({
        timestamp,
        level: text(level),
        message: text(message),
      })),
      metadata: pairs(metadata),
    });
    return {
      ...summaryOf(trace),
      service: text(trace.service),
      remoteParent: trace.remoteParent === true,
      root: { name: trace.operationName ?? '', ...timed(trace) },
      spans: trace.spans.map((span) => ({ name: text(span.operationName ?? ''), ...timed(span) })),
    };
  }
}

const finite = (number) => (Number.isFinite(number) ? number : null);

module.exports = { TracerReader };
