'use strict';
// A tracer's native half as JavaScript sees it: ids out of blocks, completions into a log that is drained at once.

const { native } = require('../addon.cjs');
const os = require('node:os');
const { performance } = require('node:perf_hooks');

/** Completions that wait for one native call. */
const LOG_ENTRIES = 1024;
const TRACE_DIGITS = 32;
const SPAN_DIGITS = 16;
const TAKEN = '1'.charCodeAt(0);
/** Numbers of ids begin anew behind it, so that they stay small integers. */
const NUMBERS = 0x3fffffff;

/** Names and values in turn; `undefined` and `null` values are not given. */
function flat(option, object) {
  if (object === undefined || object === null) return [];
  if (typeof object !== 'object') throw new TypeError(`option "${option}" must be an object`);
  return Object.entries(object).filter(([, value]) => value !== undefined && value !== null).map(([name, value]) => {
    // Without the value: it may be a secret.
    if (typeof value !== 'string' && !(typeof value === 'number' && option.endsWith('resource'))) {
      throw new TypeError(`option "${option}" must hold texts, "${name}" is none`);
    }
    return [name, String(value)];
  }).flat();
}

/** `exporter.otlp` as an object; `null` where it is left to the environment, `false` where there is to be no export. */
function otlpOf(exporter) {
  if (exporter === undefined || exporter === null) return null;
  if (exporter === false) return false;
  const otlp = typeof exporter === 'object' ? exporter.otlp : undefined;
  if (otlp === false || otlp === true) return otlp && {};
  if (typeof otlp !== 'object' || otlp === null) throw new TypeError('option "exporter" must be false or { otlp: { endpoint, … } }');
  return otlp;
}

/** Opens the native half; `[handle, warning…]`. */
function open(options) {
  if (options === null || typeof options !== 'object') return native.tracerOpen(options, null, [], [], [], {});
  const otlp = otlpOf(options.exporter);
  if (otlp === false) return native.tracerOpen(options, null, [], [], [], {});
  const ours = {
    'host.name': os.hostname(),
    'process.pid': process.pid,
    'process.runtime.name': 'nodejs',
    'process.runtime.version': process.versions.node,
  };
  const lists = ['headers', 'resource'].map((name) => flat(`exporter.otlp.${name}`, otlp?.[name]));
  return native.tracerOpen(options, otlp, ...lists, flat('resource', ours), process.env);
}

/** Ids side by side in one string. */
class Block {
  ids = '';
  #digits;
  /** How many were taken. */
  taken = 0;
  /** The number of the first one, where they are numbered. */
  first = 0;

  constructor(digits) {
    this.#digits = digits;
  }

  fill(ids) {
    this.ids = ids;
    this.taken = 0;
  }

  get isUsedUp() {
    return this.taken * this.#digits === this.ids.length;
  }

  /** Where the id of this number is, -1 when it is not one of those that were taken. */
  place(number) {
    const at = number - this.first;
    return at >= 0 && at < this.taken ? at : -1;
  }

  take() {
    const at = this.taken++ * this.#digits;
    return this.ids.slice(at, at + this.#digits);
  }
}

const closing = new FinalizationRegistry((handle) => native.tracerClose(handle));

class Recorder {
  #handle;
  #idsKept;
  /** Which of the traces to come are sampled: see src/trace/id.rs. */
  #decisions = '';
  #decided = 0;
  #takenTraces = new Block(TRACE_DIGITS);
  #leftTraces = new Block(TRACE_DIGITS);
  /** Ids for spans of sampled traces, which are numbered, and of others. */
  sampledSpans = new Block(SPAN_DIGITS);
  #leftSpans = new Block(SPAN_DIGITS);
  #spansOfBlock;
  #slots = new Map();
  #log;
  #logged = 0;
  /** The id that `traceId()` gave last, and whether its trace is to be exported. */
  lastTraceId = '';
  lastSampled = false;
  /** The number of the id that `spanId()` gave last, by which native code knows it for a while; -1 when it does not. */
  lastNumber = -1;
  /** Traces started, sampled or not. */
  started = 0;

  constructor(options) {
    const [handle, ...warnings] = open(options);
    this.#handle = handle;
    for (const warning of warnings) process.emitWarning(warning, { type: 'TooLooWarning', code: 'TOOLOO_OTEL' });
    // A copy, because what native code puts together property by property is slow to read.
    this.config = Object.assign({}, native.tracerConfig(this.#handle));
    this.#idsKept = this.config.idsKept;
    this.#spansOfBlock = this.config.idBlockSpans;
    this.sampledSpans.first = -this.#spansOfBlock;
    this.#log = new Float64Array(LOG_ENTRIES * this.config.logWidth);
    // The metrics outlive the tracer when a caller keeps them, so the handle lives as long as this object.
    closing.register(this, this.#handle);
  }

  get handle() {
    return this.#handle;
  }

  traceId() {
    if (this.#decided === this.#decisions.length) {
      const [decisions, taken, left] = native.tracerTraceIds(this.#handle);
      this.#decisions = decisions;
      this.#decided = 0;
      this.#takenTraces.fill(taken);
      this.#leftTraces.fill(left);
    }
    this.lastSampled = this.#decisions.charCodeAt(this.#decided++) === TAKEN;
    return (this.lastTraceId = (this.lastSampled ? this.#takenTraces : this.#leftTraces).take());
  }

  /** An id for a span of a trace that is sampled, or that is not. */
  spanId(sampled) {
    const block = sampled ? this.sampledSpans : this.#leftSpans;
    if (block.isUsedUp) {
      block.fill(native.tracerSpanIds(this.#handle, sampled));
      if (sampled) this.sampledSpans.first = (this.sampledSpans.first + this.#spansOfBlock) & NUMBERS;
    }
    this.lastNumber = sampled ? this.sampledSpans.first + block.taken : -1;
    return block.take();
  }

  /** Whether native code still knows the id of this number. */
  knows(number) {
    return number >= 0 && ((this.sampledSpans.first + this.#spansOfBlock - number) & NUMBERS) <= this.#idsKept;
  }

  /** The sampling decision for an id that came from elsewhere. */
  samples(traceId) {
    return native.tracerSamples(this.#handle, traceId);
  }

  /** Whether the rate of traces allows one more. */
  admits() {
    return native.tracerAdmits(this.#handle, performance.now());
  }

  /** Hands spans to the exporter's thread: see ./encoder.cjs. */
  push(text, numbers, count, spans) {
    native.tracerPush(this.#handle, text, numbers, count, spans, performance.now());
  }

  setSamplingRate(samplingRate) {
    this.config.samplingRate = native.tracerSetRate(this.#handle, { samplingRate });
    this.#decided = this.#decisions.length;
  }

  /** Counts a completion of the named operation, which ended at `now`. */
  record(operation, failed, duration, now) {
    const slot = this.#slots.get(operation) ?? this.#slot(operation);
    const at = this.#logged * 3;
    const log = this.#log;
    log[at] = slot * 2 + (failed ? 1 : 0);
    log[at + 1] = duration;
    log[at + 2] = now;
    this.#logged += 1;
    if (this.#logged === LOG_ENTRIES) this.drain();
  }

  #slot(operation) {
    const slot = native.tracerSlot(this.#handle, operation);
    // The overflow slot has no end of names, and a long name would be kept whole.
    if (slot !== 0 && operation.length <= this.config.nameChars) this.#slots.set(operation, slot);
    return slot;
  }

  /** Hands the log over. */
  drain() {
    if (this.#logged === 0) return;
    const entries = this.#logged;
    this.#logged = 0;
    native.tracerRecord(this.#handle, this.#log, entries);
  }

  /** Tells the registry of metrics, where the tracer is the given member. */
  report(member) {
    this.drain();
    native.tracerReport(this.#handle, member);
  }

  summary() {
    this.drain();
    return native.tracerSummary(this.#handle, performance.now());
  }

  latencies() {
    this.drain();
    return native.tracerLatencies(this.#handle);
  }

  /** Operation name → its figures. */
  requests() {
    this.drain();
    const flat = native.tracerOperations(this.#handle);
    const requests = new Map();
    for (let at = 0; at < flat.length; at += 8) {
      const [name, count, errorCount, totalLatency, p50Ms, p95Ms, p99Ms, avgLatency] = flat.slice(at, at + 8);
      const successCount = count - errorCount;
      requests.set(name, { count, successCount, errorCount, totalLatency, avgLatency, p50Ms, p95Ms, p99Ms });
    }
    return requests;
  }
}

/** The `metrics` field: figures are read from the native half when they are asked for. */
class TracerMetrics {
  constructor(recorder) {
    /** The last failed completions, oldest first. */
    this.errors = [];
    const figures = {
      requests: () => recorder.requests(),
      latencies: () => recorder.latencies(),
      throughput: () => recorder.summary().perSecond,
    };
    for (const [name, get] of Object.entries(figures)) {
      // Code that resets the figures by assignment must not break; they are kept natively and stay as they are.
      Object.defineProperty(this, name, { get, set() {}, enumerable: true, configurable: true });
    }
  }
}

module.exports = { Recorder, TracerMetrics };
