'use strict';
// Rows in batches and COPY in chunks: what has a connection to itself for a while. Nothing is read from the socket
// before it is wanted, except one batch ahead.

const { native, request } = require('../addon.cjs');
const { decode, errorOf } = require('./decoder.cjs');

const NUMBERS = Symbol.for('tooloo-native.connection');
const BATCH = 1000;

const fail = (name) => native.poolError(name, '');

function take(connection) {
  if (connection.taken) throw fail('busy');
  connection.taken = true;
}

function check(connection, description) {
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

/** Rows of a statement, one by one. Leaving the loop cancels the statement. */
async function* stream(connection, text, parameters, options, how) {
  const size = batchSizeOf(options);
  const { signal } = options;
  if (signal?.aborted) throw Object.assign(fail('queryAborted'), { cause: signal.reason });
  take(connection);
  let handle;
  let ahead;
  try {
    check(
      connection,
      await ask(connection, (number) => {
        handle = native.pgStream(...connection[NUMBERS], number, text, parameters);
      }),
    );
    const next = () => {
      const promise = nextBatch(connection, handle, size, how);
      // Its failure is seen when its turn comes.
      promise.catch(() => {});
      return promise;
    };
    ahead = next();
    for (;;) {
      const { rows, last } = await ahead;
      ahead = last ? undefined : next();
      for (const row of rows) {
        if (signal?.aborted) throw Object.assign(fail('queryAborted'), { cause: signal.reason });
        yield row;
      }
      if (last) return;
    }
  } finally {
    await ahead?.catch(() => {});
    if (handle !== undefined) {
      const clean = await request((number) => native.pgStreamClose(handle, number)).catch(() => false);
      if (!clean) connection.lost = true;
    }
    connection.taken = false;
  }
}

/** Feeds COPY … FROM STDIN. When the source fails, nothing is copied, and the failure is passed on. */
async function copyFrom(connection, text, source) {
  if (typeof text !== 'string') throw fail('badText');
  const iterable = typeof source === 'string' || ArrayBuffer.isView(source) ? [source] : source;
  if (typeof iterable?.[Symbol.asyncIterator] !== 'function' && typeof iterable?.[Symbol.iterator] !== 'function') {
    throw new TypeError('copyFrom needs a string, bytes, or an iterable of them');
  }
  take(connection);
  let handle;
  try {
    check(
      connection,
      await ask(connection, (number) => {
        handle = native.pgCopyIn(...connection[NUMBERS], number, text);
      }),
    );
    let failed;
    for await (const piece of iterable) {
      if (typeof piece !== 'string' && !ArrayBuffer.isView(piece)) {
        throw new TypeError('copyFrom takes strings and bytes only');
      }
      const bytes = ArrayBuffer.isView(piece) ? Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength) : piece;
      failed = await ask(connection, (number) => native.pgCopyWrite(handle, number, [bytes]));
      // What the server has against it is said at the end.
      if (typeof failed === 'string') break;
    }
    const copy = handle;
    handle = undefined;
    const rows = await ask(connection, (number) => native.pgCopyFinish(copy, number));
    check(connection, rows);
    return rows;
  } finally {
    if (handle !== undefined) native.pgCopyAbort(handle);
    connection.taken = false;
  }
}

/** The output of COPY … TO STDOUT, in pieces. Leaving the loop cancels it. */
async function* copyTo(connection, text) {
  if (typeof text !== 'string') throw fail('badText');
  take(connection);
  let handle;
  try {
    check(
      connection,
      await ask(connection, (number) => {
        handle = native.pgCopyOut(...connection[NUMBERS], number, text);
      }),
    );
    for (;;) {
      const bytes = await ask(connection, (number) => native.pgCopyRead(handle, number));
      check(connection, bytes);
      if (bytes.byteLength === 0) return;
      yield Buffer.from(bytes);
    }
  } finally {
    if (handle !== undefined) {
      const clean = await request((number) => native.pgCopyClose(handle, number)).catch(() => false);
      if (!clean) connection.lost = true;
    }
    connection.taken = false;
  }
}

exports.copyFrom = copyFrom;
exports.copyTo = copyTo;
exports.stream = stream;
