// `signal` and `timeoutMs` of everything that is more than one query, on a real server.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { startPool } from './support/pool.mjs';
import { until } from './support/until.mjs';

let rig;
let server;
let admin;

before(async () => {
  rig = await startPool({ maxConnections: 2 });
  ({ server, pool: admin } = rig);
  await admin.query('create table item (id int primary key)');
});

after(async () => {
  await rig?.stop();
});

const TRANSPORTS = ['loop', 'thread'];
const TIMEOUT = { code: 'ERR_TOOLOO_TIMEOUT' };
const ABORTED = { code: 'ERR_TOOLOO_ABORTED' };
const NEVER = new Promise(() => {});

/** A pool of one connection, which must be as good as new after `body`. */
async function withOne(body, options = {}) {
  const own = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 1, applicationName: 'limited', ...options });
  try {
    const { rows: [{ pid }] } = await own.query('select pg_backend_pid() as pid');
    await body(own, pid);
    const { rows } = await own.query('select pg_backend_pid() as pid, pg_current_xact_id_if_assigned() as xid');
    assert.equal(rows[0].xid, null);
    const { activeCount, poolSize, waitingRequests } = own.getStats();
    assert.deepEqual({ activeCount, poolSize, waitingRequests }, { activeCount: 0, poolSize: 1, waitingRequests: 0 });
    return rows[0].pid === pid;
  } finally {
    await own.drain();
  }
}

const running = async () =>
  (await admin.query("select count(*)::int as n from pg_stat_activity where application_name = 'limited' and state = 'active'")).rows[0].n;
const count = async () => (await admin.query('select count(*)::int as n from item')).rows[0].n;

/** Aborts when the server is at work. */
async function abortWhenRunning(control) {
  await until(async () => (await running()) === 1);
  control.abort(new Error('not needed'));
}

for (const transport of TRANSPORTS) {
  describe(`over the transport ${transport}`, () => {
    test('a batch that takes too long is cancelled, all its statements', async () => {
      const same = await withOne(async (own) => {
        await assert.rejects(own.queryBatch(['select pg_sleep(600)', 'select pg_sleep(600)', 'select pg_sleep(600)'], { timeoutMs: 200 }), TIMEOUT);
        await until(async () => (await running()) === 0);
      }, { transport });
      assert.equal(typeof same, 'boolean');
    });

    test('a batch that is in time is as without a limit', async () => {
      await withOne(async (own) => {
        const results = await own.queryBatch([{ text: 'select $1::int as n', params: [1], rowMode: 'array' }, 'select 1 / 0', 'select 2 as n'], { timeoutMs: 60_000 });
        assert.deepEqual([results[0].value.rows, results[1].error.code, results[2].value.rows], [[[1]], '22012', [{ n: 2 }]]);
        await assert.rejects(own.queryBatch(['select 1'], { signal: AbortSignal.abort() }), ABORTED);
      }, { transport });
    });

    test('a stream whose rows do not come is cancelled, and its connection goes on', async () => {
      const same = await withOne(async (own) => {
        const rows = own.stream("select n, repeat('x', 100000), pg_sleep(n) from (values (0), (0), (600)) v(n)", [], { batchSize: 1, timeoutMs: 500 });
        await assert.rejects(async () => { for await (const row of rows) assert.equal(row.n, 0); }, TIMEOUT);
        await until(async () => (await running()) === 0);
      }, { transport });
      assert.ok(same);
    });

    test('a stream that does not begin is cancelled', async () => {
      const same = await withOne(async (own) => {
        const control = new AbortController();
        const first = own.stream('select pg_sleep(600)', [], { signal: control.signal }).next();
        await Promise.all([assert.rejects(first, ABORTED), abortWhenRunning(control)]);
        await until(async () => (await running()) === 0);
      }, { transport });
      assert.ok(same);
    });

    test('a stream that nobody reads on frees its connection when its time is up', async () => {
      const same = await withOne(async (own) => {
        await own.withConnection(async (conn) => {
          const rows = conn.stream('select generate_series(1, 10000000) as n', [], { timeoutMs: 1000 });
          await rows.next();
          await until(async () => conn.query('select 1').then(() => true, () => false));
          await assert.rejects(async () => { for await (const row of rows) assert.ok(row); }, TIMEOUT);
        });
      }, { transport });
      assert.ok(same);
    });

    test('COPY TO that takes too long is cancelled', async () => {
      await withOne(async (own) => {
        const text = 'copy (select pg_sleep(case when n < 3 then 0 else 600 end) from generate_series(1, 5) n) to stdout';
        await assert.rejects(async () => { for await (const piece of own.copyTo(text, { timeoutMs: 300 })) assert.ok(piece); }, TIMEOUT);
        await until(async () => (await running()) === 0);
      }, { transport });
    });

    test('COPY FROM whose source does not come copies nothing, and its connection goes on', async () => {
      const same = await withOne(async (own) => {
        let left = false;
        const source = { async *[Symbol.asyncIterator]() { yield '1\n'; await NEVER; } };
        await assert.rejects(own.copyFrom('copy item from stdin', source, { timeoutMs: 200 }), TIMEOUT);
        const polite = { [Symbol.asyncIterator]: () => ({ next: () => NEVER, return: async () => { left = true; return {}; } }) };
        await assert.rejects(own.copyFrom('copy item from stdin', polite, { timeoutMs: 200 }), TIMEOUT);
        assert.ok(left);
        assert.equal(await own.copyFrom('copy item from stdin', ['7\n', '8\n'], { timeoutMs: 60_000 }), 2);
        await own.query('delete from item where id in (7, 8)');
      }, { transport });
      assert.ok(same);
      assert.equal(await count(), 0);
    });

    test('COPY FROM that a lock holds up is cancelled and copies nothing', async () => {
      await admin.withConnection(async (blocker) => {
        await blocker.query('begin');
        await blocker.query('lock table item');
        await withOne(async (own) => {
          await assert.rejects(own.copyFrom('copy item from stdin', ['1\n'], { timeoutMs: 300 }), TIMEOUT);
          await until(async () => (await running()) === 0);
        }, { transport });
        await blocker.query('rollback');
      });
      assert.equal(await count(), 0);
    });

    test('a transaction that takes too long is rolled back, its statement cancelled, and its connection goes on', async () => {
      const same = await withOne(async (own) => {
        let kept;
        const transaction = own.transaction(async (tx) => {
          kept = tx;
          await tx.query('insert into item values (1)');
          await tx.query('select pg_sleep(600)');
        }, { timeoutMs: 300 });
        await assert.rejects(transaction, TIMEOUT);
        await assert.rejects(kept.query('select 1'), /transaction has ended/);
        await until(async () => (await running()) === 0);
      }, { transport });
      assert.ok(same);
      assert.equal(await count(), 0);
    });

    test('a transaction that its signal aborts is rolled back while its function hangs', async () => {
      const same = await withOne(async (own) => {
        const control = new AbortController();
        const reason = new Error('not needed');
        const transaction = own.transaction(async (tx) => {
          await tx.query('insert into item values (1)');
          control.abort(reason);
          await NEVER;
        }, { signal: control.signal });
        await assert.rejects(transaction, (error) => error.code === ABORTED.code && error.cause === reason);
      }, { transport });
      assert.ok(same);
      assert.equal(await count(), 0);
    });

    test('a stream, a batch and a savepoint end with the transaction around them', async () => {
      await withOne(async (own) => {
        await assert.rejects(own.transaction(async (tx) => {
          await tx.query('insert into item values (1)');
          for await (const row of tx.stream('select generate_series(1, 10000000) as n')) { assert.ok(row); await NEVER; }
        }, { timeoutMs: 300 }), TIMEOUT);
        await assert.rejects(own.transaction((tx) => tx.queryBatch(['insert into item values (1)', 'select pg_sleep(600)']), { timeoutMs: 300 }), TIMEOUT);
        await assert.rejects(own.transaction((tx) => tx.transaction((inner) => inner.query('select pg_sleep(600)')), { timeoutMs: 300 }), TIMEOUT);
      }, { transport });
      assert.equal(await count(), 0);
    });
  });
}

test('the wait for a connection is a part of the time', async () => {
  await withOne(async (own) => {
    const conn = await own.acquire();
    const options = { timeoutMs: 100 };
    await Promise.all([
      assert.rejects(own.queryBatch(['select 1'], options), TIMEOUT),
      assert.rejects(own.transaction(() => {}, options), TIMEOUT),
      assert.rejects(own.stream('select 1', [], options).next(), TIMEOUT),
      assert.rejects(own.copyTo('copy item to stdout', options).next(), TIMEOUT),
      assert.rejects(own.copyFrom('copy item from stdin', '1\n', options), TIMEOUT),
    ]);
    own.release(conn);
  });
});

test('a transaction in time commits, and its limit is over with it', async () => {
  await withOne(async (own) => {
    const control = new AbortController();
    const options = { signal: control.signal, timeoutMs: 60_000 };
    assert.equal(await own.transaction(async (tx) => (await tx.query('insert into item values (5)')).rowCount, options), 1);
    control.abort();
    await assert.rejects(own.transaction(() => assert.fail('not run'), options), ABORTED);
  });
  assert.equal(await count(), 1);
  await admin.query('delete from item');
});

for (const bad of [{ timeoutMs: 0 }, { timeoutMs: -1 }, { timeoutMs: '5' }, { timeoutMs: NaN }, { signal: {} }, { signal: 5 }]) {
  const [name] = Object.keys(bad);
  test(`a bad ${name} is refused by name: ${JSON.stringify(bad)}`, async () => {
    for (const work of [
      () => admin.queryBatch(['select 1'], bad),
      () => admin.transaction(() => {}, bad),
      () => admin.stream('select 1', [], bad).next(),
      () => admin.copyTo('copy item to stdout', bad).next(),
      () => admin.copyFrom('copy item from stdin', '', bad),
    ]) {
      await assert.rejects(work, (error) => /TypeError|RangeError/.test(error.name) && error.message.includes(name));
    }
  });
}
