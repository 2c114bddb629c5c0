'use strict';
// DistributedTracer. The records are JavaScript objects; ids, sampling, caps and metrics are decided natively (see
// src/trace/mod.rs for why).

const { performance } = require('node:perf_hooks');
const { Carried, extract, inject, run, storage } = require('../trace/context.cjs');
const { EndedTraces } = require('../trace/ended.cjs');
const { Exporter } = require('../trace/exporter.cjs');
const { instrument } = require('../trace/instrument.cjs');
const { middleware } = require('../trace/middleware.cjs');
const { enroll } = require('../metrics/members.cjs');
const { TraceMap } = require('../trace/map.cjs');
const { OPEN, TraceRecord } = require('../trace/records.cjs');
const { Recorder, TracerMetrics } = require('../trace/recorder.cjs');
const { errorOf, text } = require('../trace/text.cjs');
const { format } = require('../trace/traceparent.cjs');
const { wallOffset } = require('../trace/wall.cjs');

const STATE = Symbol('state');

const key = (id) => (typeof id === 'string' ? id : text(id));
/** `null` for everything that is no id, such as an empty array, whose text is empty. */
const given = (id) => (id && key(id)) || null;

class DistributedTracer {
  constructor(options = {}) {
    const recorder = new Recorder(options);
    const { serviceName, maxSpans, flushInterval } = recorder.config;
    this.serviceName = serviceName;
    this.maxSpans = maxSpans;
    this.flushInterval = flushInterval;
    this.spans = new TraceMap();
    this.metrics = new TracerMetrics(recorder);
    const hidden = { writable: true, configurable: true, enumerable: false };
    // Off what JSON.stringify, spreading and the console see.
    Object.defineProperties(this, {
      [STATE]: { ...hidden, value: new State(recorder, this.spans) },
      flushTimer: { ...hidden, value: null },
    });
    const { name = serviceName, metrics } = options;
    enroll('DistributedTracer', this, { name, metrics }, { recorder });
    this.startFlushTimer();
  }

  get samplingRate() {
    return this[STATE].recorder.config.samplingRate;
  }

  set samplingRate(rate) {
    this[STATE].recorder.setSamplingRate(rate);
  }

  generateId(kind) {
    return kind === 'trace' ? this[STATE].recorder.traceId() : this[STATE].recorder.spanId(false);
  }

  startTrace(traceId = null, parentSpanId = null, options = undefined) {
    const { recorder, traces } = this[STATE];
    const now = performance.now();
    const asked = given(traceId);
    const id = asked ?? given(this.generateId('trace')) ?? recorder.traceId();
    const parent = given(parentSpanId);
    const drawn = id === recorder.lastTraceId;
    recorder.started += 1;
    if (!drawn || asked !== null) {
      const known = traces.record(id);
      if (known !== undefined) {
        if (known.restart(this[STATE].spanId(this, known.sampled), recorder.lastNumber, parent, now)) traces.renew(known);
        return { traceId: id, spanId: known.spanId };
      }
    }
    const decided = options?.sampled ?? (asked === null ? undefined : this[STATE].decisionAbout(asked));
    let sampled = decided ?? (drawn ? recorder.lastSampled : recorder.samples(id));
    if (sampled === true && decided === undefined && recorder.config.isLimited) sampled = this[STATE].admits();
    const isSampled = sampled === true;
    const spanId = this[STATE].spanId(this, isSampled);
    traces.keep(new TraceRecord(id, spanId, recorder.lastNumber, parent, this.serviceName, isSampled, now), this.maxSpans);
    return { traceId: id, spanId };
  }

  startSpan(traceId, operationName, parentSpanId = null) {
    const { recorder, traces } = this[STATE];
    const id = given(traceId);
    if (id === null) return this[STATE].spanId(this, false);
    const now = performance.now();
    const parent = given(parentSpanId);
    let trace = traces.record(id);
    if (trace === undefined) {
      // The trace was started elsewhere, or here and evicted since: this service's part of it is kept all the same.
      const sampled = recorder.samples(id);
      trace = new TraceRecord(id, parent ?? recorder.spanId(sampled), -1, null, this.serviceName, sampled, now);
      trace.remote = true;
      traces.keep(trace, this.maxSpans);
    }
    const operation = operationName === undefined || typeof operationName === 'string' ? operationName : text(operationName);
    const spanId = this[STATE].spanId(this, trace.sampled);
    trace.addSpan(spanId, recorder.lastNumber, parent, operation, now, recorder.config.maxSpansPerTrace);
    return spanId;
  }

  endSpan(traceId, spanId, status = 'success', metadata = {}) {
    const trace = this[STATE].traces.record(key(traceId));
    if (trace === undefined) return;
    const now = performance.now();
    const span = trace.endSpan(key(spanId), now, key(status), metadata);
    if (span === undefined) return;
    const { exporter } = this[STATE];
    if (exporter !== null && (trace.duration !== OPEN || trace.remote)) exporter.spanEnded(trace, span);
    measure(this, span, trace, now);
  }

  endTrace(traceId, status = 'success', metadata = {}) {
    const { recorder, traces } = this[STATE];
    const trace = traces.record(key(traceId));
    if (trace === undefined) return;
    const now = performance.now();
    if (!trace.end(now, key(status), metadata)) return;
    const { exporter } = this[STATE];
    if (exporter !== null) exporter.ended(trace);
    // What is exported is to be found there: carrying it on would be most of what tracing costs.
    if (exporter !== null || !trace.sampled) this[STATE].ended.add(trace);
    measure(this, trace, trace, now);
    if (exporter === null && trace.sampled) traces.archive(trace, recorder.sampledSpans);
  }

  addTag(traceId, name, value) {
    const { recorder, traces } = this[STATE];
    traces.record(key(traceId))?.addTag(key(name), value, recorder.config.maxTagsPerTrace);
  }

  addLog(traceId, message, level = 'info') {
    const { recorder, traces } = this[STATE];
    traces.record(key(traceId))?.addLog({ timestamp: Date.now(), level, message }, recorder.config.maxLogsPerTrace);
  }

  /** Tells of a moment in a trace, or in a span of it. */
  addEvent(traceId, name, attributes = {}, spanId = undefined) {
    const { recorder, traces } = this[STATE];
    const event = { timestamp: Date.now(), level: 'info', message: key(name), attributes };
    traces.record(key(traceId))?.addEvent(spanId, event, recorder.config.maxLogsPerTrace);
  }

  /** Links a trace, or a span of it, to a span of another trace. */
  addLink(traceId, link, spanId = undefined) {
    if (typeof link !== 'object' || link === null) throw new TypeError('argument "link" must be { traceId, spanId }');
    const { recorder, traces } = this[STATE];
    const { traceId: linked, spanId: at, attributes } = link;
    const made = { traceId: key(linked), spanId: key(at), attributes };
    traces.record(key(traceId))?.addLink(spanId, made, recorder.config.mostAttributes);
  }

  getTrace(traceId) {
    return this[STATE].traces.get(key(traceId)) ?? null;
  }

  recordMetrics(span) {
    if (typeof span !== 'object' || span === null) return;
    let read;
    try {
      const { operationName, status, duration, spanId, metadata } = span;
      read = [operationName, status, typeof duration === 'number' ? duration : 0, spanId, metadata];
    } catch {
      // A getter of the caller's threw: there is nothing to measure.
      return;
    }
    count(this, performance.now(), ...read);
  }

  getMetrics() {
    const { recorder, traces } = this[STATE];
    const { count, averageLatency, errorRate, throughput, avgLatencyMs, p50Ms, p95Ms, p99Ms } = recorder.summary();
    const errors = this.metrics?.errors;
    const exporter = this.exporterStats();
    return {
      service: this.serviceName,
      activeTraces: traces.size,
      totalRequests: count,
      averageLatency,
      errorRate,
      throughput,
      // Not by assignment: an operation may be called `__proto__`.
      requests: Object.fromEntries(recorder.requests()),
      recentErrors: Array.isArray(errors) ? errors.slice(-recorder.config.errorsShown) : [],
      totalTraces: recorder.started,
      retainedTraces: traces.size,
      avgLatencyMs,
      p50Ms,
      p95Ms,
      p99Ms,
      p99LatencyMs: p99Ms,
      ...(exporter === undefined ? {} : { exporter }),
    };
  }

  cleanup(maxAge = undefined) {
    const { recorder, traces } = this[STATE];
    recorder.drain();
    const { maxAgeMs, maxOpenMs } = recorder.config;
    const age = typeof maxAge === 'number' ? maxAge : maxAgeMs;
    const now = performance.now();
    this[STATE].followClock();
    traces.sweep(now - Math.min(age, maxOpenMs), (trace) => {
      const ended = trace.endedFor(now);
      return ended === undefined ? now - trace.began > maxOpenMs : ended > age;
    });
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
    const state = this[STATE];
    state.recorder.drain();
    // On its way: the promise keeps the process alive until it is settled, for a bounded time.
    state.exporter?.flush({ timeoutMs: state.recorder.config.exitTimeoutMs }).catch(() => {});
    state.traces.clear();
    state.ended.clear();
  }

  /** Delivers what is to be exported; whether it did in time and nothing was lost since the flush before. */
  async flush(options = undefined) {
    const { exporter } = this[STATE];
    return exporter === null ? true : exporter.flush(options);
  }

  /** The exporter's figures, `undefined` where nothing is exported. */
  exporterStats() {
    return this[STATE].exporter?.stats();
  }

  traceparent(traceId, spanId = undefined) {
    const trace = this[STATE].traces.record(key(traceId));
    return format(key(traceId), key(spanId ?? trace?.spanId ?? ''), trace?.sampled ?? false);
  }

  middleware(options = {}) {
    return middleware(this, this[STATE], options);
  }

  /** What came with a request: `[traceId, parentSpanId]` for `startTrace`, or `[]`. */
  extract(headers) {
    return extract(this[STATE].carried, headers);
  }

  inject(traceId, spanId, headers = {}) {
    return inject(this, this[STATE].carried, traceId, spanId, headers);
  }

  run(name, fn, from = []) {
    return run(this, this[STATE].traces, name, fn, from);
  }

  /** The trace and span of the code that runs now. */
  active() {
    return storage.getStore();
  }

  logFields() {
    const active = storage.getStore();
    return active === undefined ? {} : { trace_id: active.traceId, span_id: active.spanId };
  }

  instrument() {
    return instrument(this, this[STATE].carried);
  }
}

/** What a tracer holds beside its public fields. */
class State {
  constructor(recorder, traces) {
    this.recorder = recorder;
    this.traces = traces;
    this.carried = new Carried();
    this.wallOffset = wallOffset();
    // Unsampled or exported ones. One that was started once more, or has a span that is still open, stays.
    this.ended = new EndedTraces(recorder.config, (trace) => {
      if (!trace.isOpen && trace.openSpans === 0) traces.forget(trace);
    });
    this.exporter = recorder.config.isExporting ? new Exporter(recorder, this.carried) : null;
    if (this.exporter === null) return;
    traces.lost = (trace) => {
      if (trace.sampled && (!trace.remote || trace.openSpans > 0)) this.exporter.unfinished();
    };
  }

  /** An id for a span of the tracer's, with its number in the recorder's `lastNumber`. */
  spanId(tracer, sampled) {
    const { recorder } = this;
    if (tracer.generateId === generateId) return recorder.spanId(sampled);
    const id = given(tracer.generateId('span')) ?? recorder.spanId(sampled);
    recorder.lastNumber = -1;
    return id;
  }

  /** Dates the traces kept by the wall clock as it was until now, where it was set or the machine slept. */
  followClock() {
    const offset = wallOffset();
    if (Math.abs(offset - this.wallOffset) > this.recorder.config.clockStepMs) this.traces.date(this.wallOffset);
    this.wallOffset = offset;
  }

  /** What another service decided about a trace, where that holds here. */
  decisionAbout(traceId) {
    return this.recorder.config.isParentBased ? this.carried.get(traceId)?.sampled : undefined;
  }

  /** Whether the rate of traces allows one more. */
  admits() {
    return this.exporter === null ? this.recorder.admits() : this.exporter.admits();
  }
}

const { generateId, recordMetrics } = DistributedTracer.prototype;

/** Counts what ended; through the hook, with the live object, when somebody has patched it. */
function measure(tracer, ended, trace, now) {
  if (tracer.recordMetrics === recordMetrics) {
    count(tracer, now, ended.operation, ended.status, ended.duration / 1e3, ended.spanId ?? ended.id, ended.metadata);
  } else {
    tracer.recordMetrics(ended.object(trace));
  }
}

function count(tracer, now, operation, status, duration, spanId, metadata) {
  const { recorder } = tracer[STATE];
  const failed = status !== 'success';
  recorder.record(key(operation || tracer.serviceName), failed, duration, now);
  if (!failed) return;
  const errors = tracer.metrics?.errors;
  if (!Array.isArray(errors)) return;
  const { errorsKept, errorText } = recorder.config;
  if (errors.length >= errorsKept) errors.shift();
  errors.push({
    timestamp: new Date().toISOString(),
    span: spanId,
    operation,
    error: errorOf(metadata, errorText),
  });
}

exports.DistributedTracer = DistributedTracer;
exports.default = DistributedTracer;
Object.defineProperty(exports, '__esModule', { value: true });
