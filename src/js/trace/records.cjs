'use strict';
// Traces and spans as callers read them: live objects with public fields. What only the tracer needs (the monotonic
// start, whether it is open) is private, so that it shows neither in JSON nor on the console.

const IN_PROGRESS = 'in-progress';
/** From this many spans on, a trace finds them through a Map. */
const INDEXED_FROM = 32;
/** How many of the oldest spans are looked at for an ended one that can go first. */
const DROP_WINDOW = 8;

const rounded = (millis) => Math.round(millis * 1e3) / 1e3;

class Span {
  #began;
  #open = true;

  constructor(spanId, traceId, parentSpanId, operationName, startTime, began) {
    this.spanId = spanId;
    this.traceId = traceId;
    this.parentSpanId = parentSpanId;
    this.operationName = operationName;
    this.startTime = startTime;
    this.duration = null;
    this.status = IN_PROGRESS;
    this.tags = {};
    this.logs = [];
    this.#began = began;
  }

  static isOpen(span) {
    return #open in span && span.#open;
  }

  /** Ends the span, unless it was ended before: the first end wins. */
  static end(span, now, status, metadata) {
    if (!span.#open) return false;
    span.#open = false;
    span.duration = rounded(now - span.#began);
    span.status = status;
    span.endTime = Math.round(span.startTime + span.duration);
    span.metadata = metadata;
    return true;
  }
}

class Trace {
  #began;
  #open = true;
  #touched = 0;
  #openSpans = 0;
  #tags = 0;
  #index = null;

  constructor(traceId, spanId, parentSpanId, service, sampled, startTime, began) {
    this.traceId = traceId;
    this.spanId = spanId;
    this.parentSpanId = parentSpanId;
    this.startTime = startTime;
    this.duration = null;
    this.service = service;
    this.status = IN_PROGRESS;
    this.tags = {};
    this.logs = [];
    this.spans = [];
    this.sampled = sampled;
    this.#began = began;
  }

  /** Whether a value out of the public `spans` map is a record of ours. */
  static is(value) {
    return typeof value === 'object' && value !== null && #open in value;
  }

  static isOpen(trace) {
    return trace.#open;
  }

  static began(trace) {
    return trace.#began;
  }

  /** Milliseconds since the trace ended or, for one that is open, `undefined`. */
  static endedFor(trace, now) {
    if (!trace.#open) return now - trace.#touched;
    // The part of somebody else's trace: nobody here ends it, so it is over when its spans are.
    return trace.remoteParent && trace.#openSpans === 0 ? now - trace.#touched : undefined;
  }

  /** Marks the record as the part of a trace that was started elsewhere, or here before it was evicted. */
  static markRemote(trace, now) {
    trace.remoteParent = true;
    trace.#touched = now;
  }

  /** Starts a known trace once more: its spans, tags and logs stay, its clock starts anew. */
  static restart(trace, spanId, parentSpanId, startTime, now) {
    if (parentSpanId !== null) trace.parentSpanId = parentSpanId;
    if (trace.#open && !trace.remoteParent) return;
    if (!trace.#open) trace.spanId = spanId;
    delete trace.remoteParent;
    delete trace.endTime;
    delete trace.metadata;
    trace.#open = true;
    trace.#began = now;
    trace.startTime = startTime;
    trace.duration = null;
    trace.status = IN_PROGRESS;
  }

  /** Ends the trace, unless it was ended before: the first end wins. */
  static end(trace, now, status, metadata) {
    if (!trace.#open) return false;
    trace.#open = false;
    trace.#touched = now;
    trace.duration = rounded(now - trace.#began);
    trace.status = status;
    trace.endTime = Math.round(trace.startTime + trace.duration);
    trace.metadata = metadata;
    return true;
  }

  static addSpan(trace, spanId, operationName, parentSpanId, now, most) {
    // The wall clock is read once for a trace, so a step of it in between does not tear the trace apart.
    const startTime = Math.floor(trace.startTime + (now - trace.#began));
    const span = new Span(spanId, trace.traceId, parentSpanId, operationName, startTime, now);
    const { spans } = trace;
    if (!Array.isArray(spans)) return;
    if (spans.length >= most) trace.#dropSpan(spans);
    spans.push(span);
    trace.#openSpans += 1;
    if (trace.#index !== null) trace.#index.set(spanId, span);
    else if (spans.length >= INDEXED_FROM) trace.#index = new Map(spans.map((each) => [each?.spanId, each]));
  }

  /** Makes room: an ended span among the oldest goes first, so that one still open can be measured. */
  #dropSpan(spans) {
    let at = 0;
    for (let index = 0; index < Math.min(DROP_WINDOW, spans.length); index += 1) {
      if (Span.isOpen(spans[index])) continue;
      at = index;
      break;
    }
    const dropped = at === 0 ? spans.shift() : spans.splice(at, 1)[0];
    if (Span.isOpen(dropped)) this.#openSpans -= 1;
    this.#index?.delete(dropped.spanId);
  }

  /** Ends a span and returns it, if there is such a span and it was open. */
  static endSpan(trace, spanId, now, status, metadata) {
    const span = trace.#find(spanId);
    if (span === undefined || !Span.end(span, now, status, metadata)) return undefined;
    trace.#openSpans -= 1;
    if (trace.#open) trace.#touched = now;
    return span;
  }

  static findSpan(trace, spanId) {
    return trace.#find(spanId);
  }

  #find(spanId) {
    if (this.#index !== null) return this.#index.get(spanId);
    const { spans } = this;
    if (!Array.isArray(spans)) return undefined;
    for (let index = spans.length - 1; index >= 0; index -= 1) {
      const span = spans[index];
      if (span?.spanId === spanId && span instanceof Span) return span;
    }
    return undefined;
  }

  static addTag(trace, key, value, most) {
    const { tags } = trace;
    if (typeof tags !== 'object' || tags === null) return;
    if (!Object.prototype.hasOwnProperty.call(tags, key)) {
      if (trace.#tags >= most) return;
      trace.#tags += 1;
      if (key === '__proto__') {
        Object.defineProperty(tags, key, { value, writable: true, enumerable: true, configurable: true });
        return;
      }
    }
    tags[key] = value;
  }

  static addLog(trace, log, most) {
    const { logs } = trace;
    if (!Array.isArray(logs)) return;
    if (logs.length >= most) logs.shift();
    logs.push(log);
  }

  /** A copy of an ended trace without spans, tags, logs and metadata. */
  static outline(trace) {
    const copy = new Trace(
      trace.traceId,
      trace.spanId,
      trace.parentSpanId,
      trace.service,
      trace.sampled,
      trace.startTime,
      trace.#began,
    );
    copy.#open = false;
    copy.#touched = trace.#touched;
    copy.duration = trace.duration;
    copy.status = trace.status;
    copy.endTime = trace.endTime;
    copy.metadata = {};
    return copy;
  }
}

module.exports = { Span, Trace };
