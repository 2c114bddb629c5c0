import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import test from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';

const tick = () => new Promise((resolve) => setImmediate(resolve));
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

function factoryPool(options = {}) {
  const log = { made: 0, tested: [], closed: [] };
  const factory = {
    create: () => ({ number: log.made++ }),
    test: (conn) => {
      log.tested.push(conn.number);
      return !conn.broken;
    },
    close: (conn) => log.closed.push(conn.number),
  };
  return { pool: new ConnectionPool({ minConnections: 1, maxConnections: 2, factory, ...options }), log };
}

test('a factory makes, tests and closes connections, called as its own methods', async () => {
  const factory = {
    name: 'mine',
    create() {
      return { by: this.name };
    },
    async close(conn) {
      conn.closedBy = this.name;
    },
  };
  const pool = new ConnectionPool({ factory });
  const conn = await pool.acquire();
  await pool.drain();
  assert.deepEqual(conn, { by: 'mine', closedBy: 'mine' });
});

test('a connection idle for long is tested before it is lent, and replaced when it fails', async () => {
  const { pool, log } = factoryPool({ validateAfterIdleMs: 20 });
  const first = await pool.acquire();
  pool.release(first);
  pool.release(await pool.acquire());
  assert.deepEqual(log.tested, []);
  await sleep(40);
  assert.equal(await pool.acquire(), first);
  assert.deepEqual(log.tested, [0]);
  pool.release(first);
  first.broken = true;
  await sleep(40);
  const second = await pool.acquire();
  assert.equal(second.number, 1);
  assert.deepEqual(log.closed, [0]);
});

test('pools of hooks are not tested on borrow unless asked to', async () => {
  class Hooked extends ConnectionPool {
    tests = 0;
    async testConnection() {
      this.tests += 1;
    }
  }
  for (const [options, tests] of [[{}, 0], [{ validateAfterIdleMs: 10 }, 1]]) {
    const pool = new Hooked(options);
    await pool.initialize();
    await sleep(700 * Number(tests === 0) + 30);
    await pool.acquire();
    assert.equal(pool.tests, tests);
  }
});

test('a creation that fails now and then is repeated while somebody waits', async () => {
  const { pool } = factoryPool();
  await pool.acquire();
  let failures = 2;
  pool.createConnection = async () => {
    if (failures-- > 0) throw new Error('not yet');
    return { late: true };
  };
  assert.deepEqual(await pool.acquire(), { late: true });
  assert.equal(pool.getStats().retries, 2);
  assert.equal(pool.getStats().failures, 0);
});

test('acquire: an AbortSignal ends the wait, before, during and not after it', async () => {
  const pool = new ConnectionPool({ minConnections: 1, maxConnections: 1, connectionTimeout: 10_000 });
  const held = await pool.acquire({ signal: new AbortController().signal });
  await assert.rejects(pool.acquire({ signal: AbortSignal.abort('why') }), { code: 'ERR_TOOLOO_ABORTED', cause: 'why' });
  const controller = new AbortController();
  const waiting = pool.acquire({ signal: controller.signal });
  await tick();
  assert.equal(pool.waitingQueue.length, 1);
  controller.abort(new Error('gone'));
  await assert.rejects(waiting, { code: 'ERR_TOOLOO_ABORTED' });
  assert.equal(pool.waitingQueue.length, 0);
  pool.release(held);
  const late = new AbortController();
  assert.equal(await pool.acquire({ signal: late.signal }), held);
  late.abort();
});

test('acquire: an AbortSignal and timeoutMs reach into the first filling', async () => {
  const options = { connectionTimeout: 10_000, factory: { create: () => new Promise(() => {}) } };
  const pool = new ConnectionPool(options);
  await assert.rejects(pool.acquire({ timeoutMs: 30 }), { message: 'Connection acquisition timeout' });
  const controller = new AbortController();
  const waiting = pool.acquire({ signal: controller.signal });
  controller.abort();
  await assert.rejects(waiting, { code: 'ERR_TOOLOO_ABORTED' });
  await pool.drain();
});

test('acquire: timeoutMs is the limit of one wait', async () => {
  const pool = new ConnectionPool({ minConnections: 1, maxConnections: 1, connectionTimeout: 60_000 });
  await pool.acquire();
  await assert.rejects(pool.acquire({ timeoutMs: 20 }), { code: 'ERR_TOOLOO_TIMEOUT' });
  assert.equal(pool.getStats().timeouts, 1);
});

test('withConnection gives the connection back, also after an error', async () => {
  const { pool } = factoryPool();
  assert.equal(await pool.withConnection(async (conn) => conn.number), 0);
  await assert.rejects(pool.withConnection(() => { throw new Error('mine'); }), /mine/);
  assert.equal(pool.getStats().activeCount, 0);
});

test('drain with timeoutMs waits for what is borrowed, and no longer than that', async () => {
  const { pool, log } = factoryPool({ minConnections: 2 });
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  const drained = pool.drain({ timeoutMs: 10_000 });
  await tick();
  assert.deepEqual(log.closed, []);
  pool.release(second);
  await tick();
  assert.deepEqual(log.closed, [1]);
  pool.release(first);
  await drained;
  assert.deepEqual(log.closed, [1, 0]);
  await pool.acquire();
  await pool.drain({ timeoutMs: 20 });
  assert.equal(log.closed.length, 4);
});

test('a caller during a drain is served by a new connection after it', async () => {
  const { pool } = factoryPool();
  const held = await pool.acquire();
  const drained = pool.drain({ timeoutMs: 5000 });
  const next = pool.acquire();
  await tick();
  pool.release(held);
  await drained;
  assert.notEqual(await next, held);
  assert.ok(pool.getStats().poolSize <= 2);
});

test('drain twice at once is one drain', async () => {
  const { pool, log } = factoryPool();
  await pool.acquire();
  await Promise.all([pool.drain(), pool.drain()]);
  assert.deepEqual(log.closed, [0]);
});

test('a connection that arrives after a drain is closed', async () => {
  const { pool, log } = factoryPool({ minConnections: 1 });
  let deliver;
  pool.createConnection = () => new Promise((resolve) => { deliver = resolve; });
  const waiting = pool.acquire();
  await tick();
  await pool.drain();
  deliver({ number: 99 });
  await tick();
  assert.deepEqual(log.closed, [99]);
  const late = new AbortController();
  late.abort();
  deliver = undefined;
  const again = waiting.catch((error) => error);
  for (let waited = 0; deliver === undefined && waited < 100; waited += 1) await tick();
  deliver?.({ number: 100 });
  await again;
});

test('the same object twice from createConnection can be lent and given back twice', async () => {
  const twin = { id: 1 };
  const pool = new ConnectionPool({ minConnections: 2, maxConnections: 2, factory: { create: () => twin } });
  await pool.acquire();
  await pool.acquire();
  pool.release(twin);
  pool.release(twin);
  assert.equal(pool.getStats().activeCount, 0);
});

test('query uses the query method of whatever the factory makes', async () => {
  const seen = [];
  const conn = { query: async (text, params) => (seen.push([text, params]), { rows: [text] }) };
  const pool = new ConnectionPool({ factory: { create: () => conn } });
  assert.deepEqual(await pool.query('select 1', [1]), { rows: ['select 1'] });
  const batch = await pool.queryBatch([{ text: 'a', params: [2] }, 'b']);
  assert.deepEqual(batch.map(({ value }) => value.rows[0]), ['a', 'b']);
  assert.deepEqual(seen, [['select 1', [1]], ['a', [2]], ['b', undefined]]);
  await assert.rejects(new ConnectionPool().query('select 1'), { code: 'ERR_TOOLOO_INVALID_ARGUMENT' });
});

test('a changed option takes effect', async () => {
  const pool = new ConnectionPool({ minConnections: 1, maxConnections: 1 });
  const first = await pool.acquire();
  const waiting = pool.acquire();
  await tick();
  pool.maxConnections = 2;
  assert.notEqual(await waiting, first);
  assert.throws(() => { pool.maxConnections = -1; }, RangeError);
  assert.equal(pool.maxConnections, 2);
});

test('an idle pool keeps no process alive', () => {
  const script = `
    import { ConnectionPool } from ${JSON.stringify(new URL('../src/js/lib/connection-pool.mjs', import.meta.url).href)};
    const pool = new ConnectionPool({ minConnections: 1, maxConnections: 3, idleTimeout: 600000 });
    const held = [await pool.acquire(), await pool.acquire(), await pool.acquire()];
    held.forEach((conn) => pool.release(conn));
    console.log('done');`;
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 20_000, encoding: 'utf8' });
  assert.equal(result.status, 0, result.stderr);
  assert.equal(result.stdout, 'done\n');
});
