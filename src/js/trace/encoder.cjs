'use strict';
// Traces as one list of numbers and one text for the exporter's thread: src/trace/export/batch.rs says how they are read.
// Names, values that come again and ids that were drawn here are numbers that native code knows; everything else is
// concatenated, which is the cheapest there is: V8 copies the characters once, when native code reads the text.

const { Names } = require('./names.cjs');
const { FLAGS, OPEN } = require('./records.cjs');
const { Tags } = require('./tags.cjs');
const { errorOf, text } = require('./text.cjs');

const TEXT = 0;
const NUMBER = 1;
const BOOLEAN = 2;
const REMOTE_PARENT = 8;
/** The reason of what belongs to a trace that was counted before. */
const COUNTED = 3;
/** Numbers before the attributes of a span, and those of an attribute. */
const HEAD = 16;
const ATTRIBUTE = 3;
/** Less its length: a text that has no number. */
const TOLD = -1;

class Encoder {
  #recorder;
  #names;
  #valueChars;
  #mostAttributes;
  #numbers = new Float64Array(4096);
  #at = 0;
  #text = '';
  #spans = 0;

  constructor(recorder) {
    this.#recorder = recorder;
    this.#names = new Names(recorder.handle, recorder.config);
    this.#valueChars = recorder.config.valueChars;
    this.#mostAttributes = recorder.config.mostAttributes;
  }

  /** Hands over what was added since. */
  push() {
    const [characters, count, spans] = [this.#text, this.#at, this.#spans];
    this.#text = '';
    this.#at = this.#spans = 0;
    this.#recorder.push(characters, this.#numbers, count, spans);
  }

  /** Adds a trace with those of its spans that ended and were not added before, or one of its spans alone. */
  add(trace, only, reason, state) {
    // Ended after its trace, but before that was handed over.
    if (only !== null && (only.flags & FLAGS.SENT) !== 0) return;
    const [characters, at] = [this.#text, this.#at];
    try {
      this.#trace(trace, only, reason, state, false);
    } catch {
      // A getter of the caller's threw: without what the caller described it by, then.
      this.#text = characters;
      this.#at = at;
      this.#trace(trace, only, reason, state, true);
    }
    if (only !== null) only.flags |= FLAGS.SENT;
    else trace.sent();
  }

  #trace(trace, only, reason, state, bare) {
    const whole = only === null;
    this.#room(HEAD);
    const numbers = this.#numbers;
    const counted = this.#at++;
    let count = whole ? 1 : 0;
    numbers[this.#at++] = whole ? reason : COUNTED;
    numbers[this.#at++] = trace.began;
    numbers[this.#at++] = trace.id.length;
    numbers[this.#at++] = state.length;
    this.#text += trace.id;
    if (state !== '') this.#text += state;
    const { live } = trace;
    if (whole) {
      const flags = (trace.flags & ~FLAGS.FAILED) | (trace.parent === null ? 0 : REMOTE_PARENT);
      this.#span(trace, trace.spanId, trace.parent ?? '', -1, flags, 0, trace.operation ?? trace.service, bare);
      this.#describe(live === null ? trace.tags : live.tags, trace, live === null ? trace.logs : live.logs, bare);
    }
    // Who does not say what a span belongs to means the trace; a part of another service's trace has nothing above it.
    const root = trace.remote ? '' : trace.spanId;
    const rootNumber = trace.remote ? -1 : trace.number;
    if (!whole) count += this.#part(only, root, rootNumber, bare);
    else if (trace.index === null) {
      for (let span = trace.newest; span !== null; span = span.previous) count += this.#part(span, root, rootNumber, bare);
    } else {
      for (const span of trace.spans().reverse()) count += this.#part(span, root, rootNumber, bare);
    }
    this.#numbers[counted] = count;
    this.#spans += count;
  }

  /** Adds a span of a trace, if it ended and was not added before; says how many that makes. */
  #part(span, root, rootNumber, bare) {
    // Open ones go when they end.
    if (span.duration === OPEN || (span.flags & FLAGS.SENT) !== 0) return 0;
    const { parent, live } = span;
    const above = parent === null ? rootNumber : span.parentNumber;
    this.#span(span, span.id, parent ?? root, above, span.flags, span.start, span.operation ?? '', bare);
    this.#describe(live === null ? null : live.tags, span, live === null ? null : live.logs, bare);
    return 1;
  }

  /** Ids, times and how it ended. */
  #span(record, id, parent, parentNumber, flags, start, name, bare) {
    const failed = record.status !== 'success';
    const cause = failed && !bare ? text(errorOf(record.metadata, this.#valueChars)) : '';
    this.#room(HEAD);
    const numbers = this.#numbers;
    let at = this.#at;
    numbers[at++] = failed ? flags | FLAGS.FAILED : flags;
    numbers[at++] = start;
    numbers[at++] = record.duration;
    numbers[at++] = this.#named(name);
    numbers[at++] = this.#id(record.number, id);
    numbers[at++] = this.#id(parentNumber, parent);
    numbers[at++] = failed ? this.#named(record.status) : TOLD;
    numbers[at++] = this.#told(cause === 'unknown' ? '' : cause);
    this.#at = at;
  }

  /** Adds an id, by its number where native code knows it. */
  #id(number, id) {
    return this.#recorder.knows(number) ? number : this.#told(id);
  }

  /** Adds a text, by its number where it has one. */
  #named(characters) {
    const name = this.#names.find(characters);
    return name === undefined ? this.#told(characters) : name.number;
  }

  #told(characters) {
    if (characters !== '') this.#text += characters;
    return TOLD - characters.length;
  }

  /** Attributes, events and links. */
  #describe(tags, record, logs, bare) {
    const count = this.#at++;
    let attributes = 0;
    if (!bare) {
      attributes = tags instanceof Tags ? this.#tags(tags) : this.#attributes(tags, 0, false);
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
      this.#number(this.#told(text(traceId)));
      this.#number(this.#told(text(spanId)));
      this.#counted(own);
    }
  }

  #number(value) {
    this.#room(1);
    this.#numbers[this.#at++] = value;
  }

  #event({ timestamp, level, message, attributes }) {
    this.#number(typeof timestamp === 'number' ? timestamp : 0);
    this.#number(this.#named(attributes === undefined ? 'log' : text(message).slice(0, this.#valueChars)));
    this.#counted(attributes ?? { 'log.severity': level, 'log.message': message });
  }

  /** Attributes with their count before them. */
  #counted(attributes) {
    this.#room(1);
    const count = this.#at++;
    this.#numbers[count] = this.#attributes(attributes, 0, false);
  }

  #tags(tags) {
    let count = 0;
    for (let tag = tags.first; tag !== null && count < this.#mostAttributes; tag = tag.next) {
      if (this.#attribute(tag.key, tag.value)) count += 1;
    }
    return count;
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
    let kind = TEXT;
    let payload = value;
    if (typeof value === 'number' && Number.isFinite(value)) {
      kind = NUMBER;
    } else if (typeof value === 'boolean') {
      kind = BOOLEAN;
      payload = value ? 1 : 0;
    } else if (typeof value !== 'string') {
      payload = written(value);
      if (payload === undefined) return false;
    }
    this.#room(ATTRIBUTE);
    const name = this.#names.find(key);
    this.#numbers[this.#at++] = name === undefined ? this.#told(key) : name.number;
    this.#numbers[this.#at++] = kind;
    this.#numbers[this.#at++] = kind === TEXT ? this.#value(name, payload) : payload;
    return true;
  }

  /** Adds a text value of an attribute. */
  #value(name, characters) {
    const number = name === undefined ? -1 : this.#names.valueOf(name, characters);
    if (number >= 0) return number;
    return this.#told(characters.length > this.#valueChars ? characters.slice(0, this.#valueChars) : characters);
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
