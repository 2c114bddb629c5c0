// What a PostgreSQL pool does when the server or the way to it fails. Each test has a server that it may break.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { startPostgres } from './support/postgres.mjs';
import { startTcpProxy } from './support/tcp-proxy.mjs';
import { until } from './support/until.mjs';

// For localhost and these tests alone; the authority's key is nowhere:
//   openssl req -x509 -days 36500 -nodes -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 … -out authority.crt
//   openssl x509 -req -days 36500 -CA authority.crt … -extfile (basicConstraints=CA:FALSE, subjectAltName=DNS:localhost)
const CERTIFICATES = new URL('./support/tls/', import.meta.url);
const authority = fileURLToPath(new URL('authority.crt', CERTIFICATES));

let server;

before(async () => {
  server = await startPostgres();
});

after(() => server?.stop());

async function withPool(options, body) {
  const pool = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 4, ...options });
  try {
    return await body(pool);
  } finally {
    await pool.drain();
  }
}

const works = (pool) => pool.query('select 1 as one').then(({ rows }) => rows[0].one === 1, () => false);

describe('under load', () => {
  for (const pipelineConnections of [0, 2]) {
    test(`connections that die, pipelined over ${pipelineConnections}: each call ends, the pool comes back, statistics stay true`, async () => {
      const proxy = await startTcpProxy(server.port);
      const url = server.url.replace(String(server.port), String(proxy.port));
      await withPool({ connectionString: url, pipelineConnections, connectionTimeout: 5000 }, async (pool) => {
        let running = true;
        let good = 0;
        const bad = new Set();
        const worker = async () => {
          while (running) {
            try {
              const { rows } = await pool.query('select $1::int as n', [good]);
              assert.equal(typeof rows[0].n, 'number');
              good += 1;
            } catch (error) {
              bad.add(error.code);
            }
          }
        };
        const workers = Array.from({ length: 20 }, worker);
        for (let round = 0; round < 5; round += 1) {
          const before = good;
          await until(() => good > before + 50);
          proxy.cut();
        }
        const last = good;
        await until(() => good > last + 50);
        running = false;
        await Promise.all(workers);
        for (const code of bad) assert.match(String(code), /^(ECONNRESET|EPIPE|ERR_TOOLOO_CONNECTION_LOST|ERR_TOOLOO_CONNECT|57P01)$/);
        const { activeCount, waitingRequests, poolSize } = pool.getStats();
        assert.deepEqual([activeCount, waitingRequests], [0, 0]);
        assert.ok(poolSize <= 4);
      });
      await proxy.stop();
    });
  }

  test('a pool that is exhausted serves its callers in their order', async () => {
    await withPool({ maxConnections: 2 }, async (pool) => {
      const order = [];
      await Promise.all(Array.from({ length: 50 }, (_, index) => pool.withConnection(async (conn) => {
        order.push(index);
        await conn.query('select 1');
      })));
      assert.deepEqual(order, Array.from({ length: 50 }, (_, index) => index));
    });
  });
});

test('a server that is restarted is found again', async () => {
  const own = await startPostgres();
  const pool = new ConnectionPool({ connectionString: own.url, maxConnections: 2, connectionTimeout: 2000 });
  assert.ok(await works(pool));
  await own.restart();
  await until(() => works(pool));
  assert.equal(pool.getStats().activeCount, 0);
  await pool.drain();
  await own.stop();
});

test('a table space without room is an error of its statement, and the connection goes on', async () => {
  await withPool({ maxConnections: 1 }, async (pool) => {
    await pool.query('create table full_disk (text text)');
    // The server's own limit for temporary files stands in for a disk that is full: both are class 53.
    const refused = pool.transaction(async (tx) => {
      await tx.query("set local temp_file_limit = '64kB'");
      await tx.query("set local work_mem = '64kB'");
      await tx.query('select n from generate_series(1, 300000) n order by random()');
    });
    await assert.rejects(refused, (error) => error.code.startsWith('53') && error.retryable === true);
    assert.ok(await works(pool));
  });
});

describe('TLS', () => {
  let secured;
  const query = (options) => {
    const pool = new ConnectionPool({ connectionString: undefined, user: 'postgres', password: 'postgres', database: 'postgres', port: secured.port, host: '127.0.0.1', minConnections: 1, ...options });
    return pool
      .query('select ssl from pg_stat_ssl where pid = pg_backend_pid()')
      .then(({ rows }) => rows[0].ssl)
      .finally(() => pool.drain());
  };

  before(async () => {
    secured = await startPostgres();
    const folder = path.join(secured.socketDir, 'data');
    const { uid, gid } = fs.statSync(folder);
    for (const name of ['server.key', 'server.crt']) {
      const file = path.join(folder, name);
      fs.copyFileSync(new URL(name, CERTIFICATES), file);
      fs.chownSync(file, uid, gid);
      fs.chmodSync(file, 0o600);
    }
    const admin = new ConnectionPool({ connectionString: secured.url, minConnections: 1 });
    await admin.query('alter system set ssl = on');
    await admin.query('select pg_reload_conf()');
    await until(async () => (await admin.query('show ssl')).rows[0].ssl === 'on');
    await admin.drain();
  });

  after(() => secured?.stop());

  test('is used when the server offers it, unless it is switched off', async () => {
    assert.equal(await query({}), true);
    assert.equal(await query({ ssl: false }), false);
    assert.equal(await query({ ssl: { rejectUnauthorized: false } }), true);
  });

  test('with verify-full wants a trusted certificate for this host', async () => {
    const ca = fs.readFileSync(authority);
    assert.equal(await query({ host: 'localhost', ssl: { ca } }), true);
    await assert.rejects(query({ ssl: { ca } }), /certificate not valid for name/);
    await assert.rejects(query({ host: 'localhost', ssl: true }), /certificate: UnknownIssuer/);
  });

  test('with verify-ca wants a trusted certificate of whatever host', async () => {
    const url = (more) => `postgres://postgres:postgres@127.0.0.1:${secured.port}/postgres?sslmode=verify-ca${more}`;
    assert.equal(await query({ connectionString: url(`&sslrootcert=${encodeURIComponent(authority)}`) }), true);
    await assert.rejects(query({ connectionString: url('') }), /certificate: UnknownIssuer/);
  });

  test('is not tried on a Unix socket', async () => {
    assert.equal(await query({ host: secured.socketDir }), false);
  });

  test('a cancellation goes over TLS, too', async () => {
    const pool = new ConnectionPool({ connectionString: `${secured.url}?sslmode=require`, maxConnections: 1 });
    await assert.rejects(pool.query('select pg_sleep(600)', [], { timeoutMs: 200 }), { code: 'ERR_TOOLOO_TIMEOUT' });
    assert.ok(await works(pool));
    await pool.drain();
  });
});
