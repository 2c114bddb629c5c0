'use strict';
// Which trace and span the code that runs now belongs to, and how that travels: in headers from service to service, and in an
// AsyncLocalStorage within one. The storage holds ids, never spans, so that nothing keeps a span alive.

const { AsyncLocalStorage } = require('node:async_hooks');
const { native } = require('../addon.cjs');
const { isThenable, read, textOf } = require('../resilience/text.cjs');
const { parse } = require('./traceparent.cjs');

/** One for the process: what one tracer begins, the spans of another one belong to. */
const storage = new AsyncLocalStorage();
/** What came with trace ids that were read lately and may be started soon. */
const MOST_CARRIED = 1000;

/** A header of a `Headers`, a Map, or a plain object with names in any case. */
function headerOf(headers, name) {
  try {
    const value = typeof headers.get === 'function' ? headers.get(name) : headers[name];
    if (value !== undefined && value !== null) return Array.isArray(value) ? value.join(',') : String(value);
    const key = Object.keys(headers).find((each) => each.toLowerCase() === name);
    return key === undefined ? undefined : String(headers[key]);
  } catch {
    return undefined;
  }
}

function setHeader(headers, name, value) {
  if (typeof headers.set === 'function') headers.set(name, value);
  else headers[name] = value;
}

/** What travels with a trace beside its ids: `{ sampled, tracestate, baggage }` by trace id. */
class Carried extends Map {
  keep(traceId, what) {
    this.delete(traceId);
    this.set(traceId, what);
    if (this.size > MOST_CARRIED) this.delete(this.keys().next().value);
  }
}

/** `[traceId, parentSpanId]`, or `[]` where no valid header came. */
function extract(carried, headers) {
  if (headers === null || headers === undefined) return [];
  const parent = headerOf(headers, 'traceparent');
  const context = parent === undefined ? undefined : parse(parent);
  if (context === undefined) return [];
  const [traceId, spanId, sampled] = context;
  const [tracestate, baggage] = [headerOf(headers, 'tracestate'), headerOf(headers, 'baggage')];
  carried.keep(traceId, {
    sampled,
    tracestate: tracestate !== undefined && native.tracestateMayPass(tracestate) ? tracestate : undefined,
    baggage: baggage !== undefined && native.baggageMayPass(baggage) ? baggage : undefined,
  });
  return [traceId, spanId];
}

/** Puts a trace into headers, those given or new ones. */
function inject(tracer, carried, traceId, spanId, headers) {
  const parent = tracer.traceparent(traceId, spanId);
  if (parent === null) return headers;
  setHeader(headers, 'traceparent', parent);
  const { tracestate, baggage } = carried.get(traceId) ?? {};
  if (tracestate !== undefined) setHeader(headers, 'tracestate', tracestate);
  if (baggage !== undefined) setHeader(headers, 'baggage', baggage);
  return headers;
}

/** Runs `fn` as a span of what is active, or as a trace of its own; `from` is what `extract` gave. */
function run(tracer, traces, name, fn, from = []) {
  const above = storage.getStore();
  const isSpan = above !== undefined && from.length === 0;
  const ids = isSpan
    ? { traceId: above.traceId, spanId: tracer.startSpan(above.traceId, name, above.spanId) }
    : tracer.startTrace(...from.slice(0, 2));
  const { traceId, spanId } = ids;
  if (!isSpan) traces.record(traceId)?.name(spanId, textOf(name));
  const end = (status, metadata) => {
    if (isSpan) tracer.endSpan(traceId, spanId, status, metadata);
    else tracer.endTrace(traceId, status, metadata);
  };
  const failed = (error) => {
    const message = read(error, 'message');
    end('error', { error: typeof message === 'string' ? message : textOf(error) });
    throw error;
  };
  let result;
  try {
    result = storage.run(Object.freeze({ traceId, spanId }), fn);
    if (!isThenable(result)) {
      end('success', {});
      return result;
    }
  } catch (error) {
    return failed(error);
  }
  return Promise.resolve(result).then((value) => {
    end('success', {});
    return value;
  }, failed);
}

module.exports = { Carried, extract, inject, run, storage };
