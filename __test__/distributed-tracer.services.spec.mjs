// One request through web, budget and PostgreSQL, as a collector in another process sees it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { closeConnections, request } from '../examples/servers/http.mjs';
import { loadLedger } from '../examples/servers/ledger.mjs';
import { inSession } from '../examples/servers/session.mjs';
import { startCollector } from './support/collector.mjs';
import { until } from './support/until.mjs';

const CLIENT = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7' };

/** The checks on what one request left behind. */
function check(spans) {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  assert.equal(byId.size, spans.length, 'no span came twice');
  const service = (span) => span.resource['service.name'];
  const shown = spans.map((span) => `${service(span)} ${span.kind} ${span.name}`).join(', ');
  // One tree: every span but one has its parent here, and that one has the client's.
  const roots = spans.filter(({ parentSpanId }) => !byId.has(parentSpanId));
  assert.deepEqual(roots.map(({ parentSpanId, name }) => [parentSpanId, service(roots[0]), name]), [[CLIENT.spanId, 'web', 'GET']], shown);
  for (const span of spans) {
    assert.equal(span.traceId, CLIENT.traceId);
    const parent = byId.get(span.parentSpanId);
    if (parent === undefined) continue;
    const isOwn = service(parent) === service(span);
    // On one machine two processes agree on the time to well below a millisecond.
    const early = parent.start - span.start;
    assert.ok(early <= (isOwn ? 5_000n : 1_000_000n), `${span.name} starts ${early} ns before ${parent.name}`);
    // A service is done when its answer is out, which its caller may have read by then.
    const late = span.end - parent.end;
    assert.ok(late <= (isOwn ? 5_000n : 1_000_000_000n), `${span.name} ends ${late} ns after ${parent.name}`);
  }
  const one = (wanted) => {
    const found = spans.filter((span) => wanted(span));
    assert.equal(found.length, 1, shown);
    return found[0];
  };
  const path = [];
  const query = one(({ attributes }) => attributes['db.system.name'] === 'postgresql');
  for (let span = query; span !== undefined; span = byId.get(span.parentSpanId)) path.unshift(`${service(span)} ${span.kind} ${span.name}`);
  // From Node 22.12 on the outgoing request of web is a span as well.
  assert.deepEqual(path.filter((name) => name !== 'web CLIENT GET'), [
    'web SERVER GET', 'web INTERNAL budget usage', 'budget SERVER GET /usage/:cohort', 'budget INTERNAL ledger.usage',
    'budget INTERNAL cache.getOrSet', 'budget CLIENT SELECT',
  ], shown);
  const server = one((span) => span.name === 'GET /usage/:cohort');
  assert.deepEqual(server.attributes, {
    'http.request.method': 'GET', 'http.route': '/usage/:cohort', 'url.path': '/usage/7', 'url.scheme': 'http', 'http.response.status_code': 200,
  });
  assert.ok(query.end - query.start > 0n);
}

test('a request through web, budget and PostgreSQL is one tree with the right parents and times', async () => {
  const collector = await startCollector();
  const before = { ...process.env };
  Object.assign(process.env, { OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_TRACES_SAMPLER: 'parentbased_always_off', OTEL_BSP_SCHEDULE_DELAY: '10' });
  let checked = 0;
  const code = await inSession(async ({ fleet, folder, open, signal }) => {
    const database = await open({ url: null });
    await loadLedger(database.client, database.schema, { calls: 2000, signal });
    const services = await fleet.startServices({ databaseUrl: database.url, schema: database.schema, cacheDir: folder });
    // What nobody asks to be sampled is not.
    assert.equal((await request(services.url, '/api/prices/1', { headers: { 'x-client-id': 'x' } })).status, 200);
    const headers = { 'x-client-id': 'x', traceparent: `00-${CLIENT.traceId}-${CLIENT.spanId}-01` };
    const answer = await request(services.url, '/api/usage/7', { headers });
    assert.equal(answer.status, 200);
    await until(async () => (await collector.spans()).some(({ name, resource }) => name === 'GET' && resource['service.name'] === 'web'));
    await until(async () => (await collector.spans()).some(({ name }) => name === 'GET /usage/:cohort'));
    check(await collector.spans());
    checked += 1;
    // Told to stop, services deliver what is pending.
    await collector.clear();
    process.env.OTEL_BSP_SCHEDULE_DELAY = '60000';
    const others = await fleet.startServices({ databaseUrl: database.url, schema: database.schema, cacheDir: folder });
    assert.equal((await request(others.url, '/api/usage/7', { headers })).status, 200);
    await others.stop();
    assert.deepEqual([...new Set((await collector.spans()).map(({ resource }) => resource['service.name']))].sort(), ['budget', 'web']);
    checked += 1;
    await services.stop();
  });
  for (const name of Object.keys(process.env)) if (!(name in before)) delete process.env[name];
  closeConnections();
  await collector.stop();
  assert.deepEqual([code, checked], [0, 2]);
});
