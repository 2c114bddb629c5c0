// The tracer's middleware as a hook of a real Fastify.
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';
import { packaged } from './support/packages.mjs';
import { until } from './support/until.mjs';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const SPAN = '00f067aa0ba902b7';
// The last version for this one of Node.
const fastify = packaged('fastify', Number(process.versions.node.split('.')[0]) < 20 ? '4.29.1' : '5.12.8');
const closing = [];
after(async () => { for (const close of closing) await close(); });

test('a Fastify request is a trace, named by its route, active in its handlers', { skip: fastify === undefined && 'fastify could not be fetched' }, async () => {
  const tracer = new DistributedTracer({ serviceName: 'web', samplingRate: 1 });
  const app = fastify();
  closing.push(() => tracer.shutdown(), () => app.close());
  app.addHook('onRequest', tracer.middleware({ context: true, ignore: (request) => request.url === '/health' }));
  app.get('/users/:id', async (request) => {
    await new Promise((resolve) => setImmediate(resolve));
    return { ...request.trace, active: tracer.active() };
  });
  app.get('/health', async (request) => ({ trace: request.trace }));
  app.get('/fails', async () => { throw new Error('boom'); });
  const base = await app.listen({ port: 0, host: '127.0.0.1' });
  const ask = async (path, headers) => (await fetch(base + path, { headers })).json();

  const answer = await ask('/users/42?token=secret', { traceparent: `00-${TRACE}-${SPAN}-01` });
  assert.deepEqual([answer.traceId, answer.active], [TRACE, { traceId: TRACE, spanId: answer.spanId }]);
  assert.deepEqual(await ask('/health'), {});
  assert.equal((await ask('/fails')).statusCode, 500);
  await until(() => tracer.getMetrics().totalRequests === 2);
  const trace = tracer.getTrace(TRACE);
  assert.deepEqual([trace.operationName, trace.parentSpanId, trace.status], ['GET /users/:id', SPAN, 'success']);
  assert.deepEqual(trace.tags, { 'http.request.method': 'GET', 'url.path': '/users/42', 'http.response.status_code': 200 });
  assert.deepEqual(tracer.getMetrics().recentErrors.map(({ operation, error }) => [operation, error]), [['GET /fails', 'HTTP 500']]);
});
