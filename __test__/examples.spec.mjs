// The main job: what `npm start` prints is true, and it leaves nothing behind however it ends.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { startPostgres } from './support/postgres.mjs';
import { descendants, running } from './support/processes.mjs';

const START = fileURLToPath(new URL('../examples/servers/start.mjs', import.meta.url));
const SHORT = ['--seconds', '1', '--rate', '100', '--calls', '20000'];
const wait = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

let home;
let started;

beforeEach(() => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-test-'));
  // PostgreSQL may run as another user.
  fs.chmodSync(home, 0o777);
  started = [];
});

afterEach(async () => {
  for (const demo of started) {
    if (demo.child.exitCode === null && demo.child.signalCode === null) {
      demo.child.kill('SIGTERM');
      await demo.ended;
    }
  }
  fs.rmSync(home, { recursive: true, force: true });
});

/** Starts the demo with `home` as its temporary folder. */
function start(args, env = {}) {
  const child = spawn(process.execPath, [START, ...args], {
    env: { ...process.env, DATABASE_URL: '', ...env, TMPDIR: home },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const demo = { child, output: '', errors: '', ended: once(child, 'close').then(([code]) => code) };
  child.stdout.setEncoding('utf8').on('data', (text) => (demo.output += text));
  child.stderr.setEncoding('utf8').on('data', (text) => (demo.errors += text));
  started.push(demo);
  return demo;
}

async function until(condition, what) {
  for (let waited = 0; waited < 60_000; waited += 50) {
    if (condition()) return;
    await wait(50);
  }
  assert.fail(`waited too long for: ${what}`);
}

const printed = (demo, text) =>
  until(() => demo.output.includes(text) || demo.child.exitCode !== null, text).then(() => {
    assert.ok(demo.output.includes(text), `no "${text}" in:\n${demo.output}\n${demo.errors}`);
  });

const gone = (pids) => until(() => running(pids).length === 0, 'the end of every process');

/** The cells of the table line that starts with `title`. */
function cells({ output }, title) {
  const line = output.split('\n').find((text) => text.startsWith(`| ${title}`));
  assert.ok(line, `no line "${title}" in:\n${output}`);
  return line.split('|').slice(2, -1).map((cell) => cell.trim());
}

test('--once prints what each module did, and every request is answered', async () => {
  const demo = start(['--once', ...SHORT]);
  await printed(demo, '| memory');
  const pids = descendants(demo.child.pid);
  assert.equal(await demo.ended, 0, demo.errors);
  assert.equal(demo.errors, '');

  assert.deepEqual(cells(demo, 'requests served').slice(0, 2), ['100', '100']);
  assert.deepEqual(cells(demo, 'requests failed').slice(0, 2), ['0', '0']);
  const [, hitRate, lookups] = /hit rate ([\d.]+)% of ([\d,]+) lookups/.exec(cells(demo, 'PersistentCache')[0]);
  assert.ok(Number(hitRate) > 0 && Number(hitRate) <= 100, hitRate);
  assert.ok(Number(lookups.replaceAll(',', '')) >= 100, lookups);
  const [used, most] = cells(demo, 'ConnectionPool')[0].match(/\d+/g).map(Number);
  assert.ok(used >= 1 && used <= most, `${used} of ${most}`);
  assert.match(cells(demo, 'QueryOptimizer')[0], /^[1-9][\d,]* queries in [1-9][\d,]* batches/);
  assert.match(cells(demo, 'RateLimiter (web)')[0], /^[1-9][\d,]* let through/);
  assert.match(cells(demo, 'DistributedTracer (budget)')[0], /^[1-9][\d,]* traces and spans, errors 0(\.00)?%/);
  const [off, on] = cells(demo, 'database connections').map(Number);
  assert.ok(on <= 3 && on <= off, `${on} and ${off} connections`);

  assert.deepEqual(cells(demo, 'the budget service under load'), ['1 → 3 → 1 processes']);
  assert.match(cells(demo, 'requests, failed')[0], /^[1-9]\d*, 0$/);
  const answers = cells(demo, 'answers by process')[0].split(', ').map(Number);
  assert.equal(answers.length, 3);
  assert.ok(answers.every((count) => count > 0), `${answers}`);

  await gone(pids);
  assert.deepEqual(fs.readdirSync(home), []);
});

test('a port in use is stepped around, the services answer, and Ctrl-C ends everything with 0', async () => {
  const blocker = net.createServer().listen(0, '127.0.0.1');
  await once(blocker, 'listening');
  const { port } = blocker.address();
  try {
    const demo = start([...SHORT, '--port', String(port)]);
    await printed(demo, 'Ctrl-C ends everything');
    assert.match(demo.errors, new RegExp(`port ${port} is taken`));
    const [, web] = /^web +(http:\S+)/m.exec(demo.output);
    const answer = await fetch(`${web}/api/quote/7?tokens=5000`);
    assert.equal(answer.status, 200);
    assert.equal((await answer.json()).cohort, 'cohort-007');

    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const wrong = await fetch(`${web}/api/prices/99`, { headers: { traceparent: `00-${traceId}-b7ad6b7169203331-01` } });
    assert.equal(wrong.status, 400);
    assert.equal((await wrong.json()).traceId, traceId, 'the trace goes through both services');

    const pids = descendants(demo.child.pid);
    assert.ok(pids.length >= 4, `${pids.length} processes`);
    demo.child.kill('SIGINT');
    assert.equal(await demo.ended, 0, demo.errors);
    await gone(pids);
    assert.deepEqual(fs.readdirSync(home), []);
  } finally {
    blocker.close();
  }
});

test('Ctrl-C in the middle of loading ends everything', async () => {
  const demo = start(['--calls', '5000000']);
  await printed(demo, 'Loading');
  const pids = descendants(demo.child.pid);
  demo.child.kill('SIGINT');
  assert.equal(await demo.ended, 0, demo.errors);
  await gone(pids);
  assert.deepEqual(fs.readdirSync(home), []);
});

test('when the demo is killed, its processes end by themselves', async () => {
  const demo = start(SHORT);
  await printed(demo, 'Load with the modules');
  const pids = descendants(demo.child.pid);
  demo.child.kill('SIGKILL');
  await gone(pids);
});

test('a service that dies ends the demo, and DATABASE_URL is left as it was', async () => {
  const server = await startPostgres();
  const client = new pg.Client({ connectionString: server.url });
  await client.connect();
  const schemas = async () => (await client.query('SELECT nspname FROM pg_namespace ORDER BY 1')).rows;
  try {
    const before = await schemas();
    const demo = start(SHORT, { DATABASE_URL: server.url });
    await printed(demo, 'Load with the modules');
    assert.match(demo.output, /schema tooloo_demo_\w+, which is dropped at the end/);
    const pids = descendants(demo.child.pid);
    process.kill(pids[0], 'SIGKILL');
    assert.equal(await demo.ended, 1);
    assert.match(demo.errors, /budget ended unexpectedly/);
    await gone(pids);
    assert.deepEqual(await schemas(), before);
  } finally {
    await client.end();
    await server.stop();
  }
});
