import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import net from 'node:net';
import { after, before, test } from 'node:test';
import { inspect } from 'node:util';
import { Worker } from 'node:worker_threads';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { freePort } from './support/free-port.mjs';
import { startPool } from './support/pool.mjs';
import { startPostgres } from './support/postgres.mjs';

const FACE = JSON.stringify(new URL('../src/js/lib/connection-pool.mjs', import.meta.url).href);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

let rig;
let server;
let admin;

before(async () => {
  rig = await startPool({ maxConnections: 2 });
  ({ server, pool: admin } = rig);
});

after(async () => {
  await rig?.stop();
});

function open(options = {}) {
  return new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 2, ...options });
}

async function until(condition, what) {
  for (let waited = 0; waited < 10_000; waited += 20) {
    if (await condition()) return;
    await sleep(20);
  }
  assert.fail(`timed out: ${what}`);
}

const backend = async (conn) => (await conn.query('select pg_backend_pid() as pid')).rows[0].pid;
const kill = (pid) => admin.query('select pg_terminate_backend($1)', [pid]);
const gone = (pid) => async () => (await admin.query('select 1 from pg_stat_activity where pid = $1', [pid])).rowCount === 0;

test('a connection killed between queries is replaced, and the next query works', async () => {
  const pool = open();
  const pid = await backend(pool);
  await kill(pid);
  await until(gone(pid), 'the backend ends');
  await sleep(50);
  assert.notEqual(await backend(pool), pid);
  assert.equal(pool.getStats().activeCount, 0);
  await pool.drain();
});

test('all idle connections killed at once do not fail one query or batch', async () => {
  const pool = open({ minConnections: 6, maxConnections: 6 });
  await pool.initialize();
  await admin.query("select pg_terminate_backend(pid) from pg_stat_activity where backend_type = 'client backend' and pid <> pg_backend_pid() and application_name = ''");
  await sleep(100);
  assert.deepEqual((await pool.query('select 1 as a')).rows, [{ a: 1 }]);
  assert.deepEqual((await pool.queryBatch(['select 2 as b']))[0].value.rows, [{ b: 2 }]);
  await pool.drain();
});

test('a connection killed during a query rejects it, and the pool goes on', async () => {
  const pool = open({ minConnections: 1, maxConnections: 1 });
  const conn = await pool.acquire();
  const pid = await backend(conn);
  const running = conn.query('select pg_sleep(30)').catch((error) => error);
  await sleep(50);
  await kill(pid);
  const error = await running;
  assert.ok(error instanceof Error);
  assert.ok(['57P01', 'ERR_TOOLOO_CONNECTION_LOST', 'ECONNRESET'].includes(error.code), error.code);
  assert.equal(conn.lost, true);
  await assert.rejects(conn.query('select 1'), { code: 'ERR_TOOLOO_CONNECTION_LOST' });
  pool.release(conn);
  assert.notEqual(await backend(pool), pid);
  assert.equal(pool.getStats().poolSize, 1);
  await pool.drain();
});

test('a connection idle for long is checked before it is lent', async () => {
  const pool = open({ validateAfterIdleMs: 1 });
  const pid = await backend(pool);
  await kill(pid);
  await until(gone(pid), 'the backend ends');
  await sleep(30);
  const conn = await pool.acquire();
  assert.notEqual(await backend(conn), pid);
  pool.release(conn);
  await pool.drain();
});

test('wrong password and unknown database: the server\'s words, no repetition, no secret', async () => {
  for (const [url, code] of [
    [server.url.replace('postgres:postgres@', 'postgres:hunter2-secret@'), '28P01'],
    [`${server.url}-nope`, '3D000'],
  ]) {
    const pool = new ConnectionPool({ connectionString: url, connectionTimeout: 3000 });
    const error = await pool.query('select 1').catch((reason) => reason);
    assert.match(error.message, /^Failed to create connection: /);
    assert.equal(error.code, 'ERR_TOOLOO_CONNECT');
    assert.equal(error.cause.code, code);
    assert.equal(pool.getStats().retries, 0);
    assert.ok(!inspect([error, pool]).includes('hunter2'), 'a secret is shown');
  }
});

test('a refused connection fails well within the timeout, after the repetitions', async () => {
  const port = await freePort();
  const pool = new ConnectionPool({ connectionString: `postgres://u:p@127.0.0.1:${port}/d`, connectionTimeout: 5000 });
  const error = await pool.acquire().catch((reason) => reason);
  assert.equal(error.cause.code, 'ECONNREFUSED');
  assert.equal(pool.getStats().retries, 3);
});

test('a server that accepts and says nothing ends with the timeout', async () => {
  const silent = net.createServer(() => {});
  await new Promise((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const { port } = silent.address();
  const pool = new ConnectionPool({ connectionString: `postgres://u:p@127.0.0.1:${port}/d`, connectionTimeout: 200 });
  await assert.rejects(pool.acquire(), /Failed to create connection|Connection acquisition timeout/);
  silent.close();
});

test('an exhausted pool: a wait times out, another is served on release', async () => {
  const pool = open({ maxConnections: 1, connectionTimeout: 5000 });
  const held = await pool.acquire();
  await assert.rejects(pool.acquire({ timeoutMs: 30 }), /Connection acquisition timeout/);
  const waiting = pool.query('select 1 as a');
  await sleep(20);
  pool.release(held);
  assert.deepEqual((await waiting).rows, [{ a: 1 }]);
  await pool.drain();
});

test('the server stops while callers wait: all are settled, and a new server is used again', async () => {
  const own = await startPostgres();
  const pool = new ConnectionPool({ connectionString: own.url, minConnections: 1, maxConnections: 1, connectionTimeout: 2000 });
  const slow = pool.query('select pg_sleep(20)').catch((error) => error);
  await until(() => pool.getStats().activeCount === 1, 'the query runs');
  const waiters = Array.from({ length: 5 }, () => pool.query('select 1').catch((error) => error));
  await sleep(50);
  await own.stop();
  for (const outcome of await Promise.all([slow, ...waiters])) assert.ok(outcome instanceof Error);
  const { activeCount, waitingRequests } = pool.getStats();
  assert.deepEqual({ activeCount, waitingRequests }, { activeCount: 0, waitingRequests: 0 });
  await pool.drain();
});

test('drain under load: every query is settled and no connection stays', async () => {
  const pool = open({ connectionString: `${server.url}?application_name=drained`, minConnections: 2, maxConnections: 4 });
  const load = Array.from({ length: 200 }, () => pool.query('select pg_sleep(0.002)').then(() => 'ok', (error) => error.code));
  await until(() => pool.getStats().released > 5, 'some are done');
  await pool.drain({ timeoutMs: 5000 });
  const outcomes = await Promise.all(load);
  assert.ok(outcomes.every((outcome) => ['ok', 'ERR_TOOLOO_CLOSED', 'ERR_TOOLOO_CONNECTION_LOST'].includes(outcome)), String(new Set(outcomes)));
  assert.ok(outcomes.includes('ok') && outcomes.includes('ERR_TOOLOO_CLOSED'));
  await pool.drain();
  const count = async () => (await admin.query("select 1 from pg_stat_activity where application_name = 'drained'")).rowCount;
  await until(async () => (await count()) === 0, 'connections end');
});

test('a worker terminated in the middle of a query leaves nothing behind', async () => {
  for (let round = 0; round < 3; round += 1) {
    const worker = new Worker(
      `(async () => {
       const { parentPort } = await import('node:worker_threads');
       const { ConnectionPool } = await import(${FACE});
       const pool = new ConnectionPool({ connectionString: ${JSON.stringify(`${server.url}?application_name=worker`)} });
       await pool.query('select 1');
       pool.query('select pg_sleep(0.3)');
       for (let i = 0; i < 20; i += 1) pool.query('select 1');
       parentPort.postMessage('running');
       })();`,
      { eval: true },
    );
    await new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
    await worker.terminate();
  }
  const count = async () => (await admin.query("select 1 from pg_stat_activity where application_name = 'worker'")).rowCount;
  await until(async () => (await count()) === 0, 'connections of workers end');
});

test('a process whose only addon user is a terminated worker ends cleanly', () => {
  const script = `
    import { Worker } from 'node:worker_threads';
    const worker = new Worker(\`
      (async () => {
      const { parentPort } = await import('node:worker_threads');
      const { ConnectionPool } = await import(${FACE.replaceAll('"', "'")});
      const pool = new ConnectionPool({ connectionString: '${server.url}' });
      await pool.query('select 1');
      pool.query('select pg_sleep(1)');
      parentPort.postMessage('running');
      })();\`, { eval: true });
    await new Promise((resolve) => worker.once('message', resolve));
    await worker.terminate();
    await new Promise((resolve) => setTimeout(resolve, 1500));
    console.log('ended');`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 30_000, encoding: 'utf8' });
  assert.deepEqual([result.status, result.signal, result.stdout], [0, null, 'ended\n'], result.stderr);
});

test('idle connections keep no process alive, a pending query does', async () => {
  const script = `
    import { ConnectionPool } from ${FACE};
    const pool = new ConnectionPool({ connectionString: ${JSON.stringify(server.url)}, minConnections: 3 });
    await pool.query('select 1');
    pool.query("select pg_sleep(0.5), 'answer' as a").then(({ rows }) => console.log(rows[0].a));`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.on('data', (chunk) => (output += chunk));
  const timer = setTimeout(() => child.kill(), 15_000);
  const code = await new Promise((resolve) => child.once('close', resolve));
  clearTimeout(timer);
  assert.deepEqual([code, output], [0, 'answer\n']);
});
