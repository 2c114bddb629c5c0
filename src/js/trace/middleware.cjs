'use strict';
// Express/Connect middleware of the tracer: a trace for each request. Nothing that goes wrong in here reaches the
// request.

const { native } = require('../addon.cjs');
const { errorMonitor } = require('node:events');
const { storage } = require('./context.cjs');

const PATH_CHARS = 256;
/** A part of a mount path that names one thing of many. */
const NAMES_ONE = /^(\d+|[0-9a-f]{8,}(-[0-9a-f]{4,})*)$/i;

function middleware(tracer, traces, { name, ignore, context = false } = {}) {
  for (const [option, value] of Object.entries({ name, ignore })) {
    if (value !== undefined && typeof value !== 'function') throw new TypeError(`option "${option}" must be a function`);
  }
  return function trace(req, res, next) {
    let ids;
    try {
      if (!ignore?.(req)) ids = follow(tracer, traces, req, res, name);
    } catch {
      // The request goes on untraced.
    }
    if (typeof next !== 'function') return;
    if (context === true && ids !== undefined) storage.run(ids, next);
    else next();
  };
}

function follow(tracer, traces, req, res, name) {
  if (typeof res.once !== 'function') return undefined;
  const header = req.headers?.traceparent;
  const upstream = typeof header === 'string' ? native.traceparentParse(header) : undefined;
  // What travels with the ids: a header that is not there costs nothing.
  if (upstream !== undefined && (req.headers.tracestate !== undefined || req.headers.baggage !== undefined)) tracer.extract(req.headers);
  const request = start(tracer, traces, req, upstream);
  const { traceId, spanId } = request;
  // By Reflect: on a request that refuses the property the trace goes on all the same.
  Reflect.set(req, 'trace', { traceId, spanId });

  let ended = false;
  const end = (error) => {
    if (ended) return;
    ended = true;
    try {
      traces.record(traceId)?.name(spanId, operation(req, name));
      finish(tracer, request, res.statusCode, error);
    } catch {
      // A patched method threw; the response is out already.
    }
  };
  res.once('finish', () => end());
  res.once('close', () => end(res.writableFinished === false ? 'connection closed before the response ended' : undefined));
  // The monitor sees the error and leaves its handling to the app.
  res.once(errorMonitor, (error) => end(error?.message || 'response error'));
  return Object.freeze({ traceId, spanId });
}

function start(tracer, traces, req, upstream) {
  const method = req.method || 'GET';
  if (upstream !== undefined) {
    const [traceId, parentSpanId, sampled] = upstream;
    if (traces.record(traceId)?.isOpen) {
      // The service called itself, or was called twice within one trace: a span of it, not its end.
      return { traceId, spanId: tracer.startSpan(traceId, method, parentSpanId), isSpan: true };
    }
    return tag(tracer, req, method, tracer.startTrace(traceId, parentSpanId, { sampled }));
  }
  return tag(tracer, req, method, tracer.startTrace());
}

function tag(tracer, req, method, { traceId, spanId }) {
  tracer.addTag(traceId, 'http.request.method', method);
  // Without the query: it may hold secrets.
  const [path] = String(req.originalUrl ?? req.url ?? '').split('?', 1);
  tracer.addTag(traceId, 'url.path', path.slice(0, PATH_CHARS));
  return { traceId, spanId, isSpan: false };
}

function finish(tracer, { traceId, spanId, isSpan }, statusCode, error) {
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
  const path = req.route?.path;
  if (path === undefined) return method;
  const mount = String(req.baseUrl ?? '').split('/').map((part) => (NAMES_ONE.test(part) ? ':id' : part)).join('/');
  return `${method} ${mount}${path}`;
}

module.exports = { middleware };
