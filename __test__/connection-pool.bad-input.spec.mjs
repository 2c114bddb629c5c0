import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { startPool } from './support/pool.mjs';

const unhandled = [];
process.on('unhandledRejection', (reason) => unhandled.push(reason));

const throwing = {
  get minConnections() {
    throw new Error('getter');
  },
};
const revoked = Proxy.revocable({}, {});
revoked.revoke();
const circular = {};
circular.self = circular;
const noText = { toString: null, valueOf: null, [Symbol.toPrimitive]: null };

let rig;
let pool;

before(async () => {
  rig = await startPool({ maxConnections: 2 });
  ({ pool } = rig);
});

after(async () => {
  await rig?.stop();
});

/** Either works or throws an `Error`, at once or later. */
async function survives(body) {
  try {
    await body();
  } catch (error) {
    assert.ok(error instanceof Error, `threw ${typeof error}`);
  }
}

const OPTIONS = [
  null,
  'text',
  7,
  Symbol('s'),
  10n,
  () => {},
  throwing,
  revoked.proxy,
  { minConnections: -1 },
  { minConnections: Symbol('s') },
  { maxConnections: 1e300 },
  { maxConnections: 10n },
  { maxConnections: '10' },
  { connectionTimeout: -5 },
  { connectionTimeout: Infinity },
  { connectionTimeout: {} },
  { idleTimeout: [] },
  { maxRetries: 1e9 },
  { validateAfterIdleMs: 'soon' },
  { factory: 5 },
  { factory: {} },
  { factory: { create: 'x' } },
  { factory: { create() {}, test: 1 } },
  { connectionString: 5 },
  { connectionString: 'nonsense' },
  { connectionString: 'postgres://' },
  { connectionString: 'postgres://%ff@h/d' },
  { connectionString: 'postgres://u:p@h:notaport/d' },
  { connectionString: 'postgres://u:p@h/d?sslmode=maybe' },
  { connectionString: '\0' },
  { connectionString: 'x'.repeat(100_000) },
];

OPTIONS.forEach((options, index) => {
  test(`options ${index}: refused with an error, or accepted`, () => survives(() => new ConnectionPool(options)));
});

test('refusals are TypeErrors or RangeErrors that name the option', () => {
  assert.throws(() => new ConnectionPool(null), TypeError);
  assert.throws(() => new ConnectionPool({ maxConnections: '10' }), { name: 'TypeError', message: /maxConnections/ });
  assert.throws(() => new ConnectionPool({ minConnections: -1 }), { name: 'RangeError', message: /minConnections/ });
  assert.throws(() => new ConnectionPool({ connectionString: 'postgres://u:geheim@h:x/d' }), (error) => {
    assert.ok(!error.message.includes('geheim'));
    return error instanceof TypeError && error.code === 'ERR_TOOLOO_INVALID_ARGUMENT';
  });
});

const QUERIES = [
  [],
  [null],
  [undefined, []],
  [5],
  [Symbol('s')],
  [{}],
  [{ text: Symbol('s') }],
  [throwing],
  [revoked.proxy],
  ['', []],
  ['select 1', 'text'],
  ['select 1', {}],
  ['select $1::text', [Symbol('s')]],
  ['select $1::text', [10n]],
  ['select $1::text', [() => {}]],
  ['select $1::text', [circular]],
  ['select $1::text', [noText]],
  ['select $1::text', [revoked.proxy]],
  ['select $1::text', [new Date(Number.NaN)]],
  ['select $1::text', ['\0']],
  ['select $1::text', ['\ud800']],
  ['select $1::text', [{ toPostgres: () => { throw new Error('mine'); } }]],
  ['select $1::text', [{ toJSON: () => undefined }]],
  ['select $1::text', new Array(3)],
  ['select $1::text', new Array(70_000).fill(1)],
  ['select \0'],
  ['select \ud800'],
  ['x'.repeat(1_000_000)],
  ["select '", []],
  ['$$', []],
  ['with', []],
  ['copy (select 1) to stdout', []],
  ['listen a', []],
];

QUERIES.forEach(([text, params], index) => {
  test(`query ${index}: a result or an error, and the connection works on`, async () => {
    await survives(() => pool.query(text, params));
    await survives(() => pool.queryBatch([{ text, params }]));
    assert.deepEqual((await pool.query('select 1 as a')).rows, [{ a: 1 }]);
    assert.equal(pool.getStats().activeCount, 0);
  });
});

const CALLS = [
  ['acquire(null)', (one) => one.acquire(null)],
  ['acquire(5)', (one) => one.acquire(5)],
  ['acquire with a signal that is none', (one) => one.acquire({ signal: {} })],
  ['acquire with a negative limit', (one) => one.acquire({ timeoutMs: -1 })],
  ['acquire with a text as limit', (one) => one.acquire({ timeoutMs: 'x' })],
  ['acquire with an endless limit', (one) => one.acquire({ timeoutMs: Infinity })],
  ['acquire with throwing options', (one) => one.acquire({ get signal() { throw new Error('getter'); } })],
  ['release of a proxy', (one) => one.release(revoked.proxy)],
  ['withConnection without a function', (one) => one.withConnection()],
  ['withConnection with a thenable that throws', (one) => one.withConnection(() => ({ get then() { throw new Error('x'); } }))],
  ['drain(null)', (one) => one.drain(null)],
  ['drain with nonsense', (one) => one.drain({ timeoutMs: Symbol('s') })],
  ['queryBatch()', (one) => one.queryBatch()],
  ['queryBatch of nulls', (one) => one.queryBatch([null, undefined, 5])],
  ['createConnection that throws at once', (one) => { one.createConnection = () => { throw 'text'; }; return one.acquire(); }],
  ['createConnection that throws a symbol', (one) => { one.createConnection = () => { throw Symbol('s'); }; return one.acquire(); }],
  ['createConnection that throws noText', (one) => { one.createConnection = async () => { throw noText; }; return one.acquire(); }],
  ['createConnection that is no function', (one) => { one.createConnection = 5; return one.acquire(); }],
  ['a connection that is a revoked proxy', (one) => { one.createConnection = () => revoked.proxy; return one.acquire(); }],
  ['testConnection that throws', async (one) => { one.testConnection = () => { throw null; }; await one.initialize(); return one.healthCheck(); }],
  ['closeConnection that throws', async (one) => { one.closeConnection = () => { throw null; }; await one.acquire(); return one.drain(); }],
  ['closeConnection that hangs', async (one) => { one.closeConnection = () => new Promise(() => {}); await one.acquire(); return one.drain(); }],
];

for (const [title, call] of CALLS) {
  test(`${title}: no crash, and the pool answers`, async () => {
    const one = new ConnectionPool({ minConnections: 1, connectionTimeout: 100, maxRetries: 1 });
    await survives(() => call(one));
    assert.equal(typeof one.getStats().utilization, 'string');
    await survives(() => one.drain());
  });
}

test('no rejection was left unhandled', async () => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  assert.deepEqual(unhandled, []);
});
