'use strict';
// Middleware of the tracer for Express, Connect and plain http, and hook for Fastify: a trace for each request. Nothing
// that goes wrong in here reaches the request.

const { errorMonitor } = require('node:events');
const { ServerResponse } = require('node:http');
const { storage } = require('./context.cjs');
const { FLAGS } = require('./records.cjs');
const { parse } = require('./traceparent.cjs');

const PATH_CHARS = 256;
/** A part of a mount path that names one thing of many. */
const NAMES_ONE = /^(\d+|[0-9a-f]{8,}(-[0-9a-f]{4,})*)$/i;

function middleware(tracer, state, { name, ignore, context = false } = {}) {
  for (const [option, value] of Object.entries({ name, ignore })) {
    if (value !== undefined && typeof value !== 'function') throw new TypeError(`option "${option}" must be a function`);
  }
  return function trace(req, res, next) {
    let ids;
    try {
      if (!ignore?.(req)) ids = follow(tracer, state, req, res, name);
    } catch {
      // The request goes on untraced.
    }
    if (typeof next !== 'function') return;
    if (context === true && ids !== undefined) storage.run(ids, next);
    else next();
  };
}

/** A request on its way to its answer. */
class Served {
  #tracer;
  #traces;
  #req;
  #res;
  #name;
  #ids;
  #isSpan;
  #ended = false;

  constructor(tracer, traces, req, res, name, ids, isSpan) {
    this.#tracer = tracer;
    this.#traces = traces;
    this.#req = req;
    this.#res = res;
    this.#name = name;
    this.#ids = ids;
    this.#isSpan = isSpan;
  }

  /** Ends with the response, by the first event that tells of it. */
  attach() {
    const res = this.#res;
    // Of a response of Node's own one event tells everything, and each listener costs; one for once costs twice.
    if (res instanceof ServerResponse) {
      res.on('close', () => this.#end(res.errored?.message ?? this.#unfinished()));
      return;
    }
    res.once('finish', () => this.#end());
    res.once('close', () => this.#end(this.#unfinished()));
    // The monitor sees the error and leaves its handling to the app.
    res.once(errorMonitor, (error) => this.#end(error?.message || 'response error'));
  }

  #unfinished() {
    return this.#res.writableFinished === false ? 'connection closed before the response ended' : undefined;
  }

  #end(error) {
    if (this.#ended) return;
    this.#ended = true;
    try {
      const { traceId, spanId } = this.#ids;
      this.#traces.record(traceId)?.name(spanId, operation(this.#req, this.#name));
      finish(this.#tracer, this.#ids, this.#isSpan, this.#res.statusCode, error);
    } catch {
      // A patched method threw; the response is out already.
    }
  }
}

function follow(tracer, state, req, res, name) {
  // Fastify's request and reply have Node's own inside.
  const isNodes = res instanceof ServerResponse;
  const isReply = !isNodes && typeof res.raw?.once === 'function';
  const incoming = isReply ? req.raw ?? req : req;
  const response = isReply ? res.raw : res;
  if (!isNodes && typeof response.once !== 'function') return undefined;
  const header = incoming.headers?.traceparent;
  const upstream = typeof header === 'string' ? parse(header) : undefined;
  // What travels with the ids: a header that is not there costs nothing.
  if (upstream !== undefined && (incoming.headers.tracestate !== undefined || incoming.headers.baggage !== undefined)) tracer.extract(incoming.headers);
  const { traces } = state;
  const method = incoming.method || 'GET';
  // The service called itself, or was called twice within one trace: a span of it, not its end.
  const isSpan = upstream !== undefined && traces.record(upstream[0])?.isOpen === true;
  const ids = isSpan ? within(tracer, method, upstream) : start(tracer, state, upstream);
  try {
    req.trace = ids;
  } catch {
    // On a request that refuses the property the trace goes on all the same.
  }
  const record = traces.record(ids.traceId)?.at(ids.spanId);
  if (record !== undefined) record.flags |= incoming.socket?.encrypted === true ? FLAGS.SERVED | FLAGS.TLS : FLAGS.SERVED;
  if (!isSpan) tag(tracer, incoming, method, ids);
  new Served(tracer, traces, req, response, name, ids, isSpan).attach();
  return ids;
}

function within(tracer, method, [traceId, parentSpanId]) {
  return { traceId, spanId: tracer.startSpan(traceId, method, parentSpanId) };
}

function start(tracer, state, upstream) {
  if (upstream === undefined) return tracer.startTrace();
  const [traceId, parentSpanId, sampled] = upstream;
  return tracer.startTrace(traceId, parentSpanId, state.recorder.config.isParentBased ? { sampled } : undefined);
}

function tag(tracer, incoming, method, { traceId }) {
  tracer.addTag(traceId, 'http.request.method', method);
  // Without the query: it may hold secrets.
  const path = String(incoming.originalUrl ?? incoming.url ?? '');
  const query = path.indexOf('?');
  tracer.addTag(traceId, 'url.path', path.slice(0, query < 0 ? PATH_CHARS : Math.min(query, PATH_CHARS)));
}

function finish(tracer, { traceId, spanId }, isSpan, statusCode, error) {
  const failed = error !== undefined || statusCode >= 500;
  const metadata = failed ? { statusCode, error: error ?? `HTTP ${statusCode}` } : { statusCode };
  if (isSpan) {
    tracer.endSpan(traceId, spanId, failed ? 'error' : 'success', metadata);
  } else {
    tracer.addTag(traceId, 'http.response.status_code', statusCode);
    tracer.endTrace(traceId, failed ? 'error' : 'success', metadata);
  }
}

/** The method and the route's pattern: a name with ids in it would measure each id by itself. */
function operation(req, name) {
  try {
    const own = name?.(req);
    if (typeof own === 'string' && own !== '') return own;
  } catch {
    // The default name, then.
  }
  const method = req.method || 'GET';
  // Express; Fastify since 4.10.
  const path = req.route?.path ?? req.routeOptions?.url;
  if (path === undefined) return method;
  const { baseUrl } = req;
  if (!baseUrl) return `${method} ${path}`;
  const mount = String(baseUrl).split('/').map((part) => (NAMES_ONE.test(part) ? ':id' : part)).join('/');
  return `${method} ${mount}${path}`;
}

module.exports = { middleware };
