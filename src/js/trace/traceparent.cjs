'use strict';
// The `traceparent` header of W3C Trace Context (https://www.w3.org/TR/trace-context/, level 2): what services tell each other
// about a trace. Not in native code: between two requests the processor forgets the way there, and each of a request's calls
// took 6 µs.

const TRACE_DIGITS = 32;
const SPAN_DIGITS = 16;
/** Where the fields of `00-<trace id>-<parent id>-<flags>` begin, and where they end. */
const TRACE = 3;
const SPAN = TRACE + TRACE_DIGITS + 1;
const FLAGS = SPAN + SPAN_DIGITS + 1;
const END = FLAGS + 2;
const DASH = '-'.charCodeAt(0);

/** Whether there are lower-case hex digits in this part of a text. */
function isHex(text, from, to) {
  for (let at = from; at < to; at += 1) {
    const code = text.charCodeAt(at);
    // 0 to 9, a to f
    if (!(code >= 48 && code <= 57) && !(code >= 97 && code <= 102)) return false;
  }
  return true;
}

/** Likewise, and not zeros alone. */
function isId(text, from, to) {
  let at = from;
  while (at < to && text.charCodeAt(at) === 48) at += 1;
  return at < to && isHex(text, at, to);
}

/** Without spaces and tabs around it. */
function trimmed(header) {
  const isBlank = (code) => code === 32 || code === 9;
  let [from, to] = [0, header.length];
  while (from < to && isBlank(header.charCodeAt(from))) from += 1;
  while (to > from && isBlank(header.charCodeAt(to - 1))) to -= 1;
  return to - from === header.length ? header : header.slice(from, to);
}

/** `[traceId, spanId, sampled]`; `undefined` for a header that is not valid: the specification then asks for a new trace. */
function parse(header) {
  const text = trimmed(header);
  if (text.length < END || !isHex(text, 0, 2) || !isHex(text, FLAGS, END)) return undefined;
  const version = text.slice(0, 2);
  // Versions to come may add fields at the end; 255 is not a version.
  if (version === 'ff' || (text.length > END && (version === '00' || text.charCodeAt(END) !== DASH))) return undefined;
  if (text.charCodeAt(TRACE - 1) !== DASH || text.charCodeAt(SPAN - 1) !== DASH || text.charCodeAt(FLAGS - 1) !== DASH) return undefined;
  if (!isId(text, TRACE, SPAN - 1) || !isId(text, SPAN, FLAGS - 1)) return undefined;
  return [text.slice(TRACE, SPAN - 1), text.slice(SPAN, FLAGS - 1), (parseInt(text.slice(FLAGS, END), 16) & 1) === 1];
}

/** The header for a call to another service; `null` for ids that have none. */
function format(traceId, spanId, sampled) {
  if (traceId.length !== TRACE_DIGITS || spanId.length !== SPAN_DIGITS) return null;
  return isId(traceId, 0, TRACE_DIGITS) && isId(spanId, 0, SPAN_DIGITS) ? `00-${traceId}-${spanId}-0${sampled ? 1 : 0}` : null;
}

module.exports = { format, parse };
