// A stream is an async generator of rows to whoever reads it, however it is read.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { ConnectionPool } from '../src/js/lib/connection-pool.mjs';
import { startPool } from './support/pool.mjs';

let rig;
let pool;
const TEN = 'select n from generate_series(1, 10) n';

before(async () => {
  rig = await startPool({ maxConnections: 2 });
  ({ pool } = rig);
});

after(async () => {
  await rig?.stop();
});

const values = (answers) => answers.map(({ value, done }) => [value?.n, done]);

describe('the rows of a stream', () => {
  test('asked for at once come in order, across batches and beyond the end', async () => {
    const rows = pool.stream(TEN, [], { batchSize: 3 });
    const answers = await Promise.all(Array.from({ length: 12 }, () => rows.next()));
    const expected = Array.from({ length: 10 }, (_, index) => [index + 1, false]);
    assert.deepEqual(values(answers), [...expected, [undefined, true], [undefined, true]]);
    assert.equal(pool.getStats().activeCount, 0);
  });

  test('end with return(), after what was asked for before it', async () => {
    const rows = pool.stream(TEN, [], { batchSize: 4 });
    const answers = await Promise.all([rows.next(), rows.next(), rows.return(7), rows.next()]);
    assert.deepEqual(answers, [
      { value: { n: 1 }, done: false },
      { value: { n: 2 }, done: false },
      { value: 7, done: true },
      { value: undefined, done: true },
    ]);
    assert.equal(pool.getStats().activeCount, 0);
  });

  test('that nobody reads take no connection', async () => {
    const { acquired } = pool.getStats();
    const rows = pool.stream(TEN);
    assert.deepEqual(await rows.return(), { value: undefined, done: true });
    assert.deepEqual(await rows.next(), { value: undefined, done: true });
    assert.equal(pool.getStats().acquired, acquired);
  });

  test('end with throw(), and the connection goes back', async () => {
    const rows = pool.stream(TEN, [], { batchSize: 4 });
    await rows.next();
    await assert.rejects(rows.throw(new Error('enough')), /^Error: enough$/);
    assert.deepEqual(await rows.next(), { value: undefined, done: true });
    assert.equal(pool.getStats().activeCount, 0);
  });

  test('are not handed out any more once their signal is aborted, although they are there', async () => {
    const abort = new AbortController();
    const rows = pool.stream(TEN, [], { signal: abort.signal });
    await rows.next();
    abort.abort();
    await assert.rejects(rows.next(), /abort/i);
    assert.deepEqual(await rows.next(), { value: undefined, done: true });
    assert.equal((await pool.query('select 1 as one')).rows[0].one, 1);
  });

  test('of a connection of another kind come one by one, too', async () => {
    const events = [];
    const conn = {
      async *stream(text) {
        try {
          yield* [text, 2, 3];
        } finally {
          events.push('ended');
        }
      },
    };
    const own = new ConnectionPool({ minConnections: 0, factory: { create: async () => conn } });
    const rows = [];
    for await (const row of own.stream('text')) {
      rows.push(row);
      if (row === 2) break;
    }
    assert.deepEqual([rows, events], [['text', 2], ['ended']]);
    assert.equal(own.getStats().activeCount, 0);
    await own.drain();
  });

  test('that somebody began to read are read on', async () => {
    const begun = pool.stream(TEN, [], { batchSize: 4 });
    await begun.next();
    const own = new ConnectionPool({ minConnections: 0, factory: { create: async () => ({ stream: () => begun }) } });
    const rows = [];
    for await (const { n } of own.stream('text')) rows.push(n);
    assert.deepEqual(rows, [2, 3, 4, 5, 6, 7, 8, 9, 10]);
    assert.equal(pool.getStats().activeCount, 0);
    await own.drain();
  });

  test('are what `for await` and `Symbol.asyncIterator` expect', () => {
    const rows = pool.stream(TEN);
    assert.equal(rows[Symbol.asyncIterator](), rows);
    assert.deepEqual([typeof rows.next, typeof rows.return, typeof rows.throw], ['function', 'function', 'function']);
  });
});
