'use strict';
// Ended traces that stay readable for long, as numbers and references side by side in a few large arrays. As records each
// would be a dozen objects that every young collection finds alive and copies: a sixth of what a trace cost at a sampling
// rate of 10 %, nearly half at 100 %. Who asks for one gets a record of it, which it stays from then on.
//
// Chunks fill up one after the other, and the oldest traces go first, so that chunks empty in that order and are used again.

const { OPEN, SpanRecord, TraceRecord } = require('./records.cjs');
const { Tags } = require('./tags.cjs');

/** No place. */
const NONE = -1;
/** Numbers, and references, in a chunk: a power of two, so that a place is taken apart by its bits. */
const BITS = 12;
const CHUNK = 1 << BITS;
/** What takes more of them stays a record. */
const MOST = CHUNK / 4;
/** Numbers of a trace, and where they stand: `REFERENCES` is where the others begin. */
const TRACE_NUMBERS = 9;
const [REFERENCES, BEGAN, WALL, DURATION, TOUCHED, FLAGS, SPANS, TAGS, SPAN_ID] = Array(TRACE_NUMBERS).keys();
/** Id, span id, parent, service, status, metadata, operation, logs. */
const TRACE_REFERENCES = 8;
/** Start, duration, flags, where the id is in its block. */
const SPAN_NUMBERS = 4;
/** Id, parent, operation, status, metadata. */
const SPAN_REFERENCES = 5;
const DIGITS = 16;

class Chunk {
  numbers = new Float64Array(CHUNK);
  references = new Array(CHUNK).fill(null);
  numbersUsed = 0;
  referencesUsed = 0;
  traces = 0;
}

/** What a place tells without a record. */
class Glance {
  began = 0;
  touched = 0;

  endedFor(now) {
    return now - this.began - this.touched / 1e3;
  }
}

/** Whether nobody has seen the trace's objects, and all of it can be told by what is put away. Only one with an index has dropped spans. */
function isPlain(trace) {
  if (trace.live !== null || trace.index !== null || trace.openSpans > 0 || trace.links !== null || trace.remote) return false;
  if (trace.duration === OPEN) return false;
  for (let span = trace.newest; span !== null; span = span.previous) {
    if (span.live !== null || span.links !== null) return false;
  }
  return true;
}

/** An id, which is a text, or a block of them and where it is there. */
const idOf = (text, at) => (at === NONE ? text : text.slice(at * DIGITS, (at + 1) * DIGITS));

class Archive {
  #chunks = [];
  /** Numbers of chunks that are empty. */
  #empty = [];
  #filling = 0;
  #glance = new Glance();

  /**
   * Puts an ended trace away; its place, or -1 where it has to stay a record. `block` is where ids of spans were drawn from
   * last: an id out of it is kept as its place there, not as a string of its own.
   */
  put(trace, block) {
    if (!isPlain(trace)) return NONE;
    const { spanCount, tags } = trace;
    const tagCount = tags === null ? 0 : tags.count;
    const needed = TRACE_REFERENCES + 2 * tagCount + SPAN_REFERENCES * spanCount;
    if (needed > MOST) return NONE;
    const chunk = this.#room(needed, TRACE_NUMBERS + SPAN_NUMBERS * spanCount);
    const { numbers, references, numbersUsed: at, referencesUsed } = chunk;
    numbers[at + REFERENCES] = referencesUsed;
    numbers[at + BEGAN] = trace.began;
    numbers[at + WALL] = trace.wall ?? NaN;
    numbers[at + DURATION] = trace.duration;
    numbers[at + TOUCHED] = trace.touched;
    numbers[at + FLAGS] = trace.flags;
    numbers[at + SPANS] = spanCount;
    numbers[at + TAGS] = tagCount;
    const { ids } = block;
    let drawn = block.place(trace.number);
    numbers[at + SPAN_ID] = drawn;
    let to = referencesUsed;
    references[to++] = trace.id;
    references[to++] = drawn === NONE ? trace.spanId : ids;
    references[to++] = trace.parent;
    references[to++] = trace.service;
    references[to++] = trace.status;
    references[to++] = trace.metadata;
    references[to++] = trace.operation;
    references[to++] = trace.logs;
    if (tags !== null) {
      for (let tag = tags.first; tag !== null; tag = tag.next) {
        references[to++] = tag.key;
        references[to++] = tag.value;
      }
    }
    let next = at + TRACE_NUMBERS;
    // The newest first.
    for (let span = trace.newest; span !== null; span = span.previous) {
      numbers[next++] = span.start;
      numbers[next++] = span.duration;
      numbers[next++] = span.flags;
      numbers[next++] = drawn = block.place(span.number);
      references[to++] = drawn === NONE ? span.id : ids;
      references[to++] = span.parent;
      references[to++] = span.operation;
      references[to++] = span.status;
      references[to++] = span.metadata;
    }
    chunk.numbersUsed = next;
    chunk.referencesUsed = to;
    chunk.traces += 1;
    return (this.#filling << BITS) | at;
  }

  #room(references, numbers) {
    const chunk = this.#chunks[this.#filling];
    if (chunk !== undefined && chunk.referencesUsed + references <= CHUNK && chunk.numbersUsed + numbers <= CHUNK) return chunk;
    if (chunk?.traces === 0) this.#clean(chunk);
    else if (this.#empty.length > 0) this.#filling = this.#empty.pop();
    else this.#filling = this.#chunks.push(new Chunk()) - 1;
    return this.#chunks[this.#filling];
  }

  #clean(chunk) {
    chunk.numbersUsed = chunk.referencesUsed = 0;
  }

  #chunkAt(place) {
    return this.#chunks[place >>> BITS];
  }

  /** Lets go of what is at a place. */
  remove(place) {
    const chunk = this.#chunkAt(place);
    const { numbers, references } = chunk;
    const at = place & (CHUNK - 1);
    const from = numbers[at + REFERENCES];
    const count = TRACE_REFERENCES + 2 * numbers[at + TAGS] + SPAN_REFERENCES * numbers[at + SPANS];
    for (let each = from; each < from + count; each += 1) references[each] = null;
    chunk.traces -= 1;
    if (chunk.traces > 0) return;
    const number = place >>> BITS;
    if (number === this.#filling) return;
    this.#clean(chunk);
    this.#empty.push(number);
  }

  /** Makes a record of what is at a place, and lets go of it. */
  take(place) {
    const { numbers, references } = this.#chunkAt(place);
    const at = place & (CHUNK - 1);
    let from = numbers[at + REFERENCES];
    const [id, spanId, parent, service, status, metadata, operation, logs] = references.slice(from, from + TRACE_REFERENCES);
    const trace = new TraceRecord(id, idOf(spanId, numbers[at + SPAN_ID]), -1, parent, service, true, numbers[at + BEGAN]);
    const wall = numbers[at + WALL];
    Object.assign(trace, { status, metadata, operation, logs, wall: Number.isNaN(wall) ? null : wall });
    trace.duration = numbers[at + DURATION];
    trace.touched = numbers[at + TOUCHED];
    trace.flags = numbers[at + FLAGS];
    trace.spanCount = numbers[at + SPANS];
    from += TRACE_REFERENCES;
    for (let left = numbers[at + TAGS]; left > 0; left -= 1, from += 2) {
      (trace.tags ??= new Tags()).set(references[from], references[from + 1], Infinity);
    }
    for (let index = trace.spanCount - 1; index >= 0; index -= 1) trace.newest = this.#span(place, from, index, trace.newest);
    this.remove(place);
    return trace;
  }

  #span(place, from, index, previous) {
    const { numbers, references } = this.#chunkAt(place);
    const [at, first] = [(place & (CHUNK - 1)) + TRACE_NUMBERS + index * SPAN_NUMBERS, from + index * SPAN_REFERENCES];
    const [id, parent, operation, status, metadata] = references.slice(first, first + SPAN_REFERENCES);
    const span = new SpanRecord(idOf(id, numbers[at + 3]), -1, parent, -1, operation, numbers[at], previous);
    span.duration = numbers[at + 1];
    span.flags = numbers[at + 2];
    span.status = status;
    span.metadata = metadata;
    return span;
  }

  idAt(place) {
    const { numbers, references } = this.#chunkAt(place);
    return references[numbers[(place & (CHUNK - 1)) + REFERENCES]];
  }

  /** What is at a place, until the next glance. */
  glance(place) {
    const { numbers } = this.#chunkAt(place);
    const at = place & (CHUNK - 1);
    this.#glance.began = numbers[at + BEGAN];
    this.#glance.touched = numbers[at + TOUCHED];
    return this.#glance;
  }

  /** Dates what is at a place, unless it is dated. */
  date(place, wallOffset) {
    const { numbers } = this.#chunkAt(place);
    const at = place & (CHUNK - 1);
    if (Number.isNaN(numbers[at + WALL])) numbers[at + WALL] = numbers[at + BEGAN] + wallOffset;
  }
}

module.exports = { Archive };
