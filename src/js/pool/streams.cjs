'use strict';
// Rows in batches and COPY in chunks: what has a connection to itself for a while. Nothing is read from the socket
// before it is wanted, except one batch ahead.

const { native, request } = require('../addon.cjs');
const { decode, errorOf } = require('./decoder.cjs');
const { Limit, hold } = require('./limit.cjs');
const { Rows } = require('./rows.cjs');

const NUMBERS = Symbol.for('tooloo-native.connection');
const BATCH = 1000;

const fail = (name) => native.poolError(name, '');

function take(connection) {
  if (connection.taken) throw fail('busy');
  connection.taken = true;
}

/** Throws what the server has against it. */
function refuse(connection, description) {
  if (typeof description !== 'string') return;
  const error = errorOf(description);
  if (error.lost === true) connection.lost = true;
  throw error;
}

/** A request whose connection is of no further use when it rejects. */
async function ask(connection, start) {
  try {
    return await request(start);
  } catch (error) {
    connection.lost = true;
    throw error;
  }
}

function batchSizeOf({ batchSize }) {
  if (batchSize == null) return BATCH;
  if (Number.isInteger(batchSize) && batchSize > 0 && batchSize <= 1_000_000) return batchSize;
  const shown = typeof batchSize === 'string' ? JSON.stringify(batchSize) : String(batchSize);
  throw new RangeError(`option "batchSize" must be a whole number from 1 to 1000000, got ${shown}`);
}

/** The next batch: `{ rows, last }`. */
function nextBatch(connection, handle, size, how) {
  return new Promise((resolve, reject) => {
    const settle = (delivery) => {
      const [{ value, error }] = decode(delivery, 1, how);
      if (error?.lost === true) connection.lost = true;
      if (error !== undefined) throw error;
      return { rows: value.rows, last: value.rows.length < size };
    };
    request.decoding((number) => native.pgStreamNext(handle, number, size), settle, resolve, reject);
  });
}

/**
 * Runs `work({ open, within, limit })` with the connection to itself: `open(start)` starts what `close(handle, number)`
 * ends, which answers whether the connection is still of use; `within(promise)` is the promise within the limits, of which
 * `limit` tells. When one is reached, it is closed at once, and the caller does not wait for that.
 */
async function* exclusively(connection, options, close, work) {
  const limit = Limit.of(options);
  if (limit?.error !== undefined) throw limit.error;
  take(connection);
  let handle;
  let closing;
  const end = async () => {
    const clean = handle === undefined || (await request((number) => close(handle, number)).catch(() => false));
    if (!clean) connection.lost = true;
    connection.taken = false;
  };
  limit?.onReached(() => {
    closing = end();
    hold(connection, closing);
  });
  const within = (promise) => (limit === undefined ? promise : limit.race(promise));
  const open = async (start) => {
    const opened = ask(connection, (number) => {
      handle = start(number);
    });
    refuse(connection, await within(opened));
    return handle;
  };
  try {
    yield* work({ open, within, limit });
  } finally {
    limit?.end();
    if (closing === undefined) await end();
  }
}

/** Rows of a statement, one by one. Leaving the loop cancels the statement. */
const stream = (...args) => new Rows(batches(...args));

async function* batches(connection, text, parameters, options, how) {
  const size = batchSizeOf(options);
  const close = (handle, number) => native.pgStreamClose(handle, number);
  yield* exclusively(connection, options, close, async function* batchesOf({ open, within, limit }) {
    const handle = await open((number) => native.pgStream(...connection[NUMBERS], number, text, parameters));
    const next = () => {
      const promise = nextBatch(connection, handle, size, how);
      // Its failure is seen when its turn comes.
      promise.catch(() => {});
      return promise;
    };
    let ahead = next();
    try {
      for (;;) {
        const { rows, last } = await within(ahead);
        ahead = last ? undefined : next();
        yield { rows, limit };
        if (last) return;
      }
    } finally {
      // When a limit was reached, native code gives it up; else it may be the last one.
      await within(Promise.resolve(ahead)).catch(() => {});
    }
  });
}

/** What COPY … FROM STDIN is fed with, as something to loop over. */
function piecesOf(source) {
  const iterable = typeof source === 'string' || ArrayBuffer.isView(source) ? [source] : source;
  if (typeof iterable?.[Symbol.asyncIterator] === 'function') return iterable[Symbol.asyncIterator]();
  if (typeof iterable?.[Symbol.iterator] === 'function') return iterable[Symbol.iterator]();
  throw new TypeError('copyFrom needs a string, bytes, or an iterable of them');
}

/** Feeds COPY … FROM STDIN. When the source fails or a limit is reached, nothing is copied. */
async function copyFrom(connection, text, source, options) {
  if (typeof text !== 'string') throw fail('badText');
  const pieces = piecesOf(source);
  const close = (handle, number) => native.pgCopyGiveUp(handle, number);
  const copying = exclusively(connection, options, close, async function* rowCount({ open, within }) {
    let ended = false;
    try {
      const copy = await open((number) => native.pgCopyIn(...connection[NUMBERS], number, text));
      for (let failed; typeof failed !== 'string'; ) {
        const { value, done } = await within(Promise.resolve(pieces.next()));
        ended = done === true;
        if (ended) break;
        const piece = await within(Promise.resolve(value));
        if (typeof piece !== 'string' && !ArrayBuffer.isView(piece)) {
          throw new TypeError('copyFrom takes strings and bytes only');
        }
        const bytes = ArrayBuffer.isView(piece) ? Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength) : piece;
        failed = await within(ask(connection, (number) => native.pgCopyWrite(copy, number, [bytes])));
        // What the server has against it is said at the end.
      }
      const rows = await within(ask(connection, (number) => native.pgCopyFinish(copy, number)));
      refuse(connection, rows);
      yield rows;
    } finally {
      // A source that waits for something is not waited for.
      if (!ended) new Promise((resolve) => resolve(pieces.return?.())).catch(() => {});
    }
  });
  for await (const rows of copying) return rows;
}

/** The output of COPY … TO STDOUT, in pieces. Leaving the loop cancels it. */
async function* copyTo(connection, text, options) {
  if (typeof text !== 'string') throw fail('badText');
  const close = (handle, number) => native.pgCopyClose(handle, number);
  yield* exclusively(connection, options, close, async function* piecesOfTable({ open, within }) {
    const handle = await open((number) => native.pgCopyOut(...connection[NUMBERS], number, text));
    for (;;) {
      const bytes = await within(ask(connection, (number) => native.pgCopyRead(handle, number)));
      refuse(connection, bytes);
      if (bytes.byteLength === 0) return;
      yield Buffer.from(bytes);
    }
  });
}

exports.copyFrom = copyFrom;
exports.copyTo = copyTo;
exports.stream = stream;
