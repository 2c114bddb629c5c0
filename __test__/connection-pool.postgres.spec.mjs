import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { freshCopy } from './support/copies.mjs';
import { startPool } from './support/pool.mjs';

let rig;
let server;
let pool;
let peer;

before(async () => {
  rig = await startPool({ maxConnections: 3 });
  ({ server, pool } = rig);
  peer = new pg.Client({ connectionString: server.url });
  await peer.connect();
  await peer.query(`
    create table item (id int primary key, name text unique, price numeric(10,2), at timestamptz default now());
    create type mood as enum ('sad', 'happy');
    create type pair as (a int, b text);
    create domain positive as int check (value > 0);`);
});

after(async () => {
  await peer?.end();
  await rig?.stop();
});

/** Plain copies, so that classes of other packages compare by their members. */
function plain(value) {
  if (value === null || typeof value !== 'object' || value instanceof Date || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

async function same(text, params) {
  const [ours, theirs] = [await pool.query(text, params), await peer.query(text, params)];
  assert.deepEqual(plain(ours.rows), plain(theirs.rows), text);
  assert.deepEqual([ours.rowCount, ours.command], [theirs.rowCount, theirs.command], text);
  const ids = (fields) => fields.map(({ name, tableID, columnID, dataTypeID }) => [name, tableID, columnID, dataTypeID]);
  assert.deepEqual(ids(ours.fields), ids(theirs.fields), text);
}

const VALUES = [
  "true | false | null::bool",
  "1::int2 | '-32768'::int2 | 2147483647::int4 | '-1'::int4 | 4294967295::oid",
  "9007199254740993::int8 | '-9223372036854775808'::int8",
  "0.1::float4 | 3.4e38::float4 | 'NaN'::float4 | 'Infinity'::float8 | '-0'::float8 | 1e-300::float8",
  "1.50::numeric | 0::numeric | -0.001::numeric | 1e20::numeric | 'NaN'::numeric | 12345678901234567890.123456789::numeric",
  "'text'::text | ''::text | 'é😀'::varchar | 'pad'::char(6) | 'x'::\"char\" | 'a name'::name",
  "'2024-02-29 12:34:56.789123+02'::timestamptz | '0001-01-01 00:00+00'::timestamptz | 'infinity'::timestamptz",
  "'1960-05-06 07:08:09.999999'::timestamp | '2024-03-31 02:30:00'::timestamp | '0044-03-15 BC'::timestamp | '-infinity'::timestamp",
  "'2024-12-31'::date | '0099-01-01'::date | 'infinity'::date",
  "'23:59:59.5'::time | '24:00'::time | '12:00+02'::timetz",
  "'{\"a\":[1,2,{\"b\":null}]}'::json | '[1e3,\"é\"]'::jsonb | 'null'::jsonb | null::json",
  "'\\xdeadbeef'::bytea | ''::bytea",
  "'123e4567-e89b-12d3-a456-426614174000'::uuid",
  "'{1,2,NULL}'::int[] | '{{1,2},{3,4}}'::int[] | '{}'::int[] | '[0:1]={5,6}'::int[]",
  "'{9007199254740993}'::int8[] | '{1.5,NaN}'::numeric[] | '{0.1,Infinity}'::float8[] | '{0.1}'::float4[] | '{7}'::oid[]",
  "array['a', 'b,\"c', null, 'NULL', '{}']::text[] | array['ü']::varchar[] | array[true,false]",
  "array['2024-01-01']::date[] | array['2024-01-01 10:00']::timestamp[] | array['2024-01-01 10:00+00', null]::timestamptz[]",
  "array['\\x01'::bytea] | array['{\"a\":1}'::jsonb, null] | array['123e4567-e89b-12d3-a456-426614174000'::uuid]",
  "'1 year 2 mons 3 days -04:05:06.789'::interval | '0'::interval | '-1 day'::interval | array['1 hour'::interval]",
  "'(1.5,2)'::point | '<(1,2),3>'::circle | '[(0,0),(1,1)]'::lseg | '10.0.0.1'::inet | '10.0.0.0/8'::inet | '10.1.0.0/16'::cidr",
  "'happy'::mood | array['sad'::mood] | row(1,'x')::pair | 5::positive | '[1,5)'::int4range | 'a b'::tsvector | b'101'::bit(3)",
  "'<a/>'::xml | '08:00:2b:01:02:03'::macaddr | 12.34::money | 'pg_class'::regclass | array['10.0.0.0/8'::cidr]",
  "null::inet | null::interval | null::point | null::mood | null::numeric",
];

for (const values of VALUES) {
  const columns = values.split(' | ').map((value, index) => `${value} as c${index}`);
  test(`values are those of pg: ${values}`, () => same(`select ${columns.join(', ')}`));
}

test('columns: many, doubled, without a name, called __proto__, with quotes', async () => {
  const many = Array.from({ length: 70 }, (_, index) => `${index % 3 ? index : 'null::int'} as c${index}`);
  await same(`select ${many.join(', ')}`);
  await same('select 1 as a, 2 as a');
  await same('select 1');
  await same(`select 1 as "__proto__", 2 as "con""structor", 3 as "a\`\${1}'"`);
  const { rows } = await pool.query('select 1 as "__proto__"');
  assert.equal(Object.getOwnPropertyDescriptor(rows[0], '__proto__').value, 1);
});

test('commands and counts are those of pg', async () => {
  for (const text of [
    'create temp table if not exists t (a int)',
    "insert into item (id, name) values (1, 'a'), (2, 'b') on conflict (id) do update set name = excluded.name",
    "update item set price = 1.5 where name = 'a'",
    'select id, name, price from item order by id',
    'with x as (select 1 as a) select * from x',
    'values (1), (2)',
    'show server_version_num',
    'begin',
    'commit',
    'select 1 where false',
    'explain select 1',
  ]) {
    await same(text);
  }
});

test('parameters are read as pg sends them', async () => {
  const date = new Date('2024-05-06T07:08:09.123Z');
  for (const [text, params] of [
    ['select $1::int as i, $2::float8 as f, $3::bool as b, $4::text as t', [1, 2.5, true, 'x']],
    ['select $1::int as n, $2::text as u', [null, undefined]],
    ['select $1::timestamptz as a, $2::timestamp as b, $3::date as c', [date, date, date]],
    ['select $1::bytea as b', [Buffer.from([0, 1, 255])]],
    ['select $1::bytea as b', [new Uint16Array([1, 2])]],
    ['select $1::int[] as a, $2::text[] as b', [[1, null, 3], ['a', 'b"\\c', null, '']]],
    ['select $1::int[] as a', [[[1, 2], [3, 4]]]],
    ['select $1::jsonb as j', [{ a: [1, 'é', null] }]],
    ['select $1::int8 as b', [12345678901234567890n % 2n ** 62n]],
    ['select $1::text as p', [{ toPostgres: () => 'mine' }]],
    ['select $1 as untyped', ['x']],
  ]) {
    await same(text, params);
  }
});

test('query takes pg\'s query object', async () => {
  assert.deepEqual((await pool.query({ text: 'select $1::int as a', values: [7] })).rows, [{ a: 7 }]);
});

test('errors carry the fields of pg and the message of the server', async () => {
  const texts = [
    ['select * from nope', []],
    ["insert into item (id, name) values (1, 'a')", []],
    ['select 1/0', []],
    ['selec', []],
    ["select 'x'::int", []],
    ['select $1::int', ['nonsense']],
    ['select $1::int', [1, 2]],
  ];
  await pool.query("insert into item (id, name) values (1, 'a') on conflict do nothing");
  for (const [text, params] of texts) {
    const ours = await pool.query(text, params).catch((error) => error);
    const theirs = await peer.query(text, params).catch((error) => error);
    assert.ok(ours instanceof Error, text);
    const names = ['code', 'severity', 'detail', 'hint', 'schema', 'table', 'column', 'constraint', 'dataType', 'position'];
    // Too many parameters are noticed before the server is asked.
    if (ours.code !== '08P01') names.push('message', 'file', 'routine');
    for (const name of names) assert.equal(ours[name], theirs[name], `${name} of ${text}`);
  }
  assert.equal(pool.getStats().activeCount, 0);
});

test('a large result comes whole, on its own arena', async () => {
  await same("select i, i::text as t, i * 1.5::float8 as f, repeat('é', i % 5) as u, now() - now() as n, jsonb_build_object('i', i) as j from generate_series(1, 20000) i");
});

test('several statements in one text run, without rows', async () => {
  await pool.query('create table a1 (x int); insert into a1 values (1), (2);');
  assert.equal((await pool.query('select count(*)::int as n from a1')).rows[0].n, 2);
});

test('a table that changes under a prepared statement does not matter', async () => {
  await pool.query('create table changing (a int)');
  await pool.query('insert into changing values (1)');
  await pool.query('select * from changing');
  await pool.query('alter table changing add b text');
  assert.deepEqual((await pool.query('select * from changing')).rows, [{ a: 1, b: null }]);
  await pool.query('deallocate all');
  assert.deepEqual((await pool.query('select * from changing')).rows, [{ a: 1, b: null }]);
});

test('more texts than statements are kept', async () => {
  for (let index = 0; index < 600; index += 1) await pool.query(`select ${index} as n`);
  const { rows } = await pool.query('select count(*)::int as n from pg_prepared_statements');
  assert.ok(rows[0].n <= 300, `${rows[0].n} prepared statements`);
});

test('statementCacheSize says how many statements a connection keeps, the last used', async () => {
  const own = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 1, statementCacheSize: 3 });
  const kept = async () => (await own.query('select statement from pg_prepared_statements')).rows.map((row) => row.statement);
  await kept();
  for (const n of [1, 2, 1, 3, 4, 1, 5]) await own.query(`select ${n} as n`);
  const left = (await kept()).filter((text) => / as n$/.test(text)).sort();
  assert.deepEqual(left, ['select 1 as n', 'select 5 as n']);
  await own.drain();
});

test('statements of one connection run in the order of the calls', async () => {
  await pool.query('create table ordered (x int)');
  await pool.withConnection(async (conn) => {
    const all = [conn.query('begin'), conn.query('insert into ordered values (1)'), conn.query('rollback')];
    await Promise.all(all);
  });
  assert.equal((await pool.query('select * from ordered')).rowCount, 0);
});

test('queryBatch: an outcome for each statement, in order; a failure stays its own', async () => {
  const single = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 1 });
  const batch = await single.queryBatch([
    { text: 'select $1::int as a', params: [1] },
    'select wrong',
    { text: 'select $1::text as b', values: ['é'] },
    { text: 'select 1/0' },
    { text: 'select $1::int', params: 'not an array' },
    { text: 5 },
    'select generate_series(1, 3) as c',
    { text: 'select $1::int as a', params: [2] },
  ]);
  assert.deepEqual(
    batch.map(({ value, error }) => error?.code ?? value.rows),
    [
      [{ a: 1 }],
      '42703',
      [{ b: 'é' }],
      '22012',
      'ERR_TOOLOO_INVALID_ARGUMENT',
      'ERR_TOOLOO_INVALID_ARGUMENT',
      [{ c: 1 }, { c: 2 }, { c: 3 }],
      [{ a: 2 }],
    ],
  );
  assert.deepEqual(await single.queryBatch([]), []);
  const large = Array.from({ length: 1000 }, (_, index) => ({ text: 'select $1::int as n, $2::text as t', params: [index, 'é'] }));
  const answers = await single.queryBatch(large);
  assert.ok(answers.every(({ value }, index) => value.rows[0].n === index && value.rows[0].t === 'é'));
  assert.equal(single.getStats().created, 1);
  await single.drain();
});

test('many queries share few connections, and all are counted', async () => {
  const before_ = pool.getStats();
  const results = await Promise.all(Array.from({ length: 300 }, (_, index) => pool.query('select $1::int as n', [index])));
  assert.ok(results.every(({ rows }, index) => rows[0].n === index));
  const stats = pool.getStats();
  assert.ok(stats.poolSize <= 3);
  assert.equal(stats.acquired - before_.acquired, 300);
  assert.equal(stats.activeCount, 0);
});

test('acquired connections query and can be tested', async () => {
  const conn = await pool.acquire();
  assert.deepEqual((await conn.query('select 1 as one')).rows, [{ one: 1 }]);
  assert.equal(await conn.isAlive(1000), true);
  pool.release(conn);
  const { healthy, unhealthy } = await pool.healthCheck();
  assert.ok(healthy >= 1 && unhealthy === 0);
});

test('DATABASE_URL is used when asked for', async () => {
  process.env.DATABASE_URL = server.url;
  try {
    const other = new ConnectionPool({ postgres: true });
    assert.deepEqual((await other.query('select 1 as a')).rows, [{ a: 1 }]);
    await other.drain();
  } finally {
    delete process.env.DATABASE_URL;
  }
  assert.throws(() => new ConnectionPool({ postgres: true }), { code: 'ERR_TOOLOO_INVALID_ARGUMENT' });
});

test("a second copy of the package's files in one process takes nothing from the first", async () => {
  const pools = [1, 2].map(() => new (freshCopy('connection-pool').ConnectionPool)({ connectionString: server.url, minConnections: 1 }));
  assert.notEqual(pools[0].constructor, pools[1].constructor);
  for (const [index, each] of [...pools, ...pools].entries()) {
    assert.deepEqual((await each.query('select $1::int as n, 0.5::float8 as half', [index + 7])).rows.map((row) => ({ ...row })), [{ n: index + 7, half: 0.5 }]);
  }
  for (const each of pools) await each.drain();
});
