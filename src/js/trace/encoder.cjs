'use strict';
// Traces as one text and one list of numbers for the exporter's thread: src/trace/export/batch.rs says how they are
// read. Concatenation is the cheapest there is: V8 copies the characters once, when native code reads the text.

const { FLAGS, OPEN } = require('./records.cjs');
const { errorOf, text } = require('./text.cjs');

const TEXT = 0;
const NUMBER = 1;
const BOOLEAN = 2;
const REMOTE_PARENT = 8;
/** The length of a parent's id that is that of the trace's first span. */
const BELOW_ROOT = -1;
/** The reason of what belongs to a trace that was counted before. */
const COUNTED = 3;
/** Numbers before the attributes of a span, and those of an attribute. */
const HEAD = 16;
const ATTRIBUTE = 3;

class Encoder {
  #valueChars;
  #mostAttributes;
  #numbers = new Float64Array(4096);
  #at = 0;
  #text = '';
  #spans = 0;

  constructor({ valueChars, mostAttributes }) {
    this.#valueChars = valueChars;
    this.#mostAttributes = mostAttributes;
  }

  /** `[text, numbers, count, spans]` of what was added since. */
  take() {
    const taken = [this.#text, this.#numbers, this.#at, this.#spans];
    this.#text = '';
    this.#at = this.#spans = 0;
    return taken;
  }

  /** Adds a trace with those of its spans that ended and were not added before, or one of its spans alone. */
  add(trace, only, reason, state) {
    // Ended after its trace, but before that was handed over.
    if (only !== null && (only.flags & FLAGS.SENT) !== 0) return;
    const spans = only === null ? trace.spans() : [only];
    const before = { text: this.#text, at: this.#at };
    for (const bare of [false, true]) {
      try {
        this.#trace(trace, spans, only === null, reason, state, bare);
        break;
      } catch {
        // A getter of the caller's threw: without what the caller described it by, then.
        this.#text = before.text;
        this.#at = before.at;
      }
    }
    for (const span of spans) if (span.duration !== OPEN) span.flags |= FLAGS.SENT;
  }

  #trace(trace, spans, whole, reason, state, bare) {
    this.#room(HEAD);
    const numbers = this.#numbers;
    const counted = this.#at++;
    let count = whole ? 1 : 0;
    numbers[this.#at++] = whole ? reason : COUNTED;
    numbers[this.#at++] = trace.began;
    numbers[this.#at++] = trace.id.length;
    numbers[this.#at++] = state.length;
    this.#text += trace.id + state;
    const { live } = trace;
    if (whole) {
      const flags = (trace.flags & ~FLAGS.FAILED) | (trace.parent === null ? 0 : REMOTE_PARENT);
      this.#span(trace, trace.spanId, trace.parent ?? '', flags, 0, trace.operation ?? trace.service, bare);
      this.#describe(live === null ? trace.tags : live.tags, trace, live === null ? trace.logs : live.logs, bare);
    }
    // Who does not say what a span belongs to means the trace; a part of another service's trace has nothing above it.
    const root = trace.remote ? '' : trace.spanId;
    for (const span of spans) {
      // Open ones go when they end.
      if (span.duration === OPEN || (span.flags & FLAGS.SENT) !== 0) continue;
      count += 1;
      // The parent of most spans, in a number instead of a text.
      const parent = whole && span.parent === root ? null : span.parent ?? (whole && !trace.remote ? null : root);
      this.#span(span, span.id, parent, span.flags, span.start, span.operation ?? '', bare);
      this.#describe(span.live === null ? null : span.live.tags, span, span.live === null ? null : span.live.logs, bare);
    }
    this.#numbers[counted] = count;
    this.#spans += count;
  }

  /** Ids, times and how it ended. */
  #span(record, id, parent, flags, start, name, bare) {
    const failed = record.status !== 'success';
    const status = failed ? record.status : '';
    const cause = failed && !bare ? text(errorOf(record.metadata, this.#valueChars)) : '';
    const error = cause === 'unknown' ? '' : cause;
    this.#room(HEAD);
    const numbers = this.#numbers;
    let at = this.#at;
    numbers[at++] = failed ? flags | FLAGS.FAILED : flags;
    numbers[at++] = start;
    numbers[at++] = record.duration;
    numbers[at++] = name.length;
    numbers[at++] = id.length;
    numbers[at++] = parent === null ? BELOW_ROOT : parent.length;
    numbers[at++] = status.length;
    numbers[at++] = error.length;
    this.#at = at;
    this.#text += parent === null ? name + id + status + error : name + id + parent + status + error;
  }

  /** Attributes, events and links. */
  #describe(tags, record, logs, bare) {
    const count = this.#at++;
    let attributes = 0;
    if (!bare) {
      attributes = this.#attributes(tags, 0, false);
      attributes = this.#attributes(record.metadata, attributes, record.status !== 'success');
    }
    this.#numbers[count] = attributes;
    const events = bare || !Array.isArray(logs) ? 0 : logs.length;
    const links = bare || record.links === null ? 0 : record.links.length;
    this.#number(events);
    for (let at = 0; at < events; at += 1) this.#event(logs[at]);
    this.#number(links);
    for (let at = 0; at < links; at += 1) {
      const { traceId, spanId, attributes: own } = record.links[at];
      this.#texts(text(traceId), text(spanId));
      this.#counted(own);
    }
  }

  #number(value) {
    this.#room(1);
    this.#numbers[this.#at++] = value;
  }

  #event({ timestamp, level, message, attributes }) {
    this.#number(typeof timestamp === 'number' ? timestamp : 0);
    this.#texts(attributes === undefined ? 'log' : text(message).slice(0, this.#valueChars));
    this.#counted(attributes ?? { 'log.severity': level, 'log.message': message });
  }

  #texts(...texts) {
    this.#room(texts.length);
    for (const each of texts) {
      this.#numbers[this.#at++] = each.length;
      this.#text += each;
    }
  }

  /** Attributes with their count before them. */
  #counted(attributes) {
    this.#room(1);
    const count = this.#at++;
    this.#numbers[count] = this.#attributes(attributes, 0, false);
  }

  /** Adds what an object holds; answers with how many there are now. The error of a failure is told elsewhere. */
  #attributes(object, before, failed) {
    if (typeof object !== 'object' || object === null) return before;
    let count = before;
    // Not by a list of keys, which would be made for each span.
    for (const key in object) {
      if (count >= this.#mostAttributes) break;
      if (failed && (key === 'error' || key === 'reason')) continue;
      if (this.#attribute(key, object[key])) count += 1;
    }
    return count;
  }

  #attribute(key, value) {
    let kind = NUMBER;
    let payload = value;
    let characters = '';
    if (typeof value === 'string') {
      kind = TEXT;
      characters = value;
    } else if (typeof value === 'boolean') {
      kind = BOOLEAN;
      payload = value ? 1 : 0;
    } else if (typeof value !== 'number' || !Number.isFinite(value)) {
      characters = written(value);
      if (characters === undefined) return false;
      kind = TEXT;
    }
    if (kind === TEXT) {
      if (characters.length > this.#valueChars) characters = characters.slice(0, this.#valueChars);
      payload = characters.length;
    }
    this.#room(ATTRIBUTE);
    this.#numbers[this.#at++] = key.length;
    this.#numbers[this.#at++] = kind;
    this.#numbers[this.#at++] = payload;
    this.#text += key + characters;
    return true;
  }

  /** Makes room for so many numbers, and for the count that may follow them. */
  #room(count) {
    if (this.#at + count + ATTRIBUTE <= this.#numbers.length) return;
    const larger = new Float64Array(this.#numbers.length * 2);
    larger.set(this.#numbers);
    this.#numbers = larger;
  }
}

/** A value without a form of its own as text; `undefined` for what says nothing. */
function written(value) {
  if (value === undefined || value === null || typeof value === 'function' || typeof value === 'symbol') return undefined;
  if (typeof value !== 'object') return String(value);
  if (value instanceof Error) return text(value);
  return JSON.stringify(value);
}

module.exports = { Encoder };
