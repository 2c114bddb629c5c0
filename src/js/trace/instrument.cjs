'use strict';
// Outgoing requests, the pool's queries and the caches' reads as spans of what is active, without a word in the app: through
// Node's diagnostics channels. Attributes are named by OpenTelemetry's semantic conventions.

const { subscribe, unsubscribe } = require('node:diagnostics_channel');
const { inject, storage } = require('./context.cjs');
const { textOf } = require('../resilience/text.cjs');

const OPERATION = /^\s*([a-z]+)/i;
const SQLSTATE = /^[0-9A-Z]{5}$/;

function start(tracer, name) {
  const above = storage.getStore();
  if (above === undefined) return undefined;
  const { traceId } = above;
  return { traceId, spanId: tracer.startSpan(traceId, name, above.spanId) };
}

function end(tracer, span, failed, metadata) {
  if (span !== undefined) tracer.endSpan(span.traceId, span.spanId, failed ? 'error' : 'success', metadata);
}

/** Where a request goes, without what may be secret in it: the query, and credentials. */
function target(address) {
  try {
    const url = new URL(address);
    const port = Number(url.port) || (url.protocol === 'https:' ? 443 : 80);
    return { 'server.address': url.hostname, 'server.port': port, 'url.full': `${url.origin}${url.pathname}` };
  } catch {
    return {};
  }
}

/** Listeners by channel; they never throw into who publishes. */
function listenersOf(tracer, carried) {
  /** Request → its span, and the status of its answer */
  const spans = new WeakMap();
  const finish = (request, error) => {
    const open = spans.get(request);
    if (open === undefined) return;
    spans.delete(request);
    const { span, status, metadata } = open;
    if (status !== undefined) metadata['http.response.status_code'] = status;
    if (error !== undefined) metadata.error = error?.message ?? 'failed';
    else if (status >= 400) metadata.error = `HTTP ${status}`;
    end(tracer, span, metadata.error !== undefined, metadata);
  };
  const begin = (request, method, address, headers) => {
    const span = start(tracer, method);
    if (span === undefined) return;
    spans.set(request, { span, status: undefined, metadata: { 'http.request.method': method, ...target(address) } });
    inject(tracer, carried, span.traceId, span.spanId, { set: headers });
  };
  const answered = (request, status) => {
    const open = spans.get(request);
    if (open !== undefined) open.status = status;
  };
  return {
    'undici:request:create': ({ request }) => {
      begin(request, request.method, `${request.origin}${request.path}`, (name, value) => request.addHeader(name, value));
    },
    'undici:request:headers': ({ request, response }) => answered(request, response.statusCode),
    'undici:request:trailers': ({ request }) => finish(request),
    'undici:request:error': ({ request, error }) => finish(request, error),
    // Of Node 22.12 and later; before it nothing tells of a request while its headers can still be set.
    'http.client.request.created': ({ request }) => {
      const address = `${request.protocol}//${request.getHeader('host') ?? request.host}${request.path}`;
      begin(request, request.method, address, (name, value) => {
        if (!request.headersSent) request.setHeader(name, value);
      });
    },
    'http.client.response.finish': ({ request, response }) => {
      answered(request, response.statusCode);
      finish(request);
    },
    'http.client.request.error': ({ request, error }) => finish(request, error),
    // Of the pool: see ../pool/observed.cjs.
    'tooloo-native:query': (event) => {
      const operation = (OPERATION.exec(event.text)?.[1] ?? 'query').toUpperCase();
      const span = start(tracer, operation);
      if (span === undefined) return;
      // Neither the text nor its parameters: both may hold secrets.
      const metadata = { 'db.system.name': 'postgresql', 'db.operation.name': operation };
      event.ends.push((error) => {
        const code = error === undefined ? undefined : String(error?.code ?? 'failed');
        if (code !== undefined) metadata.error = code;
        if (code !== undefined && SQLSTATE.test(code)) metadata['db.response.status_code'] = code;
        end(tracer, span, code !== undefined, metadata);
      });
    },
    // Of the caches: see ./observed.cjs.
    'tooloo-native:cache': (event) => {
      const span = start(tracer, `cache.${event.operation}`);
      if (span === undefined) return;
      // What a loader asks belongs to the read that it loads for.
      event.within = (work) => storage.run(Object.freeze(span), work);
      event.ends.push((error, result) => {
        const metadata = { 'cache.operation.name': event.operation };
        if (event.operation === 'get') metadata['cache.hit'] = result !== undefined && result !== null;
        else metadata['cache.loaded'] = event.loaded;
        if (error !== undefined) metadata.error = textOf(error?.code ?? error?.name ?? 'failed');
        end(tracer, span, error !== undefined, metadata);
      });
    },
  };
}

/** Listens until the function that it returns is called. */
function instrument(tracer, carried) {
  const listeners = Object.entries(listenersOf(tracer, carried)).map(([name, listener]) => {
    const safe = (message) => {
      try {
        listener(message);
      } catch {
        // The request and the query go on untraced.
      }
    };
    subscribe(name, safe);
    return [name, safe];
  });
  return () => { for (const [name, listener] of listeners.splice(0)) unsubscribe(name, listener); };
}

module.exports = { instrument };
