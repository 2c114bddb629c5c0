// An OTLP collector in a process of its own: takes spans over HTTP(S), decodes and keeps them, and misbehaves when it is
// told to. `startCollector()` is for tests and benchmarks; run as a script, this file is the collector.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { fileURLToPath } from 'node:url';
import zlib from 'node:zlib';
import { decodeTraces } from './otlp.mjs';

const SCRIPT = fileURLToPath(import.meta.url);

/**
 * Starts a collector: `{ url, port, pid, spans(), requests(), behave(how), clear(), stop() }`. `how` is `{ status, headers, body,
 * delayMs, garbage, times }`: what is answered instead, `times` often (always, unless given). `count: true` counts requests
 * and bytes alone. `tls: { key, cert, ca }` (paths) makes it HTTPS, with `ca` it asks for a client's certificate.
 */
export async function startCollector({ port = 0, tls, count = false } = {}) {
  const child = fork(SCRIPT, [JSON.stringify({ port, tls, count })], { serialization: 'advanced' });
  const [{ port: actual }] = await once(child, 'message');
  let last = Promise.resolve();
  // One question at a time: answers come in the order of the questions.
  const ask = (message) => {
    last = last.then(async () => {
      child.send(message);
      return (await once(child, 'message'))[0];
    });
    return last;
  };
  return {
    url: `${tls === undefined ? 'http' : 'https'}://127.0.0.1:${actual}`,
    port: actual,
    pid: child.pid,
    spans: async () => (await ask({ ask: 'spans' })).spans,
    requests: async () => (await ask({ ask: 'requests' })).requests,
    behave: (how) => ask({ ask: 'behave', how }),
    clear: () => ask({ ask: 'clear' }),
    async stop() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGKILL');
      await ended;
    },
  };
}

async function run({ port, tls, count }) {
  let [spans, requests, how] = [[], [], {}];
  const handle = (request, response) => {
    const chunks = [];
    request.on('data', (chunk) => chunks.push(chunk));
    request.on('error', () => {});
    request.on('end', () => {
      const body = Buffer.concat(chunks);
      const behaving = how;
      if (how.times !== undefined && --how.times <= 0) how = {};
      const { method, url, headers } = request;
      const entry = { method, url, headers, bytes: body.length, at: Date.now(), authorized: request.socket.authorized };
      requests.push(entry);
      const { status = 200, headers: own = {}, body: text, delayMs = 0, garbage = false } = behaving;
      if (status === 200 && !count) {
        try {
          const found = decodeTraces(headers['content-encoding'] === 'gzip' ? zlib.gunzipSync(body) : body);
          entry.spans = found.length;
          spans.push(...found);
        } catch (error) {
          entry.fault = error.message;
        }
      }
      setTimeout(() => {
        if (garbage) return request.socket.end('\u0000garbage\r\n\r\n');
        response.writeHead(status, { 'content-type': 'application/x-protobuf', ...own });
        return response.end(text === undefined ? '' : Buffer.from(text));
      }, delayMs);
    });
  };
  const read = (path) => fs.readFileSync(path);
  const server = tls === undefined
    ? http.createServer(handle)
    : https.createServer({
      key: read(tls.key), cert: read(tls.cert),
      ...(tls.ca === undefined ? {} : { ca: read(tls.ca), requestCert: true, rejectUnauthorized: true }),
    }, handle);
  server.keepAliveTimeout = 60_000;
  process.on('message', (message) => {
    if (message.ask === 'behave') how = message.how;
    if (message.ask === 'clear') [spans, requests] = [[], []];
    process.send({ spans: message.ask === 'spans' ? spans : [], requests: message.ask === 'requests' ? requests : [] });
  });
  process.on('disconnect', () => process.exit());
  server.listen(port, '127.0.0.1', () => process.send({ port: server.address().port }));
}

if (process.argv[1] === SCRIPT) await run(JSON.parse(process.argv[2]));
