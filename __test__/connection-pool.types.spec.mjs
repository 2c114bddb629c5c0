// Three hundred values of every built-in type, read through this pool and through pg, and compared.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import pg from 'pg';
import { startPool } from './support/pool.mjs';

const COUNT = 300;
/** A number from n that jumps about; the same on every run. */
const JUMP = '(n * 7919 % 104729)';
const SIGN = '(case n % 2 when 0 then 1 else -1 end)';
const SECONDS = `(${JUMP} * 60013.123457 * ${SIGN})`;

/** Type → the expression of its n-th value; every 17th is null. */
const SCALARS = {
  bool: 'n % 3 = 0',
  int2: `(${JUMP} % 32768 * ${SIGN})`,
  int4: `(${JUMP} * 20000 * ${SIGN})`,
  int8: `(${JUMP}::int8 * 88000000000000 * ${SIGN})`,
  oid: `(${JUMP}::int8 * 41000)`,
  float4: `(${JUMP} / 7.0 * ${SIGN})`,
  float8: `(${JUMP}::float8 / 7 * 10 ^ (n % 60 - 30) * ${SIGN})`,
  numeric: `(${JUMP}::numeric * ${SIGN} / 10 ^ (n % 40 - 20)::numeric)`,
  money: `(${JUMP} * ${SIGN} / 100.0)::numeric`,
  text: `repeat(chr(32 + n), n % 5) || md5(n::text) || chr(127744 + n)`,
  varchar: 'md5(n::text)',
  bpchar: 'rpad(n::text, n % 9)',
  '"char"': 'chr(33 + n % 90)',
  name: 'md5(n::text)',
  bytea: `decode(repeat(md5(n::text), n % 4), 'hex')`,
  uuid: 'md5(n::text)',
  json: `json_build_object('n', n, 'list', array[n, null], 'text', chr(128512) || '"\\')`,
  jsonb: `jsonb_build_array(n, n / 7.0, null, true, jsonb_build_object('k', md5(n::text)))`,
  xml: `'<n>' || n || '</n>'`,
  date: `date '2000-01-01' + ${JUMP} * ${SIGN}`,
  time: `time '00:00' + ${SECONDS} * interval '1 second'`,
  timetz: `(time '00:00' + ${SECONDS} * interval '1 second')::text || case n % 2 when 0 then '+02' else '-05:30' end`,
  timestamp: `timestamp '2000-01-01' + ${SECONDS} * interval '1 second'`,
  timestamptz: `timestamptz '2000-01-01 00:00Z' + ${SECONDS} * interval '1 second'`,
  interval: `make_interval(n % 7 - 3, n % 11, 0, n % 31, n % 24, n % 60, n / 7.0)`,
  inet: `'10.' || n % 256 || '.0.1/' || 8 + n % 25`,
  cidr: `'10.' || n % 256 || '.0.0/16'`,
  macaddr: `'08:00:2b:01:02:' || lpad(to_hex(n % 256), 2, '0')`,
  macaddr8: `'08:00:2b:01:02:03:04:' || lpad(to_hex(n % 256), 2, '0')`,
  bit: 'n % 2',
  varbit: 'n::bit(12)',
  point: `point(${JUMP} / 7.0, -n)`,
  line: `'{' || n || ',1,' || ${JUMP} || '}'`,
  lseg: `'[(0,' || n || '),(1,2.5)]'`,
  box: `'(' || n || ',2),(3,4.5)'`,
  path: `'[(0,' || n || '),(1,2.5),(3,4)]'`,
  polygon: `'((0,' || n || '),(1,2.5),(3,4))'`,
  circle: `'<(' || n || ',2.5),7>'`,
  tsvector: `'a:1 b:' || n % 100 + 1`,
  tsquery: `'a & b' || n`,
  int4range: 'int4range(n, n + 5)',
  int8range: 'int8range(n, null)',
  numrange: `numrange(n, n + 1.5, '[]')`,
  daterange: `daterange('2000-01-01', date '2000-01-01' + n)`,
  tsrange: `tsrange('2000-01-01', timestamp '2000-01-01' + n * interval '1 hour')`,
  tstzrange: `tstzrange('2000-01-01', timestamptz '2000-01-01 00:00Z' + n * interval '1 hour')`,
  int4multirange: 'int4multirange(int4range(n, n + 5), int4range(n + 9, n + 10))',
  pg_lsn: `'0/' || to_hex(n)`,
  xid8: 'n::text',
  regclass: `'pg_class'`,
};
const ARRAYS = Object.keys(SCALARS).filter((type) => type !== 'regclass');

let rig;
let server;
let pool;
let peer;

before(async () => {
  rig = await startPool();
  ({ server, pool } = rig);
  peer = new pg.Client({ connectionString: server.url });
  await peer.connect();
});

after(async () => {
  await peer?.end();
  await rig?.stop();
});

function plain(value) {
  if (value === null || typeof value !== 'object' || value instanceof Date || Buffer.isBuffer(value)) return value;
  if (Array.isArray(value)) return value.map(plain);
  return Object.fromEntries(Object.entries(value).map(([key, member]) => [key, plain(member)]));
}

async function compare(expression) {
  const text = `select case when n % 17 = 0 then null else ${expression} end as value from generate_series(1, ${COUNT}) n order by n`;
  const [ours, theirs] = [await pool.query(text), await peer.query(text)];
  assert.equal(ours.rows.length, COUNT);
  for (let index = 0; index < COUNT; index += 1) {
    assert.deepEqual(plain(ours.rows[index]), plain(theirs.rows[index]), `value ${index + 1} of ${expression}`);
  }
  return ours.rows;
}

for (const [type, expression] of Object.entries(SCALARS)) {
  test(`${type} is what pg makes of it`, async () => {
    const rows = await compare(`(${expression})::${type}`);
    // The values are not all the same: something was compared.
    if (type !== 'regclass') assert.ok(new Set(rows.map(({ value }) => JSON.stringify(value))).size > 2);
  });
}

for (const type of ARRAYS) {
  test(`an array of ${type} is what pg makes of it`, async () => {
    await compare(`case n % 5 when 0 then '{}' else array[(${SCALARS[type]})::${type}, null] end`);
  });
}

test('what was read can be written again', async () => {
  for (const type of ['int8', 'numeric', 'text', 'bytea', 'jsonb', 'timestamptz', 'uuid', 'interval', 'inet', 'int4range']) {
    const text = `select (${SCALARS[type]})::${type} as value from generate_series(1, 20) n`;
    for (const { value } of (await pool.query(text)).rows) {
      const sent = type === 'jsonb' ? JSON.stringify(value) : value;
      const { rows } = await pool.query(`select $1::${type} as value`, [sent]);
      assert.deepEqual(plain(rows[0].value), plain(value), type);
    }
  }
});
