import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import http from 'node:http';
import test from 'node:test';
import { fileURLToPath } from 'node:url';
import { gracefulShutdown } from '../src/js/index.mjs';
import { sleep, survives } from './support/resilience.mjs';

const SERVER = fileURLToPath(new URL('support/shutdown-server.mjs', import.meta.url));

async function started(mode = 'plain') {
  const child = spawn(process.execPath, [SERVER, mode], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  child.stdout.setEncoding('utf8').on('data', (text) => { out += text; });
  child.stderr.resume();
  const ended = new Promise((resolve) => child.once('close', (code, signal) => resolve({ code, signal, report: JSON.parse(out.trim().split('\n').at(-1)) })));
  for (const end = Date.now() + 30_000; !out.includes('\n'); await sleep(5)) {
    if (Date.now() > end) throw new Error('the server did not start');
  }
  return { child, port: Number(out.split('\n')[0]), ended };
}

const get = (port, path, agent) =>
  new Promise((resolve) => {
    const request = http.get({ host: '127.0.0.1', port, path, agent }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk) => { text += chunk; });
      response.once('end', () => resolve({ status: response.statusCode, text }));
      response.once('error', (error) => resolve({ error }));
    });
    request.once('error', (error) => resolve({ error }));
  });

test('under load, every request that was accepted is answered in full, and everything is drained in order', async () => {
  const { child, port, ended } = await started();
  const agent = new http.Agent({ keepAlive: true, maxSockets: 20 });
  let [succeeded, notReady, stop] = [0, false, false];
  const clients = Array.from({ length: 20 }, async () => {
    while (!stop) {
      const { status, text } = await get(port, '/', agent);
      if (status === 200 && text === 'done') succeeded += 1;
      else await sleep(5);
    }
  });
  for (const end = Date.now() + 30_000; succeeded < 50 && Date.now() < end; ) await sleep(5);
  child.kill('SIGTERM');
  while (!notReady && child.exitCode === null) notReady = (await get(port, '/health/ready')).status === 503;
  const { code, report } = await ended;
  stop = true;
  await Promise.all(clients);
  agent.destroy();
  assert.equal(notReady, true);
  assert.equal(code, 0);
  assert.ok(report.begun >= 50);
  assert.equal(report.answered, report.begun);
  assert.equal(succeeded, report.begun);
  assert.deepEqual(report.drained, ['pool', 'cache', 'last']);
});

test('past the deadline the process ends with exit code 1', async () => {
  const { child, port, ended } = await started('deadline');
  const hanging = get(port, '/hang');
  await get(port, '/');
  child.kill('SIGTERM');
  const { code, report } = await ended;
  assert.equal(code, 1);
  assert.deepEqual(report.drained, []);
  assert.ok((await hanging).error);
});

test('a second signal ends the process at once, with exit code 1', async () => {
  const { child, port, ended } = await started();
  const hanging = get(port, '/hang');
  await get(port, '/');
  child.kill('SIGTERM');
  while ((await get(port, '/health/ready')).status !== 503) await sleep(5);
  child.kill('SIGINT');
  assert.equal((await ended).code, 1);
  await hanging;
});

test('a drain that fails makes the exit code 1 and keeps none of the others from being drained', async () => {
  const { child, ended } = await started('failing');
  child.kill('SIGTERM');
  const { code, report } = await ended;
  assert.equal(code, 1);
  assert.deepEqual(report.drained, ['pool', 'cache']);
});

test('by hand: the exit is the caller’s, and dispose stops watching', async () => {
  const server = http.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  const before = process.listenerCount('SIGTERM');
  const codes = [];
  const { shutdown, done, dispose } = gracefulShutdown(server, { delayMs: 0, exit: (code) => codes.push(code) });
  assert.equal(process.listenerCount('SIGTERM'), before + 1);
  dispose();
  assert.equal(process.listenerCount('SIGTERM'), before);
  assert.equal(await shutdown(), 0);
  assert.equal(await done, 0);
  assert.deepEqual(codes, [0]);
  assert.equal(server.listening, false);
});

test('odd values are answered', async () => {
  const server = http.createServer();
  const quiet = { signals: [], exit() {} };
  assert.equal(await survives((value) => gracefulShutdown(server, { ...quiet, delayMs: value, deadlineMs: value })), 40);
  assert.throws(() => gracefulShutdown(server, { ...quiet, delayMs: -1 }), { name: 'RangeError', message: /"delayMs".*-1/ });
});
