// 100,000 random lookups on a real table of many types: merged and alone they give every caller the same.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';
import { startPostgres } from './support/postgres.mjs';

const LOOKUPS = 100_000;
const ROWS = 800;
const BATCH = 400;
/** Set it to repeat a run. */
const SEED = Number(process.env.TOOLOO_TEST_SEED ?? Date.now() % 2 ** 31);

/** Mulberry32: the same numbers for the same seed. */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

const random = randomFrom(SEED);
const below = (limit) => Math.floor(random() * limit);
const pick = (list) => list[below(list.length)];
const two = (number) => String(number).padStart(2, '0');
const uuid = (n) => `00000000-0000-4000-8000-${String(n).padStart(12, '0')}`;

/** Mostly `general`, so that a lookup finds few rows. */
const rare = (special, general) => (below(9) === 0 ? pick(special) : general);
const WORDS = ['a', 'A', 'a ', '', 'NULL', 'null', '"q"', 'b\\s', '{x,y}', "o'k", 'ü', '💡'];
/** A number for a key of a row; several rows have the same. */
const MANY = 500;

/** Column → its type, what stands in rows (from a number), what is asked for: other spellings and misses, and errors. */
const COLUMNS = {
  id: ['int primary key', null, (n) => pick([n, n, String(n), ` ${n}`, `+${n}`, `0${n}`, -n, 10 ** 9]), [1.5, '1e1', true, 2 ** 31]],
  i2: ['int2', (n) => n, (n) => pick([n, `${n} `, -1]), [40_000]],
  i8: ['int8', (n) => `9007199254740${n + 100}`, (n) => pick([`9007199254740${n + 100}`, BigInt(`9007199254740${n + 100}`), n]), ['0y10']],
  tx: ['text', (n) => rare(WORDS, `t${n}`), (n) => rare([...WORDS, 7, new Date(0), { a: 1 }, '\ud800'], `t${n}`), ['x\0']],
  ci: ['citext', (n) => rare(['Anna', 'BERT'], `c${n}`), (n) => rare(['anna', 'ANNA', 'bErt', 'c'], `C${n}`), []],
  nd: ['text collate folded', (n) => rare(['Éa', 'EB'], `n${n}`), (n) => rare(['éA', 'eb', 'ea'], `N${n}`), []],
  bp: ['char(5)', (n) => rare(['a', 'ab '], `p${n}`), (n) => rare(['a', 'a  ', 'ab', 'toolong', 'a     '], `p${n} `), []],
  vc: ['varchar(8)', (n) => rare(['v', 'v '], `v${n}`), (n) => rare(['v', 'v ', 'far too long for it'], `v${n}`), []],
  nu: ['numeric', (n) => rare(['1.0', '1.00', '1', 'NaN', 'Infinity'], `${n}.5`), (n) => rare([1, '1', '1.000', 'NaN', NaN, Infinity, '1e0', n], `${n}.50`), ['one']],
  f8: ['float8', (n) => rare(['NaN', '-0', '0', 'Infinity', 0.1], n), (n) => rare([NaN, 'nan', -0, 0, '0.0', Infinity, '-inf', 0.1, '0.10'], n), ['1e-400']],
  f4: ['float4', (n) => rare([0.1], n), (n) => rare([0.1, '0.1'], n), ['x']],
  tz: ['timestamptz', (n) => `2024-03-31 00:${two(n % 60)}:${two(n % 9)}+00`, (n) => rare([new Date(Date.UTC(2024, 2, 31, 0, n % 60, n % 9)), 'infinity'], `2024-03-31T10:${two(n % 60)}:${two(n % 9)}+10`), ['yesterday-ish']],
  ts: ['timestamp', (n) => `2024-01-01 00:${two(n % 60)}:${two(n % 9)}`, (n) => pick([`2024-01-01 00:${two(n % 60)}:${two(n % 9)}`, `20240101T00${two(n % 60)}${two(n % 9)}`, `2024-01-01 00:${two(n % 60)}:${two(n % 9)}+05`]), ['24h']],
  da: ['date', (n) => `2${two(n % 99)}4-01-${two(1 + (n % 28))}`, (n) => pick([`2${two(n % 99)}4-01-${two(1 + (n % 28))}`, `Jan ${1 + (n % 28)}, 2${two(n % 99)}4`, 'epoch']), ['2024-02-30']],
  iv: ['interval', (n) => rare(['1 day', '24 hours'], `${n} min`), (n) => rare(['1 day', '24:00'], pick([`PT${n}M`, `${n * 60} s`])), ['1 parsec']],
  uu: ['uuid', (n) => uuid(n), (n) => pick([uuid(n), uuid(n).toUpperCase(), `{${uuid(n)}}`]), ['none']],
  by: ['bytea', (n) => `\\x00ff${n + 100}0`, (n) => rare(['a\\\\b', new Uint8Array([0, 255]), Buffer.alloc(0)], pick([Buffer.from(`00ff${n + 100}0`, 'hex'), `\\x00FF${n + 100}0`])), ['\\x0']],
  bo: ['bool', (n) => n % 90 === 0, () => pick([true, 'yes', 'on']), ['maybe']],
  en: ['mood', (n) => rare(['sad', 'say "hi", {you}'], 'ok'), () => pick(['sad', 'say "hi", {you}']), ['none']],
  dm: ['positive', (n) => 1 + n, (n) => pick([1 + n, `${1 + n}`, -1, 0]), ['x']],
  jb: ['jsonb', (n) => JSON.stringify({ b: n, a: [1] }), (n) => pick([{ a: [1], b: n }, `{"b": ${n}.0, "a": [1]}`, 'null']), ['{']],
  ip: ['inet', (n) => `10.0.0.${n % 250}`, (n) => pick([`10.0.0.${n % 250}`, `10.0.0.${n % 250}/32`, `10.0.0.${n % 250}/24`, '::1']), ['10.0.0.256']],
  ch: ['"char"', (n) => rare(['a', 'b', ''], 'z'), () => pick(['a', 'b', 'abc', '']), []],
  na: ['name', (n) => rare(['x', 'y'.repeat(70)], `m${n}`), (n) => rare(['x', 'y'.repeat(70), 'y'.repeat(63)], `m${n}`), []],
  bi: ['bit(9)', (n) => n.toString(2).padStart(9, '0'), (n) => pick([n.toString(2).padStart(9, '0'), '1']), ['2']],
  ra: ['int4range', (n) => `[${n},${n + 2}]`, (n) => rare(['empty', '(,)'], `[${n},${n + 3})`), ['[2,1]']],
};
const NAMES = Object.keys(COLUMNS);
/** Without an index a lookup reads the whole table. */
const UNINDEXED = ['bp'];

function askFor(name, bad) {
  const [, , asked, errors] = COLUMNS[name];
  if (below(20) === 0) return pick([null, undefined]);
  if (bad && errors.length > 0 && below(40) === 0) return pick(errors);
  return asked(below(name === 'id' ? ROWS : MANY));
}

/** The texts that are asked with, and the columns that their parameters are for. */
const TEXTS = [
  ...NAMES.map((name) => [`SELECT id, ${name} FROM thing WHERE ${name} = $1`, [name]]),
  ...NAMES.map((name) => [`SELECT id, ${name} FROM thing t WHERE $1 = t.${name} AND id > 300`, [name]]),
  ['SELECT * FROM thing WHERE id = $1', ['id']],
  ['SELECT * FROM thing WHERE uu = $1', ['uu']],
  ['SELECT tx, tx, id AS "__proto__", 7 AS seven, \'x\' FROM public.thing WHERE id = $1', ['id']],
  ['SELECT t.*, t.id FROM thing AS t WHERE t.id = $1::int', ['id']],
  ['SELECT id, tz, by, jb FROM thing WHERE uu = $1 AND bo IS NOT TRUE', ['uu']],
  ['SELECT id FROM thing WHERE i2 = $1 AND tx = $2', ['i2', 'tx']],
  ['SELECT id FROM thing WHERE (uu, i2) = ($2, $1)', ['i2', 'uu']],
  ['SELECT id, nu FROM thing WHERE i2 = $1 AND uu = $2 AND i2 = $3', ['i2', 'uu', 'i2']],
  ['SELECT id FROM thing WHERE id = $1 AND dm = $1', ['id']],
  ['SELECT id FROM thing WHERE by = $1 AND en = $2 AND f8 = $3', ['by', 'en', 'f8']],
  ['SELECT ctid, tableoid FROM thing WHERE id = $1', ['id']],
];

async function fill(pool) {
  await pool.query('create extension citext');
  await pool.query("create collation folded (provider = icu, locale = 'und-u-ks-level2', deterministic = false)");
  await pool.query(`create type mood as enum ('sad', 'ok', 'say "hi", {you}')`);
  await pool.query('create domain positive as int check (value > 0)');
  await pool.query(`create table thing (${NAMES.map((name) => `${name} ${COLUMNS[name][0]}`).join(', ')})`);
  const places = NAMES.map((_, index) => `$${index + 1}`).join(', ');
  const rows = [];
  for (let id = 1; id <= ROWS; id += 1) {
    const value = (name) => (name === 'id' ? id : below(15) === 0 ? null : COLUMNS[name][1](below(MANY)));
    rows.push({ text: `insert into thing values (${places})`, params: NAMES.map(value) });
  }
  for (const { error } of await pool.queryBatch(rows)) if (error) throw error;
  for (const name of NAMES.filter((name) => name !== 'id' && !UNINDEXED.includes(name))) {
    await pool.query(`create index on thing (${name})`);
  }
  await pool.query('vacuum analyze thing');
}

/** How a query ended, comparable: rows have no order, as none was asked for. */
function outcomeOf({ status, value, reason }) {
  if (status === 'rejected') return { code: reason.code, message: reason.message };
  const rows = value.rows.map((row) => Object.entries(row));
  const text = (row) => JSON.stringify(row, (_, cell) => (typeof cell === 'number' && !Number.isFinite(cell) ? String(cell) : cell));
  return { ...value, rows: rows.sort((a, b) => (text(a) < text(b) ? -1 : 1)) };
}

describe('lookups', () => {
  let server;
  let pool;
  before(async () => {
    server = await startPostgres();
    pool = new ConnectionPool({ connectionString: server.url, minConnections: 1, maxConnections: 4 });
    await fill(pool);
  });
  after(async () => {
    await pool?.drain();
    await server?.stop();
  });

  test('every text is merged', async () => {
    const optimizer = new QueryOptimizer({ pool });
    for (const [text] of TEXTS) {
      const { merges, reason } = await optimizer.batchPlan(text);
      assert.ok(merges, `${text}: ${reason}`);
    }
  });

  test(`${LOOKUPS} random lookups give the same, merged and alone (seed ${SEED})`, async (t) => {
    const options = { pool, batchSize: 1e9, batchTimeout: 60_000 };
    const together = new QueryOptimizer(options);
    const alone = new QueryOptimizer({ ...options, mergeLookups: false, deduplicate: false });
    for (let asked = 0; asked < LOOKUPS; asked += BATCH) {
      const [text, names] = pick(TEXTS);
      const list = [];
      // Batches with a bad parameter are asked again one by one, so most have none.
      const bad = below(4) === 0;
      for (let count = 0; count < BATCH; count += 1) {
        const repeated = list.length > 0 && below(10) < 3;
        list.push(repeated ? pick(list) : names.map((name) => askFor(name, bad)));
      }
      const ask = (optimizer) => Promise.allSettled(list.map((params) => optimizer.queueQuery(text, params)));
      const outcomes = [ask(together), ask(alone)];
      await Promise.all([together.flush(), alone.flush()]);
      const [merged, single] = await Promise.all(outcomes);
      for (let index = 0; index < BATCH; index += 1) {
        const shown = () => `${text} with ${JSON.stringify(list[index], (_, value) => (typeof value === 'bigint' ? `${value}n` : value))}`;
        try {
          assert.deepStrictEqual(outcomeOf(merged[index]), outcomeOf(single[index]));
        } catch (error) {
          throw new Error(`seed ${SEED}: ${shown()}: ${error.message}`);
        }
      }
    }
    const stats = together.getStats();
    t.diagnostic(JSON.stringify({ together: stats, alone: alone.getStats() }));
    assert.equal(alone.getStats().statementsSent, LOOKUPS);
    assert.ok(stats.merged > LOOKUPS / 10, `only ${stats.merged} were merged`);
    assert.ok(stats.deduplicated > LOOKUPS / 10, `only ${stats.deduplicated} were repeated`);
  });
});
