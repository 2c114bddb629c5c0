'use strict';
// What the tracer keeps of traces and spans: small flat records, and the live objects that callers read, made from a
// record the first time somebody asks for it and kept in step with it from then on. Most traces are never looked at,
// and what survives young garbage collections is most of a tracer's cost.
//
// Times are whole microseconds since the trace began, which V8 keeps without a box; -1 means "still open".

const { Tags } = require('./tags.cjs');
const { wallOffset } = require('./wall.cjs');

const IN_PROGRESS = 'in-progress';
const OPEN = -1;
/** Bits of `flags`, some of them as the exporter hands them over: see src/trace/export/convention.rs. */
const FLAGS = {
  /** A span of the trace failed. */
  FAILED: 1,
  /** A request that came in through the middleware, and that it came over TLS. */
  SERVED: 16,
  TLS: 32,
  /** Exported, or about to be. */
  SENT: 64,
};
/** From this many spans on, a trace finds them through a Map instead of a list: what ends next is mostly what began last. */
const INDEXED_FROM = 128;
/** How many of the oldest spans are looked at for an ended one that can go first. */
const DROP_WINDOW = 8;

const micros = (millis) => Math.round(millis * 1e3);

/** Shows changes in a live object; a change to `undefined` takes the property away. */
function show(live, changes) {
  for (const [name, value] of Object.entries(changes)) {
    if (value === undefined) Reflect.deleteProperty(live, name);
    else Reflect.set(live, name, value);
  }
}

/** Appends to a live array, if it still is one, and takes the first item away when it is full. */
function append(array, item, most) {
  if (!Array.isArray(array) || !Object.isExtensible(array)) return;
  if (array.length >= most) array.shift();
  array.push(item);
}

class SpanRecord {
  constructor(id, number, parent, parentNumber, operation, start, previous) {
    this.id = id;
    /** The number of an id that was drawn here, -1 for others: see `lastNumber` in ./recorder.cjs. */
    this.number = number;
    this.parent = parent;
    this.parentNumber = parentNumber;
    this.operation = operation;
    this.start = start;
    this.duration = OPEN;
    this.status = IN_PROGRESS;
    this.metadata = undefined;
    this.flags = 0;
    this.links = null;
    this.previous = previous;
    this.live = null;
  }

  object(trace) {
    if (this.live !== null) return this.live;
    this.live = {
      spanId: this.id,
      traceId: trace.id,
      parentSpanId: this.parent,
      operationName: this.operation,
      // The wall clock is read once for a trace, so a step of it does not tear the trace apart.
      startTime: Math.floor(trace.wallTime() + this.start / 1e3),
      duration: null,
      status: IN_PROGRESS,
      tags: {},
      logs: [],
    };
    if (this.links !== null) this.live.links = this.links;
    if (this.duration !== OPEN) showEnd(this);
    return this.live;
  }
}

class TraceRecord {
  constructor(id, spanId, number, parent, service, sampled, began) {
    this.id = id;
    this.spanId = spanId;
    this.number = number;
    this.parent = parent;
    this.service = service;
    this.sampled = sampled;
    /** When it began: in the time of `performance.now()`, and by the wall clock once somebody asked. */
    this.began = began;
    this.wall = null;
    this.duration = OPEN;
    this.status = IN_PROGRESS;
    this.metadata = undefined;
    this.operation = undefined;
    this.flags = 0;
    /** Why the trace is exported, once it ended: see ./exporter.cjs. */
    this.reason = OPEN;
    this.links = null;
    this.tags = null;
    this.logs = null;
    /** The newest span; older ones follow through `previous`. */
    this.newest = null;
    /** Span id → span, in the order of their start, once there are many. */
    this.index = null;
    this.spanCount = 0;
    this.droppedSpans = 0;
    this.openSpans = 0;
    /** Microseconds from the beginning to the last thing that happened. */
    this.touched = 0;
    /** The part of a trace that was started elsewhere, or here before it was evicted. */
    this.remote = false;
    this.live = null;
    /** Its place in the map that holds it, -1 when none does: see ./map.cjs. */
    this.slot = -1;
  }

  /** When it began, in milliseconds of the wall clock, with fractions. */
  wallTime() {
    return (this.wall ??= this.began + wallOffset());
  }

  /** The live object. */
  object() {
    if (this.live !== null) return this.live;
    this.live = {
      traceId: this.id,
      spanId: this.spanId,
      parentSpanId: this.parent,
      startTime: Math.floor(this.wallTime()),
      duration: null,
      service: this.service,
      status: IN_PROGRESS,
      tags: (this.tags ??= new Tags()).object(),
      logs: (this.logs ??= []),
      spans: this.spans().map((span) => span.object(this)),
      sampled: this.sampled,
    };
    if (this.operation !== undefined) this.live.operationName = this.operation;
    if (this.remote) this.live.remoteParent = true;
    if (this.links !== null) this.live.links = this.links;
    if (this.duration !== OPEN) showEnd(this);
    return this.live;
  }

  /** The spans, oldest first. */
  spans() {
    if (this.index !== null) return [...this.index.values()];
    const spans = [];
    for (let span = this.newest; span !== null; span = span.previous) spans.push(span);
    return spans.reverse();
  }

  /** Notes that the spans which ended are exported. */
  sent() {
    const note = (span) => {
      if (span.duration !== OPEN) span.flags |= FLAGS.SENT;
    };
    if (this.index !== null) this.index.forEach(note);
    else for (let span = this.newest; span !== null; span = span.previous) note(span);
  }

  find(spanId) {
    if (this.index !== null) return this.index.get(spanId);
    let span = this.newest;
    while (span !== null && span.id !== spanId) span = span.previous;
    return span ?? undefined;
  }

  addSpan(spanId, number, parent, operation, now, most) {
    this.touched = micros(now - this.began);
    if (this.spanCount >= most) this.dropSpan();
    const previous = this.newest;
    const above = parent === null ? -1 : this.numberOf(parent, previous);
    const span = new SpanRecord(spanId, number, parent, above, operation, this.touched, previous);
    this.spanCount += 1;
    this.openSpans += 1;
    if (this.index !== null) {
      this.index.set(spanId, span);
    } else {
      this.newest = span;
      if (this.spanCount >= INDEXED_FROM) this.buildIndex();
    }
    if (this.live !== null) append(this.live.spans, span.object(this), Infinity);
  }

  /** The number of a parent's id, where it is that of the trace, of the span before or of that one's parent; or -1. */
  numberOf(parent, previous) {
    if (parent === this.spanId) return this.number;
    if (previous === null) return -1;
    return parent === previous.id ? previous.number : parent === previous.parent ? previous.parentNumber : -1;
  }

  buildIndex() {
    const spans = this.spans();
    this.index = new Map(spans.map((span) => [span.id, span]));
    for (const span of spans) span.previous = null;
    this.newest = null;
    this.spanCount = this.index.size;
  }

  /** Makes room: an ended span among the oldest goes first, so that one still open can be measured. */
  dropSpan() {
    if (this.index === null) this.buildIndex();
    let oldest;
    let looked = 0;
    for (const span of this.index.values()) {
      oldest ??= span;
      if (span.duration !== OPEN) oldest = span;
      looked += 1;
      if (span.duration !== OPEN || looked === DROP_WINDOW) break;
    }
    if (oldest === undefined) return;
    this.index.delete(oldest.id);
    this.droppedSpans += 1;
    this.spanCount = this.index.size;
    if (oldest.duration === OPEN) this.openSpans -= 1;
    const shown = this.live?.spans;
    if (Array.isArray(shown) && Object.isExtensible(shown) && shown.includes(oldest.live)) shown.splice(shown.indexOf(oldest.live), 1);
  }

  /** Ends a span and returns it, if there is such a span and it was open: the first end wins. */
  endSpan(spanId, now, status, metadata) {
    const span = this.find(spanId);
    if (span === undefined || span.duration !== OPEN) return undefined;
    const at = micros(now - this.began);
    // The clock of a trace that was started once more began anew.
    span.duration = Math.max(at - span.start, 0);
    span.status = status;
    span.metadata = metadata;
    if (status !== 'success') this.flags |= FLAGS.FAILED;
    this.openSpans -= 1;
    if (this.duration === OPEN) this.touched = at;
    if (span.live !== null) showEnd(span);
    return span;
  }

  /** Ends the trace, unless it was ended before: the first end wins. */
  end(now, status, metadata) {
    if (this.duration !== OPEN) return false;
    this.duration = this.touched = micros(now - this.began);
    this.status = status;
    this.metadata = metadata;
    if (this.live !== null) showEnd(this);
    return true;
  }

  get isOpen() {
    return this.duration === OPEN;
  }

  /** Milliseconds since the trace was over, `undefined` while it is not. */
  endedFor(now) {
    // Nobody here ends somebody else's trace: this part of it is over when its spans are.
    const over = this.duration !== OPEN || (this.remote && this.openSpans === 0);
    return over ? now - this.began - this.touched / 1e3 : undefined;
  }

  /**
   * Starts a known trace once more. One that is open goes on as it is; else its spans, tags and logs stay and its
   * clock starts anew. Says whether it did.
   */
  restart(spanId, number, parent, now) {
    const { live } = this;
    if (parent !== null) this.parent = parent;
    if (live !== null) show(live, { parentSpanId: this.parent });
    if (this.duration === OPEN && !this.remote) return false;
    if (this.duration !== OPEN) {
      this.spanId = spanId;
      this.number = number;
    }
    // Spans keep the distance to the beginning they had; those still open go on from the new one.
    for (const span of this.spans()) {
      const startTime = this.wallTime() + span.start / 1e3;
      show(span.object(this), { startTime: Math.floor(startTime) });
      span.start -= micros(now - this.began);
    }
    this.remote = false;
    this.flags = 0;
    this.reason = OPEN;
    this.duration = OPEN;
    this.status = IN_PROGRESS;
    this.wall = null;
    this.began = now;
    this.touched = 0;
    if (live === null) return true;
    const gone = { remoteParent: undefined, endTime: undefined, metadata: undefined };
    show(live, { spanId: this.spanId, startTime: Math.floor(this.wallTime()), duration: null, status: IN_PROGRESS, ...gone });
    return true;
  }

  addTag(key, value, most) {
    (this.tags ??= new Tags()).set(key, value, most);
  }

  addLog(log, most) {
    append((this.logs ??= []), log, most);
  }

  /** The span of this id; the trace itself is one, and the one that is meant where no id is given. */
  at(spanId) {
    return spanId === undefined || spanId === this.spanId ? this : this.find(spanId);
  }

  /** Links the trace, or one of its spans, to a span of another trace. */
  addLink(spanId, link, most) {
    const linked = this.at(spanId);
    if (linked === undefined) return;
    const links = (linked.links ??= []);
    if (linked.live !== null) show(linked.live, { links });
    append(links, link, most);
  }

  /** Tells of a moment in the trace, or in one of its spans. */
  addEvent(spanId, event, most) {
    const told = this.at(spanId);
    if (told === this) this.addLog(event, most);
    else if (told !== undefined) append(told.object(this).logs, event, most);
  }

  /** Names the trace itself, or one of its spans. */
  name(spanId, operation) {
    const named = this.at(spanId);
    if (named === undefined || named.duration !== OPEN) return;
    named.operation = operation;
    if (named.live !== null) show(named.live, { operationName: operation });
  }
}

function showEnd({ live, duration, status, metadata }) {
  const millis = duration / 1e3;
  const startTime = Number.isFinite(live.startTime) ? live.startTime : 0;
  show(live, { duration: millis, status, endTime: Math.round(startTime + millis), metadata });
}

module.exports = { FLAGS, OPEN, SpanRecord, TraceRecord };
