'use strict';
// Sends requests on to the targets a router chooses: bodies in both directions as streams, WebSockets and other upgrades,
// and every outcome reported to the router. Whether another target may be asked is decided in native code.

const http = require('node:http');
const { pipeline } = require('node:stream');
const { native } = require('../addon.cjs');

/** Of one connection, not of the message (RFC 9110, 7.6.1, and what is used in their place). */
const HOP_BY_HOP = new Set([
  'connection', 'keep-alive', 'proxy-authenticate', 'proxy-authorization', 'proxy-connection', 'te', 'trailer', 'transfer-encoding', 'upgrade',
]);

class Failure extends Error {
  constructor(status, message) {
    super(message);
    this.status = status;
  }
}

const abortion = () => Object.assign(new Error('the client has gone'), { name: 'AbortError' });

/** Name, value, name, value, … without what belongs to the connection. */
function endToEnd(raw, connection = '') {
  const named = new Set(connection.toLowerCase().split(',').map((name) => name.trim()));
  const kept = [];
  for (let index = 0; index < raw.length; index += 2) {
    const name = raw[index].toLowerCase();
    if (!HOP_BY_HOP.has(name) && !named.has(name)) kept.push(raw[index], raw[index + 1]);
  }
  return kept;
}

/** The request's headers for a target, and who asked. */
function headersFor(request, upgrade) {
  const { headers, rawHeaders, socket } = request;
  const forwarded = endToEnd(rawHeaders, headers.connection).reduce((kept, value, index, all) => {
    if (index % 2 === 0 && !/^(expect|x-forwarded-(for|host|proto))$/i.test(value)) kept.push([value, all[index + 1]]);
    return kept;
  }, []);
  const chain = headers['x-forwarded-for'];
  const address = socket.remoteAddress ?? '';
  forwarded.push(['x-forwarded-for', chain === undefined ? address : `${chain}, ${address}`]);
  forwarded.push(['x-forwarded-proto', headers['x-forwarded-proto'] ?? (socket.encrypted ? 'https' : 'http')]);
  if ((headers['x-forwarded-host'] ?? headers.host) !== undefined) forwarded.push(['x-forwarded-host', headers['x-forwarded-host'] ?? headers.host]);
  if (upgrade) forwarded.push(['connection', 'Upgrade'], ['upgrade', headers.upgrade]);
  // The length of a body that comes in chunks is not known here either.
  else if (headers['transfer-encoding'] !== undefined) forwarded.push(['transfer-encoding', 'chunked']);
  const merged = Object.create(null);
  for (const [name, value] of forwarded) {
    const key = name.toLowerCase();
    if (merged[key] === undefined) merged[key] = value;
    else merged[key] = [].concat(merged[key], value);
  }
  return merged;
}

const hasBody = ({ headers }) => headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

/**
 * Asks target after target. `begin(outgoing)` is called once a connection stands; resolves with `{ kind, incoming, socket,
 * head, done }` of the first answer, or rejects with a {@link Failure}.
 */
function ask(context, request, { upgrade, begin, gone }) {
  const { router, serviceName, settings, agent, keyOf } = context;
  const [connectTimeout, timeout, retries] = settings;
  const exclude = [];
  const attempt = (left) => new Promise((resolve, reject) => {
    let route;
    try {
      route = router.routeRequest(serviceName, { key: keyOf?.(request), exclude });
    } catch (error) {
      reject(new Failure(503, error.message));
      return;
    }
    const { done } = route;
    const progress = { connected: false, body: false };
    const outgoing = http.request({
      host: route.host,
      port: route.port,
      method: request.method,
      path: request.url,
      headers: headersFor(request, upgrade),
      agent: upgrade ? false : agent,
      setHost: false,
    });
    let timer;
    const fail = (error) => {
      clearTimeout(timer);
      if (gone.aborted) {
        done(abortion());
        reject(error);
        return;
      }
      done(error);
      const again = left > 0 && native.forwardAgain(request.method, progress.connected, progress.body, false);
      if (!again) {
        reject(error instanceof Failure ? error : new Failure(502, error.message));
        return;
      }
      exclude.push(route.targetId);
      attempt(left - 1).then(resolve, (later) => reject(later.status === 503 ? new Failure(502, error.message) : later));
    };
    outgoing.on('error', fail);
    outgoing.once('socket', (socket) => {
      const connected = () => {
        clearTimeout(timer);
        progress.connected = true;
        progress.body = hasBody(request);
        begin(outgoing);
      };
      if (!socket.connecting) {
        connected();
        return;
      }
      timer = setTimeout(() => outgoing.destroy(new Failure(504, 'the connection took too long')), connectTimeout);
      socket.once('connect', connected);
    });
    outgoing.setTimeout(timeout, () => outgoing.destroy(new Failure(504, 'the target was silent for too long')));
    outgoing.once('response', (incoming) => resolve({ incoming, outgoing, done }));
    outgoing.once('upgrade', (incoming, socket, head) => resolve({ incoming, outgoing, socket, head, done }));
    gone.addEventListener('abort', () => outgoing.destroy(abortion()), { once: true });
  });
  return attempt(retries);
}

function refuse(response, failure) {
  if (response.headersSent || response.destroyed) {
    response.destroy();
    return;
  }
  const names = { 502: 'bad gateway', 503: 'no target available', 504: 'gateway timeout' };
  const body = JSON.stringify({ error: names[failure.status] ?? 'bad gateway' });
  response.writeHead(failure.status ?? 502, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
  response.end(body);
}

/** What came back from a target is worth to the router. */
const verdict = ({ statusCode }) => (statusCode >= 500 ? new Error(`status ${statusCode}`) : undefined);

async function forward(context, request, response) {
  const leaving = new AbortController();
  response.once('close', () => { if (!response.writableFinished) leaving.abort(); });
  const begin = (outgoing) => {
    // A target that answers early closes this stream; the answer counts.
    if (hasBody(request)) pipeline(request, outgoing, () => {});
    else outgoing.end();
  };
  let answer;
  try {
    answer = await ask(context, request, { upgrade: false, begin, gone: leaving.signal });
  } catch (failure) {
    refuse(response, failure);
    return;
  }
  const { incoming, done } = answer;
  response.writeHead(incoming.statusCode, incoming.statusMessage, endToEnd(incoming.rawHeaders, incoming.headers.connection));
  // Who broke it off: afterwards both sides are closed, in an order that differs between versions of Node.
  let broken = false;
  incoming.once('error', () => { broken = !leaving.signal.aborted; });
  pipeline(incoming, response, (error) => {
    if (error === undefined || error === null) done(verdict(incoming));
    else done(broken || !leaving.signal.aborted ? error : abortion());
  });
}

function headOf({ statusCode, statusMessage, rawHeaders }, headers = rawHeaders) {
  let head = `HTTP/1.1 ${statusCode} ${statusMessage}\r\n`;
  for (let index = 0; index < headers.length; index += 2) head += `${headers[index]}: ${headers[index + 1]}\r\n`;
  return `${head}\r\n`;
}

async function upgrade(context, request, socket, head) {
  const leaving = new AbortController();
  socket.on('error', () => {});
  socket.once('close', () => leaving.abort());
  let answer;
  try {
    answer = await ask(context, request, { upgrade: true, begin: (outgoing) => outgoing.end(), gone: leaving.signal });
  } catch ({ status = 502 }) {
    socket.end(`HTTP/1.1 ${status} ${http.STATUS_CODES[status]}\r\nconnection: close\r\ncontent-length: 0\r\n\r\n`);
    return;
  }
  const { incoming, done } = answer;
  if (answer.socket === undefined) {
    // The target would not.
    socket.write(headOf(incoming, [...endToEnd(incoming.rawHeaders, incoming.headers.connection), 'connection', 'close']), 'latin1');
    pipeline(incoming, socket, () => done(verdict(incoming)));
    return;
  }
  const upstream = answer.socket;
  upstream.setTimeout(0);
  socket.setTimeout(0);
  socket.write(headOf(incoming), 'latin1');
  if (answer.head.length > 0) socket.write(answer.head);
  if (head.length > 0) upstream.write(head);
  pipeline(upstream, socket, upstream, () => {});
  upstream.once('close', () => {
    socket.destroy();
    done();
  });
}

/** A request handler for one of a router's services; its `upgrade` is for the server's event of that name. */
function proxy(router, serviceName, options = {}) {
  const settings = new Float64Array(3);
  native.forwardConfig(options, settings);
  const agent = new http.Agent({ keepAlive: true });
  const context = { router, serviceName, settings, agent, keyOf: options.key };
  const handler = (request, response) => { forward(context, request, response); };
  handler.upgrade = (request, socket, head) => { upgrade(context, request, socket, head); };
  handler.close = () => agent.destroy();
  return handler;
}

exports.proxy = proxy;
