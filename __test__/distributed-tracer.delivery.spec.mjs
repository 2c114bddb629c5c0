// Delivery: collectors that are down, slow, or answer nonsense, and the ends of processes and workers.
import assert from 'node:assert/strict';
import { execFile, fork } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { DistributedTracer } from '../src/js/lib/distributed-tracer.mjs';
import { startCollector } from './support/collector.mjs';
import { until } from './support/until.mjs';

const run = promisify(execFile);
const TRACED = fileURLToPath(new URL('./support/traced.mjs', import.meta.url));
const TLS = (file) => fileURLToPath(new URL(`./support/tls/${file}`, import.meta.url));
const closing = [];
after(async () => { for (const close of closing) await close(); });

async function collecting(options) {
  const collector = await startCollector(options);
  closing.push(() => collector.stop());
  return collector;
}

function made(endpoint, otlp, options) {
  const tracer = new DistributedTracer({
    serviceName: 'web', samplingRate: 1, exporter: { otlp: { endpoint, delayMs: 1, exitTimeoutMs: 200, ...otlp } }, ...options,
  });
  closing.unshift(() => tracer.shutdown());
  return tracer;
}

const trace = (tracer, count = 1) => { for (let index = 0; index < count; index += 1) tracer.endTrace(tracer.startTrace().traceId); };

async function freePort() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  await new Promise((resolve) => { server.close(resolve); });
  return port;
}

test('a collector that is down costs no request anything, the memory stays bounded, and what was lost is counted', async () => {
  const port = await freePort();
  const tracer = made(`http://127.0.0.1:${port}`, { maxQueueSize: 2000, retryForMs: 60_000 });
  trace(tracer, 20_000);
  await until(() => tracer.exporterStats().failures > 0);
  const stats = tracer.exporterStats();
  assert.ok(stats.queued <= 2000 + 512, `${stats.queued}`);
  assert.equal(stats.queued + stats.droppedQueueFull + stats.droppedFailed, 20_000);
  assert.ok(stats.lastError !== '' && !stats.lastError.includes(String(port)), stats.lastError);
  assert.equal(await tracer.flush({ timeoutMs: 50 }), false);
  // It comes up: what still waits is delivered without anybody's doing.
  const collector = await collecting({ port });
  await until(() => tracer.exporterStats().exported > 0);
  // It tells of losses once.
  assert.deepEqual([await tracer.flush(), await tracer.flush()], [false, true]);
  const { exported, queued, droppedQueueFull, droppedFailed, lastError } = tracer.exporterStats();
  assert.deepEqual([exported + droppedQueueFull + droppedFailed, queued, lastError], [20_000, 0, '']);
  assert.equal((await collector.spans()).length, exported);
});

test('a batch that cannot be delivered in its time is dropped and counted', async () => {
  const tracer = made(`http://127.0.0.1:${await freePort()}`, { retryForMs: 1 });
  trace(tracer, 3);
  assert.equal(await tracer.flush(), false);
  const { droppedFailed, queued, requests, failures } = tracer.exporterStats();
  assert.deepEqual([droppedFailed, queued, requests, failures], [3, 0, 1, 1]);
});

test('503 is tried again, not before the time that the collector asks for', async () => {
  const collector = await collecting();
  const tracer = made(collector.url);
  await collector.behave({ status: 503, headers: { 'retry-after': '1' }, times: 1 });
  trace(tracer, 2);
  assert.equal(await tracer.flush(), true);
  const [first, second, ...rest] = await collector.requests();
  assert.ok(second.at - first.at >= 990, `${second.at - first.at}`);
  assert.deepEqual([(await collector.spans()).length, rest.length, tracer.exporterStats().failures], [2, 0, 1]);
  await collector.behave({ status: 429, times: 1 });
  trace(tracer, 1);
  assert.equal(await tracer.flush(), true);
  assert.deepEqual([(await collector.spans()).length, tracer.exporterStats().lastError], [3, '']);
});

test('what the collector refuses is not sent again, and its words are not repeated', async () => {
  const collector = await collecting();
  const tracer = made(collector.url, { headers: { authorization: 'Bearer hunter2' } });
  await collector.behave({ status: 401, body: 'hunter2 is wrong' });
  trace(tracer, 2);
  assert.equal(await tracer.flush(), false);
  assert.equal((await collector.requests()).length, 1);
  const { droppedFailed, lastError } = tracer.exporterStats();
  assert.deepEqual([droppedFailed, lastError], [2, 'HTTP 401']);
  assert.ok(!JSON.stringify(tracer.getMetrics()).includes('hunter2'));
  // A redirect is not followed: the headers are for the collector alone.
  await collector.behave({ status: 307, headers: { location: `${collector.url}/elsewhere` } });
  trace(tracer, 1);
  assert.equal(await tracer.flush(), false);
  assert.deepEqual((await collector.requests()).map(({ url }) => url), ['/v1/traces', '/v1/traces']);
});

test('spans that the collector rejects one by one are counted as lost', async () => {
  const collector = await collecting();
  const tracer = made(collector.url);
  // ExportTraceServiceResponse { partial_success { rejected_spans: 2, error_message: "x" } }
  await collector.behave({ body: '\u000a\u0005\u0008\u0002\u0012\u0001x', times: 1 });
  trace(tracer, 5);
  assert.equal(await tracer.flush(), false);
  const { exported, rejected, lastError } = tracer.exporterStats();
  assert.deepEqual([exported, rejected, lastError], [3, 2, 'the collector rejected spans']);
});

test('garbage for an answer is a failure, garbage in an answer is told', async () => {
  const collector = await collecting();
  const tracer = made(collector.url, { retryForMs: 1 });
  await collector.behave({ garbage: true, times: 1 });
  trace(tracer, 1);
  assert.equal(await tracer.flush(), false);
  assert.equal(tracer.exporterStats().droppedFailed, 1);
  assert.notEqual(tracer.exporterStats().lastError, '');
  await collector.behave({ body: '<html>', times: 1 });
  trace(tracer, 1);
  await tracer.flush();
  const { unreadable, lastError } = tracer.exporterStats();
  assert.deepEqual([unreadable, lastError], [1, 'the answer was not OTLP']);
  await collector.behave({ body: 'x'.repeat(3_000_000), times: 1 });
  trace(tracer, 1);
  assert.equal(await tracer.flush(), false);
  trace(tracer, 1);
  assert.equal(await tracer.flush(), true);
});

test('a slow collector holds nobody up', async () => {
  const collector = await collecting();
  const tracer = made(collector.url, { timeoutMs: 300, retryForMs: 1, maxQueueSize: 1000 });
  await collector.behave({ delayMs: 60_000, times: 2 });
  trace(tracer, 5000);
  assert.equal(await tracer.flush({ timeoutMs: 20 }), false);
  await until(() => tracer.exporterStats().queued === 0);
  const { exported, droppedFailed, droppedQueueFull, failures } = tracer.exporterStats();
  assert.equal(exported + droppedFailed + droppedQueueFull, 5000);
  assert.ok(droppedFailed > 0 && failures > 0);
  assert.deepEqual([await tracer.flush(), await tracer.flush()], [false, true]);
});

test('TLS, with an authority of one\'s own and a certificate for the client', async () => {
  const collector = await collecting({ tls: { key: TLS('server.key'), cert: TLS('server.crt'), ca: TLS('authority.crt') } });
  const endpoint = collector.url.replace('127.0.0.1', 'localhost');
  const both = { clientCertificate: TLS('server.crt'), clientKey: TLS('server.key') };
  const sent = async (otlp) => {
    const tracer = made(endpoint, { retryForMs: 1, ...otlp });
    trace(tracer);
    return [await tracer.flush(), tracer.exporterStats().lastError];
  };
  assert.deepEqual(await sent({ certificate: TLS('authority.crt'), ...both }), [true, '']);
  assert.deepEqual((await sent({ ...both }))[0], false);
  assert.deepEqual((await sent({ certificate: TLS('authority.crt') }))[0], false);
  assert.equal((await collector.requests()).length, 1);
  assert.throws(() => made(endpoint, { certificate: TLS('server.key') }), /server\.key.*PEM/);
  assert.throws(() => made(endpoint, { certificate: '/nowhere.pem' }), TypeError);
});

/** Runs a process that ends in a way: `{ code, signal, said, ms }`. */
async function ended(how, { url, signal, exitMs = '5000' }) {
  const child = fork(TRACED, { env: { ...process.env, COLLECTOR: url, HOW: how, EXIT_MS: exitMs }, silent: true });
  const said = [];
  child.on('message', (message) => {
    said.push(message);
    if (message === 'ready' && signal !== undefined) setTimeout(() => child.kill(signal), 100);
  });
  let began = Date.now();
  child.on('message', () => { began = Date.now(); });
  const [code, name] = await once(child, 'exit');
  return { code, signal: name, said: said.slice(1), ms: Date.now() - began };
}

test('whatever the end of a process, what is pending is delivered before it', async () => {
  const collector = await collecting();
  const { url } = collector;
  const arrived = async () => {
    const { length } = await collector.spans();
    await collector.clear();
    return length;
  };
  const sum = ({ code, signal, said }) => [code, signal, said];
  for (const [how, expected, options] of [
    ['natural', [0, null, []]],
    ['exit', [3, null, []]],
    ['shutdown', [0, null, []]],
    ['flush', [0, null, [true]]],
    ['throws', [1, null, []]],
    ['signal', [null, 'SIGTERM', []], { signal: 'SIGTERM' }],
    ['signal', [null, 'SIGINT', []], { signal: 'SIGINT' }],
  ]) {
    assert.deepEqual(sum(await ended(how, { url, ...options })), expected, how);
    assert.equal(await arrived(), 5, how);
  }
  assert.deepEqual(sum(await ended('own handler', { url, signal: 'SIGTERM' })), [7, null, []]);
  assert.equal(await arrived(), 6);
  assert.deepEqual(sum(await ended('counts listeners', { url, signal: 'SIGTERM' })), [null, 'SIGTERM', []]);
});

test('a collector that is down or hangs holds the end of a process up for a bounded time', async () => {
  const down = `http://127.0.0.1:${await freePort()}`;
  const hanging = await collecting();
  await hanging.behave({ delayMs: 120_000 });
  for (const url of [down, hanging.url]) {
    for (const [how, signal] of [['natural', undefined], ['shutdown', undefined], ['signal', 'SIGTERM']]) {
      const { ms } = await ended(how, { url, signal, exitMs: '500' });
      assert.ok(ms < 8_000, `${how}: ${ms} ms`);
    }
  }
});

test('a worker ends clean, by itself with what is pending, or terminated in the middle of sending', async () => {
  const collector = await collecting();
  const start = (how) => new Worker(TRACED, { env: { ...process.env, COLLECTOR: collector.url, HOW: how } });
  const [code] = await once(start('natural'), 'exit');
  assert.deepEqual([code, (await collector.spans()).length], [0, 5]);
  const workers = Array.from({ length: 4 }, () => start('busy'));
  await Promise.all(workers.map((worker) => once(worker, 'message')));
  await until(async () => (await collector.requests()).length > 8);
  assert.deepEqual(await Promise.all(workers.map((worker) => worker.terminate())), [1, 1, 1, 1]);
});

test('a worker that alone has loaded the addon is terminated in the middle of sending', async () => {
  const collector = await collecting();
  const script = `
    import { once } from 'node:events';
    import { Worker } from 'node:worker_threads';
    const worker = new Worker(${JSON.stringify(TRACED)}, { execArgv: [] });
    await once(worker, 'message');
    await new Promise((resolve) => setTimeout(resolve, 300));
    await worker.terminate();
    await new Promise((resolve) => setTimeout(resolve, 300));
    console.log('alive');`;
  const env = { ...process.env, COLLECTOR: collector.url, HOW: 'busy' };
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { env });
  assert.equal(stdout, 'alive\n');
  assert.ok((await collector.spans()).length > 0);
});

test('a tracer that nobody holds sends what it has and takes its thread with it', { skip: process.platform !== 'linux' }, async () => {
  const collector = await collecting();
  const script = fileURLToPath(new URL('./support/forgotten.mjs', import.meta.url));
  const { stdout } = await run(process.execPath, ['--expose-gc', script], { env: { ...process.env, COLLECTOR: collector.url } });
  // A connection is made by a thread of its own, which is gone soon.
  const [before, now] = JSON.parse(stdout);
  assert.ok(before >= 1 && now === 0, stdout);
  assert.equal((await collector.spans()).length, 600);
});
