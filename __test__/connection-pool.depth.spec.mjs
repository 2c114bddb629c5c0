// What a PostgreSQL pool offers beyond query and release, on a real server.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { startPool } from './support/pool.mjs';
import { startTcpProxy } from './support/tcp-proxy.mjs';
import { until } from './support/until.mjs';

let rig;
let server;
let pool;

before(async () => {
  rig = await startPool({ maxConnections: 4 });
  ({ server, pool } = rig);
  await pool.query('create table item (id int primary key, name text)');
  await pool.query("insert into item select n, 'item ' || n from generate_series(1, 5000) n");
});

after(async () => {
  await rig?.stop();
});

async function withPool(options, body) {
  const own = new ConnectionPool({ connectionString: server.url, minConnections: 1, ...options });
  try {
    return await body(own);
  } finally {
    await own.drain();
  }
}

const rejectsWith = (code) => (error) => {
  assert.equal(error.code, code, error.stack);
  return true;
};

describe('a query', () => {
  test('that its signal aborts is cancelled at the server, and the connection goes on', async () => {
    await withPool({ maxConnections: 1 }, async (own) => {
      const { rows } = await own.query('select pg_backend_pid() as pid');
      const control = new AbortController();
      const sleeping = own.query('select pg_sleep(600)', [], { signal: control.signal });
      await until(async () => {
        const { rows: found } = await pool.query("select 1 from pg_stat_activity where query = 'select pg_sleep(600)'");
        return found.length === 1;
      });
      const reason = new Error('not needed');
      control.abort(reason);
      await assert.rejects(sleeping, (error) => error.code === 'ERR_TOOLOO_ABORTED' && error.cause === reason);
      assert.deepEqual((await own.query('select pg_backend_pid() as pid')).rows, rows);
      const { rows: left } = await pool.query("select 1 from pg_stat_activity where query = 'select pg_sleep(600)' and state = 'active'");
      assert.deepEqual(left, []);
    });
  });

  test('that takes too long is given up', async () => {
    await withPool({ maxConnections: 1 }, async (own) => {
      await assert.rejects(own.query('select pg_sleep(600)', [], { timeoutMs: 200 }), rejectsWith('ERR_TOOLOO_TIMEOUT'));
      assert.equal((await own.query('select 1 as one')).rows[0].one, 1);
      assert.equal(own.getStats().activeCount, 0);
    });
  });

  test('has a limit at the server, too', async () => {
    await withPool({ statementTimeoutMs: 100 }, async (own) => {
      await assert.rejects(own.query('select pg_sleep(600)'), rejectsWith('57014'));
    });
  });

  test('whose signal has fired is not sent', async () => {
    await assert.rejects(pool.query('select 1', [], { signal: AbortSignal.abort() }), rejectsWith('ERR_TOOLOO_ABORTED'));
  });

  test('gives arrays, and types as they are wanted', async () => {
    const text = "select 9007199254740993::int8 as a, 1.5::numeric as b, date '2024-02-29' as c, array[1::int8] as d, date '0044-03-15 BC' as e";
    const arrays = await pool.query(text, [], { rowMode: 'array', types: { int8: 'bigint', numeric: 'number', date: 'string' } });
    assert.deepEqual(arrays.rows, [[9007199254740993n, 1.5, '2024-02-29', [1n], '0044-03-15 BC']]);
    assert.equal((await pool.query({ text, rowMode: 'array' })).rows[0][0], '9007199254740993');
    await withPool({ types: { int8: 'number' } }, async (own) => {
      assert.deepEqual((await own.query('select 7::int8 as n, null::int8 as m')).rows, [{ n: 7, m: null }]);
    });
  });

  for (const [name, options] of [
    ['rowMode', { rowMode: 'rows' }],
    ['types', { types: { int9: 'number' } }],
    ['types.int8', { types: { int8: 'float' } }],
    ['timeoutMs', { timeoutMs: -1 }],
    ['signal', { signal: {} }],
  ]) {
    test(`refuses a bad ${name}`, async () => {
      await assert.rejects(pool.query('select 1', [], options), (error) => error.message.includes(name));
    });
  }
});

describe('a stream', () => {
  test('gives all rows, in batches', async () => {
    let sum = 0;
    for await (const { id } of pool.stream('select id from item order by id', [], { batchSize: 999 })) sum += id;
    assert.equal(sum, 12_502_500);
  });

  test('takes parameters and settings, and may be empty', async () => {
    const rows = [];
    for await (const row of pool.stream('select id, name from item where id between $1 and $2', [3, 4], { rowMode: 'array' })) rows.push(row);
    assert.deepEqual(rows, [[3, 'item 3'], [4, 'item 4']]);
    for await (const row of pool.stream('select id from item where id < 0')) assert.fail(row);
  });

  test('that is left early cancels the statement and gives the connection back', async () => {
    await withPool({ maxConnections: 1 }, async (own) => {
      for await (const { n } of own.stream('select n from generate_series(1, 100000000) n')) if (n === 10) break;
      assert.equal((await own.query('select 1 as one')).rows[0].one, 1);
      assert.equal(own.getStats().activeCount, 0);
    });
  });

  test('holds the server back while nobody reads', async () => {
    await withPool({ maxConnections: 1 }, async (own) => {
      const before = process.memoryUsage().rss;
      const rows = own.stream("select n, repeat('x', 1000) from generate_series(1, 3000000) n", [], { batchSize: 100 });
      await rows.next();
      await until(async () => {
        const { rows: found } = await pool.query("select wait_event from pg_stat_activity where query like '%repeat(''x''%' and pid <> pg_backend_pid()");
        return found[0]?.wait_event === 'ClientWrite';
      });
      await rows.return();
      assert.ok(process.memoryUsage().rss - before < 500e6);
    });
  });

  test('says what the server has against it, before and in the middle', async () => {
    await assert.rejects(pool.stream('select * from nowhere').next(), rejectsWith('42P01'));
    const seen = [];
    const rows = pool.stream('select 10 / (4000 - n) as q from generate_series(1, 5000) n', [], { batchSize: 500 });
    await assert.rejects(async () => { for await (const row of rows) seen.push(row); }, rejectsWith('22012'));
    assert.equal(seen.length % 500, 0);
  });

  test('has its connection to itself', async () => {
    await pool.withConnection(async (conn) => {
      for await (const row of conn.stream('select 1 as one')) {
        assert.deepEqual(row, { one: 1 });
        await assert.rejects(conn.query('select 2'), /busy with a stream/);
      }
      assert.equal((await conn.query('select 2 as two')).rows[0].two, 2);
    });
  });
});

describe('a transaction', () => {
  before(() => pool.query('create table account (id int primary key, amount int); insert into account values (1, 100), (2, 100)'));

  test('commits what its function did, or nothing of it', async () => {
    const value = await pool.transaction(async (tx) => {
      await tx.query('update account set amount = amount - 10 where id = 1');
      return (await tx.query('update account set amount = amount + 10 where id = 2 returning amount')).rows[0].amount;
    });
    assert.equal(value, 110);
    await assert.rejects(pool.transaction(async (tx) => {
      await tx.query('delete from account');
      throw new Error('no');
    }), /no/);
    assert.equal((await pool.query('select sum(amount)::int as sum from account')).rows[0].sum, 200);
  });

  test('in a transaction is a savepoint', async () => {
    await pool.transaction(async (tx) => {
      await tx.query('insert into account values (3, 0)');
      await assert.rejects(tx.transaction((inner) => inner.query('insert into account values (3, 0)')), rejectsWith('23505'));
      await tx.transaction((inner) => inner.query('insert into account values (4, 0)'));
    });
    assert.equal((await pool.query('select count(*)::int as n from account where id > 2')).rows[0].n, 2);
    await pool.query('delete from account where id > 2');
  });

  test('that the server rolled back does not look committed', async () => {
    await assert.rejects(pool.transaction(async (tx) => {
      await tx.query('insert into account values (9, 0)');
      await tx.query('select 1 / 0').catch(() => {});
    }), /rolled back/);
    assert.equal((await pool.query('select 1 from account where id = 9')).rowCount, 0);
  });

  test('runs again after a conflict, if told so', async () => {
    const add = () => pool.transaction(async (tx) => {
      const { rows } = await tx.query('select amount from account where id = 1');
      await tx.query('update account set amount = $1 where id = 1', [rows[0].amount + 1]);
    }, { isolation: 'serializable', retries: 50 });
    const before = (await pool.query('select amount from account where id = 1')).rows[0].amount;
    await Promise.all(Array.from({ length: 20 }, add));
    assert.equal((await pool.query('select amount from account where id = 1')).rows[0].amount, before + 20);
  });

  test('is over when it is over, and read-only when it is', async () => {
    let kept;
    await pool.transaction(async (tx) => { kept = tx; });
    await assert.rejects(kept.query('select 1'), /has ended/);
    await assert.rejects(pool.transaction((tx) => tx.query('delete from account'), { readOnly: true }), rejectsWith('25006'));
    await assert.rejects(pool.transaction(async () => {}, { isolation: 'total' }), /"isolation".*"total"/);
  });
});

describe('notifications', () => {
  test('reach their listeners, and a lost connection is told', async () => {
    const heard = [];
    let gaps = 0;
    const listening = await pool.listen('news "of" today', (notification) => heard.push(notification), { onReconnect: () => { gaps += 1; } });
    await pool.query(`select pg_notify('news "of" today', 'first')`);
    await until(() => heard.length === 1);
    assert.equal(heard[0].payload, 'first');
    await pool.query("select pg_terminate_backend(pid) from pg_stat_activity where query like 'LISTEN%'");
    await until(() => gaps === 1);
    await pool.query(`select pg_notify('news "of" today', 'second')`);
    await until(() => heard.length === 2);
    await listening.unlisten();
    await until(async () => (await pool.query("select 1 from pg_stat_activity where query ~ '^(UN)?LISTEN'")).rowCount === 0);
  });
});

describe('COPY', () => {
  test('in and out, from strings and bytes', async () => {
    await pool.query('create table copied (id int, name text)');
    async function* lines() {
      for (let id = 0; id < 20_000; id += 1) yield id % 2 ? `${id}\tname é ${id}\n` : Buffer.from(`${id}\t\\N\n`);
    }
    assert.equal(await pool.copyFrom('copy copied from stdin', lines()), 20_000);
    const pieces = [];
    for await (const piece of pool.copyTo('copy (select * from copied order by id limit 2) to stdout')) pieces.push(piece);
    assert.equal(Buffer.concat(pieces).toString(), '0\t\\N\n1\tname é 1\n');
  });

  test('copies nothing when the source fails or the server refuses', async () => {
    async function* broken() {
      yield '1\ta\n';
      throw new Error('no more');
    }
    await pool.query('truncate copied');
    await assert.rejects(pool.copyFrom('copy copied from stdin', broken()), /no more/);
    await assert.rejects(pool.copyFrom('copy copied from stdin', 'not a number\tb\n'), rejectsWith('22P02'));
    await assert.rejects(pool.copyFrom('copy nowhere from stdin', 'x'), rejectsWith('42P01'));
    assert.equal((await pool.query('select count(*)::int as n from copied')).rows[0].n, 0);
  });
});

test('a prepared statement knows its parameters and columns', async () => {
  const statement = await pool.prepare('select id, name from item where id = $1');
  assert.deepEqual([statement.parameters, statement.fields.map(({ name }) => name)], [[23], ['id', 'name']]);
  assert.deepEqual((await statement.query([7])).rows, [{ id: 7, name: 'item 7' }]);
  await assert.rejects(pool.prepare('select from where'), rejectsWith('42601'));
});

describe('pipelined over few connections', () => {
  test('a thousand queries give each caller its rows', async () => {
    await withPool({ pipelineConnections: 2, maxConnections: 2 }, async (own) => {
      const ask = async (id) => (id % 100 ? own.query('select name from item where id = $1', [id]) : own.query('select 1 / ($1::int - $1::int)', [id]).catch((error) => error.code));
      const answers = await Promise.all(Array.from({ length: 1000 }, (_, index) => ask(index + 1)));
      answers.forEach((answer, index) => {
        if ((index + 1) % 100) assert.deepEqual(answer.rows, [{ name: `item ${index + 1}` }]);
        else assert.equal(answer, '22012');
      });
      // The connections go back after the last answers are given.
      await until(() => own.getStats().activeCount === 0);
      assert.ok(own.getStats().created <= 2);
    });
  });

  test('a connection that the server ends fails what was under way, and nothing hangs', async () => {
    await withPool({ pipelineConnections: 1, maxConnections: 1 }, async (own) => {
      const { rows } = await own.query('select pg_backend_pid() as pid');
      const doomed = Array.from({ length: 5 }, () => own.query('select pg_sleep(600)'));
      const settled = Promise.allSettled(doomed);
      await until(async () => (await pool.query("select 1 from pg_stat_activity where pid = $1 and state = 'active'", [rows[0].pid])).rowCount === 1);
      await pool.query('select pg_terminate_backend($1)', [rows[0].pid]);
      for (const { status, reason } of await settled) assert.ok(status === 'rejected' && reason instanceof Error);
      assert.equal((await own.query('select 1 as one')).rows[0].one, 1);
    });
  });
});

describe('a pool', () => {
  test('takes its address from parts and from the environment', async () => {
    const parts = { host: '127.0.0.1', port: server.port, user: 'postgres', password: 'postgres', database: 'postgres' };
    const own = new ConnectionPool({ ...parts, applicationName: 'parts' });
    assert.equal((await own.query('show application_name')).rows[0].application_name, 'parts');
    await own.drain();
  });

  test('goes to the next of several hosts, and to one that may write', async () => {
    const dead = await startTcpProxy(1);
    await dead.stop();
    const hosts = { connectionString: undefined, host: '127.0.0.1,127.0.0.1', port: `${dead.port},${server.port}`, user: 'postgres', password: 'postgres', targetSessionAttrs: 'read-write' };
    await withPool(hosts, async (own) => assert.equal((await own.query('select 1 as one')).rows[0].one, 1));
    await withPool({ ...hosts, targetSessionAttrs: 'standby', connectionTimeout: 2000 }, (own) => assert.rejects(own.query('select 1'), /not read only/));
  });

  test('refuses who waits beyond maxWaiting', async () => {
    await withPool({ maxConnections: 1, maxWaiting: 1 }, async (own) => {
      const conn = await own.acquire();
      const waiting = own.acquire();
      await assert.rejects(own.acquire(), rejectsWith('ERR_TOOLOO_QUEUE_FULL'));
      own.release(conn);
      own.release(await waiting);
    });
  });

  test('closes connections at the end of their lifetime, and keeps its minimum', async () => {
    await withPool({ maxLifetimeMs: 200, minConnections: 1 }, async (own) => {
      const pid = async () => (await own.query('select pg_backend_pid() as pid')).rows[0].pid;
      const first = await pid();
      await until(async () => (await pid()) !== first);
      assert.ok(own.getStats().expired >= 1);
    });
  });

  test('fails at the start with failFast, and else when it is first used', async () => {
    const wrong = server.url.replace('postgres:postgres', 'postgres:wrong');
    await withPool({ connectionString: wrong, failFast: true }, (own) => assert.rejects(own.initialize(), (error) => error.cause.code === '28P01' && !error.message.includes('wrong@')));
    await withPool({ connectionString: wrong }, async (own) => {
      await own.initialize();
      await assert.rejects(own.query('select 1'), (error) => error.cause.code === '28P01');
    });
    await withPool({ connectionString: server.url.replace(/postgres$/, 'nowhere') }, (own) => assert.rejects(own.query('select 1'), (error) => error.cause.code === '3D000'));
    await withPool({ connectionString: `${server.url}?sslmode=require` }, (own) => assert.rejects(own.query('select 1'), /does not support TLS/));
  });

  test('warns of a connection that nobody releases, with the place', async () => {
    await withPool({ leakThresholdMs: 20, maxConnections: 2 }, async (own) => {
      const warned = once(process, 'warning');
      const conn = await own.acquire();
      const keepAlive = setInterval(() => {}, 1000);
      const [warning] = await warned;
      clearInterval(keepAlive);
      assert.equal(warning.name, 'ConnectionLeakWarning');
      assert.match(warning.detail, /connection-pool\.depth\.spec/);
      own.release(conn);
    });
  });
});

describe('a network that is cut', () => {
  test('costs a caller no more than its limit, and the pool comes back', async () => {
    const proxy = await startTcpProxy(server.port);
    const url = server.url.replace(String(server.port), String(proxy.port));
    await withPool({ connectionString: url, maxConnections: 1, connectionTimeout: 1000 }, async (own) => {
      assert.equal((await own.query('select 1 as one')).rows[0].one, 1);
      proxy.silence();
      await assert.rejects(own.query('select 2', [], { timeoutMs: 200 }), rejectsWith('ERR_TOOLOO_TIMEOUT'));
      proxy.restore();
      const { rows } = await own.query('select 3 as three');
      assert.equal(rows[0].three, 3);
      proxy.cut();
      await until(async () => own.query('select 4 as four').then(({ rows: found }) => found[0].four === 4, () => false));
      assert.equal(own.getStats().activeCount, 0);
    });
    await proxy.stop();
  });
});

describe('extremes', () => {
  test('a text of one megabyte, too many parameters, and what is not UTF-8', async () => {
    const long = `select '${'é'.repeat(500_000)}' as text`;
    assert.equal((await pool.query(long)).rows[0].text.length, 500_000);
    await assert.rejects(pool.query('select 1', new Array(65_536).fill(1)), rejectsWith('08P01'));
    await assert.rejects(pool.query("select convert_from('\\xff', 'UTF8')"), rejectsWith('22021'));
    await assert.rejects(pool.query('select $1::text', ['a\0b']), rejectsWith('22021'));
    assert.equal((await pool.query('select 1 as one')).rows[0].one, 1);
  });
});
