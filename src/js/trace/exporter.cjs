'use strict';
// Ended traces on their way to the exporter's thread: which of them go, and many of them in one call.

const { native, request } = require('../addon.cjs');
const { Encoder } = require('./encoder.cjs');
const { attend } = require('./endings.cjs');
const { OPEN } = require('./records.cjs');

/** Why a trace goes: see `Reason` in src/trace/export/batch.rs. */
const SAMPLED = 0;
const FAILED = 1;
const SLOW = 2;
/** A trace without a decision that goes, and one that stays. */
const NONE = OPEN;

const MOST_WAIT_MS = 2_147_483_647;

class Exporter {
  #recorder;
  #carried;
  #encoder;
  /** Traces and one of their spans, or null for all, in turns. */
  #pending = [];
  #pendingSpans = 0;
  #timer = null;
  #slow;
  #counts = { tracesLeftOut: 0, tracesRateLimited: 0, tracesUnfinished: 0, spansOverLimit: 0 };

  constructor(recorder, carried) {
    this.#recorder = recorder;
    this.#carried = carried;
    this.#encoder = new Encoder(recorder);
    // In the records' unit.
    this.#slow = recorder.config.slowMs * 1e3;
    attend(this);
  }

  /** Decides about a trace that ended. */
  ended(trace) {
    const reason = trace.sampled ? SAMPLED : this.#late(trace.status, trace.flags & FAILED, trace.duration);
    if (reason === NONE) {
      this.#counts.tracesLeftOut += 1;
      return;
    }
    trace.reason = reason;
    if (trace.droppedSpans > 0) {
      this.#counts.spansOverLimit += trace.droppedSpans;
      trace.droppedSpans = 0;
    }
    this.#push(trace, null, trace.spanCount + 1);
  }

  /** Decides about a span that ended after its trace, or in a trace whose end is another service's. */
  spanEnded(trace, span) {
    let { reason } = trace;
    if (reason === NONE && trace.remote) reason = trace.sampled ? SAMPLED : this.#late(span.status, 0, span.duration);
    if (reason !== NONE) this.#push(trace, span, 1);
  }

  /** Whether what the sampler left out goes all the same. */
  #late(status, failed, duration) {
    const reason = status !== 'success' || failed !== 0 ? FAILED : duration >= this.#slow ? SLOW : NONE;
    return reason === NONE || this.admits() ? reason : NONE;
  }

  /** Whether the rate of traces allows one more. */
  admits() {
    const admitted = !this.#recorder.config.isLimited || this.#recorder.admits();
    if (!admitted) this.#counts.tracesRateLimited += 1;
    return admitted;
  }

  /** Notes that a trace was let go of before it ended. */
  unfinished() {
    this.#counts.tracesUnfinished += 1;
  }

  #push(trace, span, spans) {
    this.#pending.push(trace, span);
    this.#pendingSpans += spans;
    const { handOverSpans, handOverMs } = this.#recorder.config;
    if (this.#pendingSpans >= handOverSpans) this.hand();
    else this.#timer ??= setTimeout(() => this.hand(), handOverMs).unref();
  }

  /** Hands over what is pending here. */
  hand() {
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#pending.length === 0) return;
    const pending = this.#pending;
    this.#pending = [];
    this.#pendingSpans = 0;
    for (let at = 0; at < pending.length; at += 2) {
      const trace = pending[at];
      const reason = trace.reason === NONE ? SAMPLED : trace.reason;
      const state = this.#carried.size === 0 ? '' : this.#carried.get(trace.id)?.tracestate ?? '';
      this.#encoder.add(trace, pending[at + 1], reason, state);
    }
    this.#encoder.push();
  }

  /** Delivers everything that is pending; whether it did in time and nothing was lost since the flush before. */
  async flush({ timeoutMs = 10_000 } = {}) {
    if (typeof timeoutMs !== 'number') throw new TypeError('option "timeoutMs" must be a number');
    if (!(timeoutMs > 0)) throw new RangeError(`option "timeoutMs" must be a positive number of milliseconds, got ${timeoutMs}`);
    this.hand();
    const { handle } = this.#recorder;
    const timer = setTimeout(() => native.tracerGiveUpFlushes(handle), Math.min(timeoutMs, MOST_WAIT_MS));
    try {
      return await request((number) => native.tracerFlush(handle, number));
    } finally {
      clearTimeout(timer);
    }
  }

  /** Likewise, blocking, for a bounded time: at the end of the process. */
  drain() {
    this.hand();
    return native.tracerDrain(this.#recorder.handle);
  }

  stats() {
    const figures = Object.assign({}, native.tracerExportStats(this.#recorder.handle), this.#counts);
    figures.queued += this.#pendingSpans;
    return figures;
  }
}

module.exports = { Exporter };
