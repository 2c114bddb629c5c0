'use strict';
// DistributedTracer. The records are JavaScript objects; ids, sampling, caps and metrics are decided natively (see
// src/trace/mod.rs for why).

const { native } = require('../addon.cjs');
const { performance } = require('node:perf_hooks');
const { middleware } = require('../trace/middleware.cjs');
const { Trace } = require('../trace/records.cjs');
const { Recorder, TracerMetrics } = require('../trace/recorder.cjs');
const { errorOf, text } = require('../trace/text.cjs');

const RECORDER = Symbol('recorder');
const EVICTION = Symbol('eviction');
const UNSAMPLED = Symbol('unsampled');

const key = (id) => (typeof id === 'string' ? id : text(id));
const record = (tracer, traceId) => {
  const trace = tracer.spans.get(key(traceId));
  return Trace.is(trace) ? trace : undefined;
};

class DistributedTracer {
  constructor(options = {}) {
    const recorder = new Recorder(options);
    const { serviceName, maxSpans, flushInterval } = recorder.config;
    this.serviceName = serviceName;
    this.maxSpans = maxSpans;
    this.flushInterval = flushInterval;
    this.spans = new Map();
    this.metrics = new TracerMetrics(recorder);
    const hidden = { writable: true, configurable: true, enumerable: false };
    Object.defineProperties(this, {
      [RECORDER]: { ...hidden, value: recorder },
      // The oldest traces of `map`, as far as they are evicted already.
      [EVICTION]: { ...hidden, value: { map: this.spans, oldest: null } },
      // The unsampled traces that ended last and are still complete.
      [UNSAMPLED]: { ...hidden, value: { traces: [], at: 0, started: 0 } },
      // A timer is a cyclic object: kept off what JSON.stringify and the console see.
      flushTimer: { ...hidden, value: null },
    });
    this.startFlushTimer();
  }

  get samplingRate() {
    return this[RECORDER].config.samplingRate;
  }

  set samplingRate(rate) {
    this[RECORDER].setSamplingRate(rate);
  }

  generateId(kind) {
    return kind === 'trace' ? this[RECORDER].traceId() : this[RECORDER].spanId();
  }

  startTrace(traceId = null, parentSpanId = null, options = undefined) {
    const recorder = this[RECORDER];
    const now = performance.now();
    const id = key(traceId || this.generateId('trace') || recorder.traceId());
    const spanId = key(this.generateId('span') || recorder.spanId());
    const parent = parentSpanId ? key(parentSpanId) : null;
    const drawn = id === recorder.lastTraceId;
    this[UNSAMPLED].started += 1;
    if (!drawn || traceId) {
      const known = this.spans.get(id);
      if (Trace.is(known)) {
        const restarted = !Trace.isOpen(known) || known.remoteParent;
        Trace.restart(known, spanId, parent, Date.now(), now);
        if (restarted) {
          // To the end of the line: the map is ordered by start.
          this.spans.delete(id);
          this.spans.set(id, known);
        }
        return { traceId: id, spanId: known.spanId };
      }
    }
    const sampled = options?.sampled ?? (drawn ? recorder.lastSampled : recorder.samples(id));
    keep(this, new Trace(id, spanId, parent, this.serviceName, sampled === true, Date.now(), now));
    return { traceId: id, spanId };
  }

  startSpan(traceId, operationName, parentSpanId = null) {
    const recorder = this[RECORDER];
    const spanId = key(this.generateId('span') || recorder.spanId());
    if (!traceId) return spanId;
    const now = performance.now();
    const id = key(traceId);
    const parent = parentSpanId ? key(parentSpanId) : null;
    let trace = this.spans.get(id);
    if (!Trace.is(trace)) {
      // The trace was started elsewhere, or here and evicted since: this service's part of it is kept all the same.
      const root = parent ?? recorder.spanId();
      trace = new Trace(id, root, null, this.serviceName, recorder.samples(id), Date.now(), now);
      Trace.markRemote(trace, now);
      keep(this, trace);
    }
    const operation = operationName === undefined || typeof operationName === 'string' ? operationName : text(operationName);
    Trace.addSpan(trace, spanId, operation, parent, now, recorder.config.maxSpansPerTrace);
    return spanId;
  }

  endSpan(traceId, spanId, status = 'success', metadata = {}) {
    const trace = record(this, traceId);
    if (trace === undefined) return;
    const now = performance.now();
    const span = Trace.endSpan(trace, key(spanId), now, key(status), metadata);
    if (span !== undefined) measure(this, span, now);
  }

  endTrace(traceId, status = 'success', metadata = {}) {
    const trace = record(this, traceId);
    if (trace === undefined) return;
    const now = performance.now();
    if (!Trace.end(trace, now, key(status), metadata)) return;
    if (!trace.sampled) retire(this, trace);
    measure(this, trace, now);
  }

  addTag(traceId, name, value) {
    const trace = record(this, traceId);
    if (trace !== undefined) Trace.addTag(trace, key(name), value, this[RECORDER].config.maxTagsPerTrace);
  }

  addLog(traceId, message, level = 'info') {
    const trace = record(this, traceId);
    if (trace === undefined) return;
    Trace.addLog(trace, { timestamp: Date.now(), level, message }, this[RECORDER].config.maxLogsPerTrace);
  }

  getTrace(traceId) {
    return this.spans.get(key(traceId)) ?? null;
  }

  recordMetrics(span) {
    if (typeof span !== 'object' || span === null) return;
    const recorder = this[RECORDER];
    const { operationName } = span;
    const failed = span.status !== 'success';
    const duration = typeof span.duration === 'number' ? span.duration : 0;
    recorder.record(key(operationName || this.serviceName), failed, duration);
    if (!failed || !Array.isArray(this.metrics?.errors)) return;
    const { errors } = this.metrics;
    const { errorsKept, errorText } = recorder.config;
    if (errors.length >= errorsKept) errors.shift();
    errors.push({
      timestamp: new Date().toISOString(),
      span: span.spanId,
      operation: operationName,
      error: errorOf(span.metadata, errorText),
    });
  }

  getMetrics() {
    const recorder = this[RECORDER];
    const { count, averageLatency, errorRate, throughput, avgLatencyMs, p50Ms, p95Ms, p99Ms } = recorder.summary();
    const { errors } = this.metrics;
    return {
      service: this.serviceName,
      activeTraces: this.spans.size,
      totalRequests: count,
      averageLatency,
      errorRate,
      throughput,
      // Not by assignment: an operation may be called `__proto__`.
      requests: Object.fromEntries(recorder.requests()),
      recentErrors: Array.isArray(errors) ? errors.slice(-recorder.config.errorsShown) : [],
      totalTraces: this[UNSAMPLED].started,
      retainedTraces: this.spans.size,
      avgLatencyMs,
      p50Ms,
      p95Ms,
      p99Ms,
      p99LatencyMs: p99Ms,
    };
  }

  cleanup(maxAge = undefined) {
    const recorder = this[RECORDER];
    recorder.drain();
    this[EVICTION].oldest = null;
    const { maxAgeMs, maxOpenMs } = recorder.config;
    const age = typeof maxAge === 'number' ? maxAge : maxAgeMs;
    const now = performance.now();
    const newest = now - Math.min(age, maxOpenMs);
    for (const [id, trace] of this.spans) {
      if (!Trace.is(trace)) continue;
      // Ordered by start: what follows is younger still.
      if (Trace.began(trace) > newest) break;
      const ended = Trace.endedFor(trace, now);
      if (ended === undefined ? now - Trace.began(trace) > maxOpenMs : ended > age) this.spans.delete(id);
    }
  }

  startFlushTimer() {
    const held = new WeakRef(this);
    // A tracer that nobody holds any more takes its timer with it.
    const timer = setInterval(() => {
      const tracer = held.deref();
      if (tracer === undefined) clearInterval(timer);
      else tracer.cleanup();
    }, this.flushInterval);
    timer.unref?.();
    this.flushTimer = timer;
  }

  shutdown() {
    clearInterval(this.flushTimer);
    this.flushTimer = null;
    this[RECORDER].drain();
    this.spans.clear();
    this[UNSAMPLED].traces = [];
    this[EVICTION].oldest = null;
  }

  traceparent(traceId, spanId = undefined) {
    const trace = record(this, traceId);
    return native.traceparentFormat(key(traceId), key(spanId ?? trace?.spanId ?? ''), trace?.sampled ?? false);
  }

  middleware(options = {}) {
    return middleware(this, options);
  }
}

/** Retains a new trace and evicts the oldest beyond `maxSpans`. */
function keep(tracer, trace) {
  const { spans } = tracer;
  spans.set(trace.traceId, trace);
  if (spans.size <= tracer.maxSpans) return;
  const eviction = tracer[EVICTION];
  // One iterator stays at the front of the map: a new one would walk over the holes of earlier evictions each time.
  if (eviction.oldest === null || eviction.map !== spans) {
    eviction.map = spans;
    eviction.oldest = spans.keys();
  }
  while (spans.size > tracer.maxSpans) {
    const { value, done } = eviction.oldest.next();
    if (done) {
      eviction.oldest = null;
      return;
    }
    spans.delete(value);
  }
}

/** Keeps the latest unsampled traces complete, for callers that read them after the end, and outlines the others. */
function retire(tracer, trace) {
  const unsampled = tracer[UNSAMPLED];
  const { traces, at } = unsampled;
  const earlier = traces[at];
  traces[at] = trace;
  unsampled.at = at + 1 === tracer[RECORDER].config.completeUnsampled ? 0 : at + 1;
  if (earlier === undefined || earlier === trace || Trace.isOpen(earlier)) return;
  if (tracer.spans.get(earlier.traceId) === earlier) tracer.spans.set(earlier.traceId, Trace.outline(earlier));
}

function measure(tracer, ended, now) {
  const recorder = tracer[RECORDER];
  recorder.endedAt = now;
  tracer.recordMetrics(ended);
  recorder.endedAt = 0;
}

exports.DistributedTracer = DistributedTracer;
exports.default = DistributedTracer;
Object.defineProperty(exports, '__esModule', { value: true });
