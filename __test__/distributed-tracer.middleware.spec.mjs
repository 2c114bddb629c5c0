import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { afterEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import express from 'express';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
const closing = [];
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});

async function serve(setup, options) {
  const tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1, ...options });
  const app = express();
  const logged = [];
  app.use((req, res, next) => {
    if (req.headers['x-broken']) Object.defineProperty(req, 'trace', { value: 'mine' });
    next();
  });
  setup(app, tracer);
  app.use((error, req, res, next) => (logged.push(error), res.headersSent ? next(error) : res.status(500).send('failed')));
  const server = http.createServer(app).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(async () => {
    tracer.shutdown();
    server.closeAllConnections?.();
    await new Promise((resolve) => server.close(resolve));
  });
  const base = `http://127.0.0.1:${server.address().port}`;
  const get = async (path, headers) => {
    const response = await fetch(base + path, { headers });
    return { status: response.status, body: await response.text() };
  };
  return { tracer, get, base, logged };
}

async function until(check) {
  for (let waited = 0; waited < 500; waited += 1) {
    if (check()) return;
    await sleep(10);
  }
  assert.fail('it never came to that');
}

test('a request is a trace: named by its route, tagged, ended once', async () => {
  const { tracer, get } = await serve((app, tracer) => {
    app.use(tracer.middleware());
    app.get('/users/:id', (req, res) => res.json(req.trace));
  });
  const { body } = await get('/users/42?token=secret');
  const { traceId, spanId } = JSON.parse(body);
  await until(() => tracer.getTrace(traceId).status === 'success');
  const trace = tracer.getTrace(traceId);
  assert.equal(trace.spanId, spanId);
  assert.equal(trace.operationName, 'GET /users/:id');
  assert.deepEqual(trace.tags, { 'http.request.method': 'GET', 'url.path': '/users/42', 'http.response.status_code': 200 });
  assert.ok(!JSON.stringify(trace).includes('secret'));
  assert.equal(tracer.getMetrics().requests['GET /users/:id'].count, 1);
  assert.equal(tracer.getMetrics().totalRequests, 1);
});

test('the status is the response\'s: 5xx is an error, 4xx is not', async () => {
  const { tracer, get } = await serve((app, tracer) => {
    app.use(tracer.middleware());
    app.get('/broken', () => { throw new Error('boom'); });
    app.get('/fine', (req, res) => res.send('ok'));
  });
  assert.equal((await get('/broken')).status, 500);
  assert.equal((await get('/missing')).status, 404);
  await until(() => tracer.getMetrics().totalRequests === 2);
  const { requests, recentErrors } = tracer.getMetrics();
  assert.equal(requests['GET /broken'].errorCount, 1);
  assert.equal(requests.GET.errorCount, 0);
  assert.deepEqual(recentErrors.map(({ operation, error }) => [operation, error]), [['GET /broken', 'HTTP 500']]);
});

test('a mounted route is named without the ids in its mount path', async () => {
  const { tracer, get } = await serve((app, tracer) => {
    app.use(tracer.middleware());
    const router = express.Router({ mergeParams: true });
    router.get('/:post', (req, res) => res.send('ok'));
    app.use('/users/:id/posts', router);
  });
  await get('/users/17/posts/5');
  await until(() => tracer.getMetrics().totalRequests === 1);
  assert.deepEqual(Object.keys(tracer.getMetrics().requests), ['GET /users/:id/posts/:post']);
});

test('a client that goes away ends the trace as an error', async () => {
  const { tracer, base } = await serve((app, tracer) => {
    app.use(tracer.middleware());
    app.get('/slow', () => {});
  });
  const request = http.get(`${base}/slow`).on('error', () => {});
  await until(() => tracer.spans.size === 1);
  request.destroy();
  await until(() => tracer.getMetrics().totalRequests === 1);
  assert.equal(tracer.getMetrics().recentErrors[0].error, 'connection closed before the response ended');
});

test('an incoming traceparent is continued, and its unsampled flag honoured', async () => {
  const { tracer, get } = await serve((app, tracer) => {
    app.use(tracer.middleware());
    app.get('/', (req, res) => res.json({ ...req.trace, header: tracer.traceparent(req.trace.traceId) }));
  });
  const { traceId, spanId, header } = JSON.parse((await get('/', { traceparent: `00-${TRACE}-${SPAN}-00` })).body);
  assert.equal(traceId, TRACE);
  assert.equal(header, `00-${TRACE}-${spanId}-00`);
  assert.equal(tracer.getTrace(TRACE).parentSpanId, SPAN);
  assert.equal(tracer.getTrace(TRACE).sampled, false);
  const other = JSON.parse((await get('/', { traceparent: '00-nonsense' })).body);
  assert.match(other.traceId, /^[0-9a-f]{32}$/);
});

test('a sampled flag from upstream is honoured by a service that samples nothing', async () => {
  const { tracer, get } = await serve((app, tracer) => {
    app.use(tracer.middleware());
    app.get('/', (req, res) => res.send('ok'));
  }, { samplingRate: 0 });
  await get('/', { traceparent: `00-${TRACE}-${SPAN}-01` });
  assert.equal(tracer.getTrace(TRACE).sampled, true);
});

test('a service that calls itself adds a span to the trace that is open', async () => {
  const { tracer, get } = await serve((app, tracer) => {
    app.use(tracer.middleware());
    app.get('/outer', async (req, res) => {
      const { port } = req.socket.address();
      const inner = await fetch(`http://127.0.0.1:${port}/inner`, { headers: { traceparent: tracer.traceparent(req.trace.traceId) } });
      res.send(await inner.text());
    });
    app.get('/inner', (req, res) => res.json(req.trace));
  });
  const inner = JSON.parse((await get('/outer')).body);
  await until(() => tracer.getMetrics().totalRequests === 2);
  const trace = tracer.getTrace(inner.traceId);
  assert.deepEqual([trace.operationName, trace.status, trace.spans.length], ['GET /outer', 'success', 1]);
  assert.deepEqual([trace.spans[0].spanId, trace.spans[0].operationName, trace.spans[0].parentSpanId], [inner.spanId, 'GET /inner', trace.spanId]);
  assert.equal(trace.spans[0].status, 'success');
});

test('DT-D5 a handler that replies through a wrapped send counts once', async () => {
  const { tracer, get } = await serve((app, tracer) => {
    app.use((req, res, next) => {
      const { traceId } = tracer.startTrace();
      const { send } = res;
      // As the consumer does: send(object) calls json, which calls send again.
      res.send = function (body) {
        tracer.endTrace(traceId, res.statusCode < 400 ? 'success' : 'error', { statusCode: res.statusCode });
        return send.call(this, body);
      };
      next();
    });
    app.get('/', (req, res) => res.send({ ok: true }));
  });
  assert.deepEqual(JSON.parse((await get('/')).body), { ok: true });
  assert.equal(tracer.getMetrics().totalRequests, 1);
});

test('a handler that ends the trace itself has the last word', async () => {
  const { tracer, get } = await serve((app, tracer) => {
    app.use(tracer.middleware());
    app.get('/', (req, res) => {
      tracer.endTrace(req.trace.traceId, 'error', { error: 'half the data' });
      res.send({ ok: true });
    });
  });
  await get('/');
  await sleep(20);
  const { totalRequests, recentErrors } = tracer.getMetrics();
  assert.deepEqual([totalRequests, recentErrors[0].error], [1, 'half the data']);
});

test('nothing that goes wrong in tracing reaches the request', async () => {
  const boom = () => { throw new Error('tracing broke'); };
  for (const broken of ['startTrace', 'endTrace', 'addTag', 'generateId', 'recordMetrics', 'startSpan']) {
    const { get, logged } = await serve((app, tracer) => {
      app.use(tracer.middleware());
      app.get('/', (req, res) => res.send('ok'));
      tracer[broken] = boom;
    });
    assert.deepEqual(await get('/'), { status: 200, body: 'ok' });
    assert.deepEqual(await get('/', { 'x-broken': '1' }), { status: 200, body: 'ok' });
    assert.deepEqual(logged, []);
  }
});

test('an error in the app passes through as it is', async () => {
  const { get, logged } = await serve((app, tracer) => {
    app.use(tracer.middleware());
    app.get('/', () => { throw new Error('mine'); });
  });
  assert.equal((await get('/')).status, 500);
  assert.deepEqual(logged.map((error) => error.message), ['mine']);
});

test('name and ignore are options; a name that throws falls back', async () => {
  const { tracer, get } = await serve((app, tracer) => {
    app.use(tracer.middleware({
      name: (req) => { if (req.path === '/bad') throw new Error('no'); return `page ${req.path}`; },
      ignore: (req) => req.path === '/health',
    }));
    app.use((req, res) => res.send(String(req.trace?.traceId)));
  });
  assert.equal((await get('/health')).body, 'undefined');
  await get('/a');
  await get('/bad');
  await until(() => tracer.getMetrics().totalRequests === 2);
  assert.deepEqual(Object.keys(tracer.getMetrics().requests).sort(), ['GET', 'page /a']);
  assert.throws(() => tracer.middleware(null), TypeError);
  assert.throws(() => tracer.middleware({ name: 5 }), TypeError);
});

test('it works on a plain http server, and with anything that only looks like a request', async () => {
  const tracer = new DistributedTracer({ samplingRate: 1 });
  const trace = tracer.middleware();
  const server = http.createServer((req, res) => trace(req, res, () => res.end('plain'))).listen(0, '127.0.0.1');
  await once(server, 'listening');
  assert.equal(await (await fetch(`http://127.0.0.1:${server.address().port}/`)).text(), 'plain');
  server.closeAllConnections?.();
  await new Promise((resolve) => server.close(resolve));
  let calls = 0;
  for (const odd of [{}, null, undefined, 5, Object.freeze({ headers: { traceparent: 5 } })]) trace(odd, odd, () => (calls += 1));
  trace({}, {});
  assert.equal(calls, 5);
  tracer.shutdown();
});
