import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { inspect } from 'node:util';
import test from 'node:test';
import DefaultPool, { ConnectionPool } from '../src/js/lib/connection-pool.mjs';

const tick = () => new Promise((resolve) => setImmediate(resolve));

/** A pool that counts what its hooks are asked for. */
class CountingPool extends ConnectionPool {
  made = [];
  closed = [];
  failing = false;

  async createConnection() {
    if (this.failing) throw new Error('server is down');
    const conn = { number: this.made.length };
    this.made.push(conn);
    return conn;
  }

  async closeConnection(conn) {
    this.closed.push(conn);
  }
}

test('exports: named and default are one class, for import and require', () => {
  assert.equal(DefaultPool, ConnectionPool);
  const required = createRequire(import.meta.url)('../src/js/lib/connection-pool.cjs');
  assert.equal(required.ConnectionPool, ConnectionPool);
  assert.equal(required.default, ConnectionPool);
  assert.equal(required.__esModule, true);
  assert.equal(ConnectionPool.name, 'ConnectionPool');
});

test('constructor: defaults, and no connection is made', async () => {
  const pool = new CountingPool();
  const { minConnections, maxConnections, connectionTimeout, idleTimeout, maxRetries, initialized } = pool;
  assert.deepEqual(
    { minConnections, maxConnections, connectionTimeout, idleTimeout, maxRetries, initialized },
    { minConnections: 2, maxConnections: 10, connectionTimeout: 5000, idleTimeout: 30000, maxRetries: 3, initialized: false },
  );
  await tick();
  assert.equal(pool.made.length, 0);
  assert.equal(new ConnectionPool({ minConnections: 0, maxConnections: Number.NaN }).minConnections, 2);
});

test('CP-K1 the first acquire initialises', async () => {
  const pool = new CountingPool({ minConnections: 3 });
  const conn = await pool.acquire();
  assert.equal(pool.initialized, true);
  assert.equal(pool.made.length, 3);
  assert.equal(conn, pool.made[0]);
});

test('CP-K2 the minimum is there after initialize, and a released connection is not active', async () => {
  const pool = new ConnectionPool({ minConnections: 2, maxConnections: 5, connectionTimeout: 1000, idleTimeout: 5000 });
  assert.equal(await pool.initialize(), undefined);
  assert.ok(pool.connections.length >= pool.minConnections);
  const conn = await pool.acquire();
  assert.ok(pool.activeConnections.has(conn));
  pool.release(conn);
  assert.ok(!pool.activeConnections.has(conn));
});

test('CP-K3 a connection is what createConnection returned, whatever it is', async () => {
  for (const made of [{ a: 1 }, 'text', 7, Symbol('s'), () => {}, 10n]) {
    const pool = new ConnectionPool({ minConnections: 1 });
    pool.createConnection = async () => made;
    const conn = await pool.acquire();
    assert.equal(conn, made);
    pool.release(conn);
    assert.equal(pool.getStats().activeCount, 0);
  }
});

test('CP-K4 release is synchronous and never throws', async () => {
  const pool = new ConnectionPool();
  for (const conn of [undefined, null, {}, 1, 'x', Symbol('x')]) assert.equal(pool.release(conn), undefined);
  const conn = await pool.acquire();
  assert.equal(pool.release(conn), undefined);
  assert.equal(pool.release(conn), undefined);
  assert.equal(pool.getStats().released, 1);
});

test('CP-K5 drain closes borrowed connections too, in order, and the pool can be used again', async () => {
  const pool = new CountingPool({ minConnections: 3 });
  await pool.acquire();
  assert.equal(await pool.drain(), undefined);
  assert.deepEqual(pool.closed, pool.made);
  assert.equal(pool.initialized, false);
  assert.equal(pool.connections.length, 0);
  assert.equal((await pool.acquire()).number, 3);
});

test('initialize: a failure leaves initialized false and does not reject', async () => {
  const pool = new CountingPool();
  pool.failing = true;
  assert.equal(await pool.initialize(), undefined);
  assert.equal(pool.initialized, false);
  pool.failing = false;
  await pool.initialize();
  assert.equal(pool.initialized, true);
});

test('acquire: the lowest free connection first, then a new one, then a queue in order of arrival', async () => {
  const pool = new CountingPool({ minConnections: 1, maxConnections: 2, connectionTimeout: 1000 });
  const [first, second] = [await pool.acquire(), await pool.acquire()];
  const order = [];
  const third = pool.acquire().then((conn) => order.push(['third', conn]));
  const fourth = pool.acquire().then((conn) => order.push(['fourth', conn]));
  await tick();
  assert.equal(pool.waitingQueue.length, 2);
  assert.deepEqual(Object.keys(pool.waitingQueue[0]), ['resolve', 'reject', 'timeout']);
  pool.release(second);
  pool.release(first);
  await Promise.all([third, fourth]);
  assert.deepEqual(order, [['third', second], ['fourth', first]]);
});

test('release: a second one, before the next holder has it in hand, takes nothing from him', async () => {
  const pool = new CountingPool({ minConnections: 1, maxConnections: 1 });
  const conn = await pool.acquire();
  const order = [];
  const [next, last] = [1, 2].map((number) => pool.acquire().then((got) => order.push([number, got])));
  await tick();
  pool.release(conn);
  pool.release(conn);
  await next;
  await tick();
  assert.deepEqual(order, [[1, conn]]);
  assert.deepEqual([pool.getStats().waitingRequests, pool.getStats().released], [1, 1]);
  pool.release(conn);
  await last;
  assert.deepEqual(order, [[1, conn], [2, conn]]);
  pool.release(conn);
  pool.release(conn);
  assert.deepEqual([pool.getStats().activeCount, pool.getStats().released], [0, 3]);
});

test('acquire: the wait ends with "Connection acquisition timeout" and a code', async () => {
  const pool = new ConnectionPool({ minConnections: 1, maxConnections: 1, connectionTimeout: 30 });
  await pool.acquire();
  const error = await pool.acquire().catch((reason) => reason);
  assert.equal(error.message, 'Connection acquisition timeout');
  assert.equal(error.code, 'ERR_TOOLOO_TIMEOUT');
  assert.equal(pool.getStats().waitingRequests, 0);
});

test('getStats: the original keys and their meaning', async () => {
  const pool = new ConnectionPool({ minConnections: 2, maxConnections: 4 });
  const empty = pool.getStats();
  assert.equal(empty.utilization, '0.00%');
  const keys = ['created', 'acquired', 'released', 'failures', 'activeCount', 'poolSize', 'availableConnections'];
  assert.deepEqual(Object.keys(empty).slice(0, 9), [...keys, 'waitingRequests', 'utilization']);
  await pool.acquire();
  const stats = pool.getStats();
  const expected = { created: 2, acquired: 1, released: 0, failures: 0, activeCount: 1, poolSize: 2 };
  assert.deepEqual({ ...stats, ...expected, availableConnections: 1, utilization: '25.00%' }, stats);
  assert.deepEqual(pool.stats, { created: 2, acquired: 1, released: 0, failures: 0, activeCount: 1 });
});

test('healthCheck: idle connections that fail are dropped, borrowed ones stay, then the minimum is restored', async () => {
  const pool = new CountingPool({ minConnections: 2 });
  const held = await pool.acquire();
  pool.testConnection = async () => {
    throw new Error('no answer');
  };
  assert.deepEqual(await pool.healthCheck(), { healthy: 0, unhealthy: 2, total: 2 });
  assert.deepEqual(pool.closed, [pool.made[1]]);
  assert.ok(pool.activeConnections.has(held));
  pool.testConnection = async () => true;
  assert.deepEqual(await pool.healthCheck(), { healthy: 2, unhealthy: 0, total: 2 });
});

test('instances can be shown, spread and serialised', async () => {
  const pool = new ConnectionPool();
  await pool.acquire();
  assert.match(inspect(pool), /^ConnectionPool/);
  assert.equal(JSON.parse(JSON.stringify(pool)).maxConnections, 10);
  assert.doesNotThrow(() => ({ ...pool }));
  assert.doesNotThrow(() => structuredClone(pool.getStats()));
  assert.deepEqual(Object.keys(pool.connections[0]), ['conn', 'acquired', 'createdAt']);
});

test('hooks: overridden on the prototype, a subclass or the instance', async () => {
  class Sub extends ConnectionPool {
    async createConnection() {
      return { from: 'subclass', inner: await super.createConnection() };
    }
  }
  assert.equal((await new Sub().acquire()).from, 'subclass');
  const pool = new ConnectionPool({ factory: { create: () => ({ from: 'factory' }) } });
  assert.equal((await pool.acquire()).from, 'factory');
  const instance = new ConnectionPool({ factory: { create: () => ({ from: 'factory' }) } });
  instance.createConnection = async () => ({ from: 'instance' });
  assert.equal((await instance.acquire()).from, 'instance');
  assert.equal(typeof (await new ConnectionPool().acquire()).id, 'string');
});

test('CP-D1 concurrent first callers share one initialisation and never exceed the maximum', async () => {
  const pool = new CountingPool({ minConnections: 2, maxConnections: 3, connectionTimeout: 2000 });
  const callers = Array.from({ length: 10 }, async () => {
    const conn = await pool.acquire();
    await tick();
    pool.release(conn);
  });
  await Promise.all(callers);
  assert.equal(pool.made.length, 3);
  assert.equal(pool.getStats().acquired, 10);
});

test('CP-D2 a double release does not give one connection to two holders', async () => {
  const pool = new ConnectionPool({ minConnections: 1, maxConnections: 1, connectionTimeout: 60 });
  const conn = await pool.acquire();
  const [second, third] = [pool.acquire(), pool.acquire()];
  await tick();
  pool.release(conn);
  pool.release(conn);
  assert.equal(await second, conn);
  await assert.rejects(third, /acquisition timeout/);
});

test('CP-D3 a health check ends when connections cannot be made', async () => {
  for (const create of [async () => Promise.reject(new Error('down')), async () => null]) {
    const pool = new ConnectionPool({ minConnections: 2, maxRetries: 2 });
    pool.createConnection = create;
    assert.deepEqual(await pool.healthCheck(), { healthy: 0, unhealthy: 0, total: 0 });
    assert.equal(pool.getStats().failures, 1);
  }
});

test('CP-D4 drain rejects those who wait, at once, and a late release is ignored', async () => {
  const pool = new CountingPool({ minConnections: 1, maxConnections: 1, connectionTimeout: 60_000 });
  const conn = await pool.acquire();
  const waiting = pool.acquire();
  await tick();
  const drained = pool.drain();
  await assert.rejects(waiting, { code: 'ERR_TOOLOO_CLOSED', message: 'Connection pool was drained' });
  await drained;
  assert.equal(pool.getStats().activeCount, 0);
  assert.equal(pool.getStats().utilization, '0.00%');
  pool.release(conn);
  assert.equal(pool.getStats().released, 0);
});

test('CP-D5 dropped connections are closed; only strictly false or a rejection is unhealthy', async () => {
  const pool = new CountingPool({ minConnections: 2 });
  await pool.initialize();
  pool.testConnection = async () => undefined;
  assert.equal((await pool.healthCheck()).healthy, 2);
  pool.testConnection = async ({ number }) => number !== 0;
  assert.deepEqual(await pool.healthCheck(), { healthy: 1, unhealthy: 1, total: 2 });
  assert.deepEqual(pool.closed, [pool.made[0]]);
});

test('CP-D6 a repeated initialisation only tops up, and its failures are counted', async () => {
  const pool = new CountingPool({ minConnections: 3 });
  const create = pool.createConnection;
  pool.createConnection = async function (...args) {
    if (this.made.length === 2) throw new Error('third time');
    return create.apply(this, args);
  };
  await pool.initialize();
  await pool.initialize();
  assert.equal(pool.connections.length, 2);
  assert.equal(pool.getStats().failures, 2);
  delete pool.createConnection;
  await pool.initialize();
  assert.equal(pool.connections.length, 3);
});

test('CP-D7 a falsy connection is a failure, and a hanging createConnection ends with the timeout', async () => {
  const falsy = new ConnectionPool({ minConnections: 1, maxRetries: 1, connectionTimeout: 1000 });
  falsy.createConnection = async () => undefined;
  await assert.rejects(falsy.acquire(), /^Error: Failed to create connection: createConnection returned no connection/);
  const hanging = new ConnectionPool({ minConnections: 1, connectionTimeout: 40 });
  hanging.createConnection = () => new Promise(() => {});
  await assert.rejects(hanging.acquire(), /Failed to create connection|Connection acquisition timeout/);
});

test('CP-D8 a waiter is served when capacity appears by any way', async () => {
  const pool = new CountingPool({ minConnections: 1, maxConnections: 1, connectionTimeout: 3000, maxRetries: 1 });
  const held = await pool.acquire();
  const waiting = pool.acquire();
  await tick();
  pool.maxConnections = 2;
  const other = await waiting;
  assert.notEqual(other, held);

  // Two wait for connections that cannot be made; the failure of the first makes room to try for the second.
  const failing = new CountingPool({ minConnections: 1, maxConnections: 1, connectionTimeout: 3000, maxRetries: 1 });
  await failing.initialize();
  failing.testConnection = async () => false;
  await failing.acquire();
  const next = failing.acquire();
  await tick();
  await failing.drain();
  await assert.rejects(next, { code: 'ERR_TOOLOO_CLOSED' });
  assert.equal((await failing.acquire()).number, 1);
});

test('CP-D9 a health check on a fresh pool does not double it, and what it restores is counted', async () => {
  const pool = new CountingPool({ minConnections: 2 });
  await pool.healthCheck();
  assert.equal(pool.getStats().created, 2);
  await pool.acquire();
  assert.equal(pool.made.length, 2);
});

test('CP-D9 idle connections above the minimum are closed after idleTimeout', async () => {
  const pool = new CountingPool({ minConnections: 1, maxConnections: 3, idleTimeout: 30 });
  const held = await Promise.all([pool.acquire(), pool.acquire(), pool.acquire()]);
  held.forEach((conn) => pool.release(conn));
  assert.equal(pool.connections.length, 3);
  for (let waited = 0; pool.connections.length > 1 && waited < 5000; waited += 20) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  assert.equal(pool.connections.length, 1);
  assert.equal(pool.getStats().reaped, 2);
  assert.equal(pool.closed.length, 2);
});

test('CP-D10 the error of a failed creation has its cause and a code', async () => {
  const pool = new CountingPool({ maxRetries: 1 });
  pool.failing = true;
  const error = await pool.acquire().catch((reason) => reason);
  assert.equal(error.message, 'Failed to create connection: server is down');
  assert.equal(error.cause.message, 'server is down');
  assert.equal(error.code, 'ERR_TOOLOO_CONNECT');
  assert.ok(pool.getStats().failures >= 1);
});

test('1,000 borrows leave nothing behind', async () => {
  const pool = new ConnectionPool({ minConnections: 2, maxConnections: 5 });
  for (let round = 0; round < 1000; round += 1) pool.release(await pool.acquire());
  const { acquired, released, activeCount, poolSize } = pool.getStats();
  assert.deepEqual({ acquired, released, activeCount, poolSize }, { acquired: 1000, released: 1000, activeCount: 0, poolSize: 2 });
});
