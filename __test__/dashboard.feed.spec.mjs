// The live figures: who gets them, what they cost, and how they end.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import net from 'node:net';
import { afterEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dashboard } from '../src/js/index.mjs';
import { node } from './support/nodes.mjs';
import { until } from './support/until.mjs';

const closing = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

/** A limiter that counts how often it is read. */
class Counted {
  reads = 0;
  getStats() {
    this.reads += 1;
    return { allowedRequests: this.reads, deniedRequests: 0 };
  }
}

async function serve(options) {
  const handler = dashboard({ intervalMs: 250, ...options });
  const responses = [];
  const server = http
    .createServer((request, response) => {
      responses.push(response);
      handler(request, response);
    })
    .listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(
    () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  );
  return { handler, server, responses, port: server.address().port };
}

/** An open viewer: its events as they come, `leave()`, and `gone` when the other side has ended it. */
function watch(port) {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path: '/events', agent: false }, (response) => {
      const viewer = {
        status: response.statusCode,
        headers: response.headers,
        events: [],
        gone: false,
        leave: () => request.destroy(),
      };
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk;
        for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
          const lines = Object.fromEntries(
            text
              .slice(0, end)
              .split('\n')
              .map((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 2)]),
          );
          if (lines.event) viewer.events.push({ name: lines.event, data: JSON.parse(lines.data) });
          text = text.slice(end + 2);
        }
      });
      response.on('close', () => (viewer.gone = true));
      response.on('error', () => {});
      resolve(viewer);
    });
    request.on('error', reject);
  });
}

test('a viewer gets what was before, the figures now, and new ones with each interval', async () => {
  const { port } = await serve({ limiter: new Counted() });
  const viewer = await watch(port);
  assert.equal(viewer.headers['content-type'], 'text/event-stream; charset=utf-8');
  assert.match(viewer.headers['cache-control'], /no-store, no-transform/);
  await until(() => viewer.events.length >= 4);
  const [history, ...snapshots] = viewer.events;
  assert.deepEqual([history.name, history.data.points], ['history', []]);
  assert.deepEqual(
    snapshots.map(({ data }) => data.panels.limiter[0].allowed),
    snapshots.map((_, index) => index + 1),
  );
  viewer.leave();

  const later = await watch(port);
  await until(() => later.events.length >= 2);
  assert.ok(later.events[0].data.points.length >= 2, 'the charts of a new viewer begin with what was seen before');
  later.leave();
});

test('while nobody watches, no module is read', async () => {
  const limiter = new Counted();
  const { port } = await serve({ limiter });
  assert.equal(limiter.reads, 0);
  const viewer = await watch(port);
  await until(() => limiter.reads >= 3);
  viewer.leave();
  await until(async () => {
    const before = limiter.reads;
    await new Promise((resolve) => {
      setTimeout(resolve, 800);
    });
    return limiter.reads === before;
  });
});

test('all viewers share one reading an interval, and so do questions for a single one', async () => {
  const limiter = new Counted();
  const { port } = await serve({ limiter, intervalMs: 1000 });
  const viewers = await Promise.all(Array.from({ length: 8 }, () => watch(port)));
  const begun = performance.now();
  await until(() => viewers.every(({ events }) => events.length >= 4));
  const answers = await Promise.all(
    Array.from({ length: 5 }, () => fetch(`http://127.0.0.1:${port}/snapshot`).then((answer) => answer.json())),
  );
  const intervals = (performance.now() - begun) / 1000;
  assert.ok(limiter.reads <= intervals + 2, `${limiter.reads} readings in ${intervals} intervals`);
  assert.equal(new Set(answers.map(({ at }) => at)).size, 1);
  for (const viewer of viewers) viewer.leave();
});

test('beyond maxViewers one is turned away, until another leaves', async () => {
  const { port } = await serve({ limiter: new Counted(), maxViewers: 2 });
  const viewers = [await watch(port), await watch(port)];
  const refused = await watch(port);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers['retry-after'], '10');
  viewers[0].leave();
  await until(async () => {
    const again = await watch(port);
    if (again.status === 200) again.leave();
    return again.status === 200;
  });
  viewers[1].leave();
});

test('a viewer that does not read is dropped, and until then no more than one figure waits for it', async () => {
  const name = 'x'.repeat(100_000);
  const breakers = Array.from({ length: 40 }, () => ({ getState: () => ({ name, state: 'CLOSED' }) }));
  const { port, responses } = await serve({ breakers });
  const socket = net.connect(port, '127.0.0.1');
  socket.on('error', () => {});
  socket.write('GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n');
  socket.pause();
  await until(() => responses.length === 1);
  const [response] = responses;
  let most = 0;
  const reader = await watch(port);
  await until(() => {
    most = Math.max(most, response.writableLength);
    return response.destroyed;
  }, 60_000);
  // The history, and one figure more than what the system holds.
  assert.ok(most < 3 * 40 * 100_000, `${most} bytes waited`);
  await until(() => reader.events.length >= 6);
  assert.equal(reader.gone, false, 'the others go on');
  reader.leave();
  socket.destroy();
});

test('close() ends every viewer and takes no more, and the page still answers', async () => {
  const { port, handler } = await serve({ limiter: new Counted() });
  const viewers = [await watch(port), await watch(port)];
  handler.close();
  await until(() => viewers.every(({ gone }) => gone));
  assert.equal((await watch(port)).status, 503);
  assert.equal((await fetch(`http://127.0.0.1:${port}/`)).status, 200);
});

test('a server that closes is not held up by an open page', async () => {
  const { port, server } = await serve({ limiter: new Counted() });
  const viewer = await watch(port);
  await until(() => viewer.events.length > 1);
  await new Promise((resolve) => server.close(resolve));
  await until(() => viewer.gone);
});

/** A process with a dashboard and a viewer of its own, which has nothing more to do. */
const IDLE = `
  import http from 'node:http';
  import { once } from 'node:events';
  import { dashboard, DistributedTracer, RateLimiter } from ${JSON.stringify(new URL('../src/js/index.mjs', import.meta.url).href)};
  const tracer = new DistributedTracer({ samplingRate: 1 });
  const { traceId } = tracer.startTrace();
  tracer.endTrace(traceId);
  const handler = dashboard({ limiter: new RateLimiter(), tracer, intervalMs: 250 });
  const server = http.createServer(handler).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = 'http://127.0.0.1:' + server.address().port;
  const page = await fetch(address + '/');
  const trace = await (await fetch(address + '/trace?id=' + traceId)).json();
  const request = http.get(address + '/events');
  const [response] = await once(request, 'response');
  await once(response, 'data');
  response.resume();
  console.log(page.status, trace.id === traceId);
  // What is left: the viewer, the feed's timer, and a server that no longer listens.
  server.close();
  server.closeIdleConnections();`;

for (const major of [18, 20, 22, 24]) {
  test(`on Node ${major} it works, and keeps no process alive`, { timeout: 120_000 }, async (t) => {
    const binary = node(major);
    if (binary === undefined) {
      t.skip(`Node ${major} is not to be had here`);
      return;
    }
    const child = spawn(binary, ['--input-type=module', '--eval', IDLE], {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
    });
    let [out, errors] = ['', ''];
    child.stdout.on('data', (chunk) => (out += chunk));
    child.stderr.on('data', (chunk) => (errors += chunk));
    const [code] = await once(child, 'close');
    assert.deepEqual([code, out, errors], [0, '200 true\n', '']);
  });
}
