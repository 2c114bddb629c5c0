// The answer to a scrape: formats, methods, compression; read by promtool, by Python's parser and by Prometheus itself.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, before, test } from 'node:test';
import { setTimeout as wait } from 'node:timers/promises';
import zlib from 'node:zlib';
import express from 'express';
import { CircuitBreaker, DistributedTracer, metrics, metricsHandler, RateLimiter } from 'tooloo-native';
import { familiesOf, seriesOf } from './support/metrics.mjs';
import { parseOpenMetrics, promtool, startPrometheus, withoutParser, withoutPrometheus } from './support/prometheus.mjs';
import { until } from './support/until.mjs';

const PROTOBUF = 'application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited';
const OPEN_METRICS = 'application/openmetrics-text;version=1.0.0';

const tracer = new DistributedTracer({ serviceName: 'shop', samplingRate: 1 });
const limiter = new RateLimiter({ name: 'shop' });
const breaker = new CircuitBreaker('payment');
const sizes = metrics.histogram({ name: 'order_size_bytes', help: 'Sizes of "orders",\nin \\ bytes', labelNames: ['kind'], buckets: [10, 100, 1000] });
const orders = metrics.counter({ name: 'orders', help: 'Orders', labelNames: ['kind'] });
const HOSTILE = 'quotation " backslash \\ line\nend é \u{1F600}';
let server;
let port;

before(async () => {
  limiter.isAllowed('a');
  await breaker.execute(async () => 1);
  for (let turn = 0; turn < 20; turn += 1) {
    await tracer.run('order', async () => {
      await wait(1);
      sizes.observe({ kind: HOSTILE }, turn * 10);
      orders.inc({ kind: HOSTILE });
    });
  }
  server = http.createServer(metricsHandler()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  ({ port } = server.address());
});

after(async () => {
  tracer.shutdown();
  limiter.shutdown();
  server.close();
  server.closeAllConnections();
});

/** Without fetch, which decompresses by itself: `{ status, headers, body }`. */
async function ask({ method = 'GET', headers = {}, at = port } = {}) {
  const request = http.request({ port: at, host: '127.0.0.1', method, headers, agent: false }).end();
  const [response] = await once(request, 'response');
  const parts = [];
  for await (const part of response) parts.push(part);
  return { status: response.statusCode, headers: response.headers, body: Buffer.concat(parts) };
}

test('who asks for nothing gets the text format 0.0.4', async () => {
  const { status, headers, body } = await ask();
  assert.equal(status, 200);
  assert.equal(headers['content-type'], 'text/plain; version=0.0.4; charset=utf-8');
  assert.equal(headers['content-length'], String(body.length));
  assert.equal(headers['content-encoding'], undefined);
  assert.equal(headers.vary, 'Accept, Accept-Encoding');
  const text = body.toString();
  assert.equal(familiesOf(text).get('orders_total'), 'counter');
  assert.ok(text.includes('# HELP order_size_bytes Sizes of "orders",\\nin \\\\ bytes.\n'));
  assert.ok(text.includes(`orders_total{kind="quotation \\" backslash \\\\ line\\nend é \u{1F600}"} 20\n`));
  assert.ok(!text.includes('# EOF') && !text.includes('trace_id'));
});

test('promtool has nothing to say about it', { skip: withoutPrometheus() }, async () => {
  const { body } = await ask();
  assert.deepEqual(promtool(['check', 'metrics'], body), { status: 0, said: '' });
  // It does say something where there is something to say.
  assert.notEqual(promtool(['check', 'metrics'], '# TYPE a counter\na 1\n').status, 0);
});

test('OpenMetrics is what Python’s parser takes, with exemplars and units', { skip: withoutParser() }, async () => {
  const { headers, body } = await ask({ headers: { accept: OPEN_METRICS } });
  assert.equal(headers['content-type'], 'application/openmetrics-text; version=1.0.0; charset=utf-8');
  assert.ok(body.toString().endsWith('# EOF\n'));
  const families = new Map(parseOpenMetrics(body.toString()).map((family) => [family.name, family]));
  assert.deepEqual(families.get('orders').samples, [['orders_total', { kind: HOSTILE }, '20', null]]);
  assert.equal(families.get('order_size_bytes').unit, 'bytes');
  assert.equal(families.get('order_size_bytes').help, 'Sizes of "orders",\nin \\ bytes.');
  for (const name of ['order_size_bytes', 'tooloo_operation_duration_seconds']) {
    const exemplars = families.get(name).samples.map(([, , , exemplar]) => exemplar).filter(Boolean);
    assert.ok(exemplars.length > 0, name);
    for (const { trace_id: traceId } of exemplars) assert.notEqual(tracer.getTrace(traceId), null);
  }
  assert.throws(() => parseOpenMetrics('# TYPE a counter\na 1\n'), /ValueError/);
});

test('Prometheus scrapes it: series, native histograms, and exemplars that lead to traces', { skip: withoutPrometheus() }, async () => {
  const prometheus = await startPrometheus([`127.0.0.1:${port}`]);
  try {
    const value = async (query) => Number((await prometheus.query(`query?query=${encodeURIComponent(query)}`)).result[0]?.value[1]);
    await until(async () => (await value('orders_total')) === 20);
    assert.equal(await value('tooloo_limiter_requests_total{name="shop",outcome="allowed"}'), 1);
    assert.equal(await value('up'), 1);
    // Only a native histogram has a count without a series of that name.
    for (const name of ['tooloo_operation_duration_seconds{operation="order"}', 'order_size_bytes']) {
      assert.equal(await value(`histogram_count(${name})`), 20, name);
    }
    const median = await value('histogram_quantile(0.5, tooloo_operation_duration_seconds{operation="order"})');
    assert.ok(median > 0.0005 && median < 0.1, `${median}`);
  } finally {
    await prometheus.stop();
  }
});

test('an exemplar of a scrape in OpenMetrics is there to be found', { skip: withoutPrometheus() }, async () => {
  // Version 2.42 takes exemplars from the text formats.
  const only = http.createServer((request, response) => {
    request.headers.accept = OPEN_METRICS;
    metricsHandler()(request, response);
  }).listen(0, '127.0.0.1');
  await once(only, 'listening');
  const prometheus = await startPrometheus([`127.0.0.1:${only.address().port}`]);
  try {
    let found;
    await until(async () => {
      const now = Date.now() / 1e3;
      found = await prometheus.query(`query_exemplars?query=tooloo_operation_duration_seconds_bucket&start=${now - 600}&end=${now + 60}`);
      return found?.length > 0;
    });
    const { trace_id: traceId } = found[0].exemplars[0].labels;
    assert.notEqual(tracer.getTrace(traceId), null);
  } finally {
    await prometheus.stop();
    only.close();
  }
});

test('protobuf is for who asks for it', async () => {
  const { headers, body } = await ask({ headers: { accept: `${PROTOBUF};q=0.7,${OPEN_METRICS};q=0.6,*/*;q=0.1` } });
  assert.equal(headers['content-type'], 'application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited');
  assert.ok(body.includes('tooloo_operation_duration_seconds'));
});

test('gzip is for who takes it, unless it is switched off', async () => {
  const plain = await ask();
  const packed = await ask({ headers: { 'accept-encoding': 'gzip' } });
  assert.equal(packed.headers['content-encoding'], 'gzip');
  assert.equal(packed.headers['content-length'], String(packed.body.length));
  assert.ok(packed.body.length < plain.body.length / 4, `${packed.body.length} of ${plain.body.length} bytes`);
  assert.equal(familiesOf(zlib.gunzipSync(packed.body).toString()).size, familiesOf(plain.body.toString()).size);
  const refused = await ask({ headers: { 'accept-encoding': 'gzip;q=0' } });
  assert.equal(refused.headers['content-encoding'], undefined);

  const never = http.createServer(metricsHandler({ gzip: false })).listen(0, '127.0.0.1');
  await once(never, 'listening');
  const answer = await ask({ headers: { 'accept-encoding': 'gzip' }, at: never.address().port });
  assert.equal(answer.headers['content-encoding'], undefined);
  never.close();
});

test('HEAD has the headers and no body; other methods are refused', async () => {
  const head = await ask({ method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.body.length, 0);
  assert.ok(Number(head.headers['content-length']) > 1000);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const { status, headers } = await ask({ method });
    assert.equal(status, 405, method);
    assert.equal(headers.allow, 'GET, HEAD');
  }
});

test('Express takes it as a route and as middleware', async () => {
  const app = express();
  app.get('/metrics', metricsHandler());
  app.use('/below', metricsHandler());
  const server = app.listen(0, '127.0.0.1');
  await once(server, 'listening');
  for (const path of ['/metrics', '/below', '/below/deeper']) {
    const response = await fetch(`http://127.0.0.1:${server.address().port}${path}`);
    assert.equal(response.status, 200);
    assert.ok((await response.text()).includes('tooloo_build_info{version='), path);
  }
  server.close();
  server.closeAllConnections();
});

test('a gauge whose `collect` throws is an error without its message, and the next scrape is well', async () => {
  let sick = true;
  const gauge = metrics.gauge({ name: 'queue_length', help: 'Jobs that wait', collect(self) {
    if (sick) throw new Error('secret of the app');
    self.set(7);
  } });
  const warned = once(process, 'warning');
  const { status, body } = await ask();
  assert.equal(status, 500);
  assert.equal(body.toString(), 'the metrics could not be read\n');
  assert.doesNotMatch((await warned)[0].message, /secret/);
  sick = false;
  assert.ok((await ask()).body.includes('queue_length 7\n'));
  assert.ok(gauge);
});

test('counters only grow from scrape to scrape', async () => {
  const first = seriesOf((await ask()).body.toString());
  limiter.isAllowed('a');
  const second = seriesOf((await ask()).body.toString());
  for (const [series, value] of first) {
    if (/_total(\{|$)|_count(\{|$)|_bucket\{/.test(series)) assert.ok(second.get(series) >= value, `${series}: ${value}, then ${second.get(series)}`);
  }
});
