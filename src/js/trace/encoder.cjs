'use strict';
// Traces as one text and one list of numbers for the exporter's thread: src/trace/export/batch.rs says how they are
// read. Concatenation is the cheapest there is: V8 copies the characters once, when native code reads the text.

const { FLAGS, OPEN } = require('./records.cjs');
const { errorOf, text } = require('./text.cjs');

const TEXT = 0;
const NUMBER = 1;
const BOOLEAN = 2;
const REMOTE_PARENT = 8;
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
    const spans = only === null ? trace.spans().filter((span) => span.duration !== OPEN && (span.flags & FLAGS.SENT) === 0) : [only];
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
    for (const span of spans) span.flags |= FLAGS.SENT;
  }

  #trace(trace, spans, whole, reason, state, bare) {
    const count = spans.length + (whole ? 1 : 0);
    this.#room(HEAD);
    const numbers = this.#numbers;
    numbers[this.#at++] = count;
    numbers[this.#at++] = reason;
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
      this.#span(span, span.id, span.parent ?? root, span.flags, span.start, span.operation ?? '', bare);
      this.#describe(span.live === null ? null : span.live.tags, span, span.live === null ? null : span.live.logs, bare);
    }
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
    numbers[at++] = parent.length;
    numbers[at++] = status.length;
    numbers[at++] = error.length;
    this.#at = at;
    this.#text += name + id + parent + status + error;
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
    this.#list(bare || !Array.isArray(logs) ? [] : logs, (log) => this.#event(log));
    this.#list(bare || record.links === null ? [] : record.links, ({ traceId, spanId, attributes: own }) => {
      this.#texts(text(traceId), text(spanId));
      this.#counted(own);
    });
  }

  #list(items, add) {
    this.#room(1);
    this.#numbers[this.#at++] = items.length;
    for (const item of items) add(item);
  }

  #event({ timestamp, level, message, attributes }) {
    this.#room(1);
    this.#numbers[this.#at++] = typeof timestamp === 'number' ? timestamp : 0;
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
    for (const key of Object.keys(object)) {
      if (count >= this.#mostAttributes) break;
      if (failed && (key === 'error' || key === 'reason')) continue;
      if (this.#attribute(key, object[key])) count += 1;
    }
    return count;
  }

  #attribute(key, value) {
    let [kind, payload, characters] = [NUMBER, value, ''];
    if (typeof value === 'string') [kind, characters] = [TEXT, value];
    else if (typeof value === 'boolean') [kind, payload] = [BOOLEAN, value ? 1 : 0];
    else if (typeof value !== 'number' || !Number.isFinite(value)) {
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
