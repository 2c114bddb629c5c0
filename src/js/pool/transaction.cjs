'use strict';
// Transactions: BEGIN … COMMIT around a function, savepoints when nested, again after a conflict.

const { native } = require('../addon.cjs');
const { Limit, WITHIN } = require('./limit.cjs');

const LEVELS = ['read uncommitted', 'read committed', 'repeatable read', 'serializable'];
/** SQLSTATEs after which the whole transaction may work when it is run again. */
const CONFLICTS = new Set(['40001', '40P01']);
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 1000;
/** Limit of the ROLLBACK after a limit was reached. */
const ROLLBACK_MS = 10_000;

const shown = (value) => (typeof value === 'string' ? JSON.stringify(value) : String(value));

function plan(options = {}) {
  const { isolation, readOnly, deferrable, retries = 0 } = options ?? {};
  const parts = ['BEGIN'];
  if (isolation != null) {
    const level = typeof isolation === 'string' ? isolation.toLowerCase().replace(/[-_]/g, ' ') : isolation;
    if (!LEVELS.includes(level)) {
      throw new TypeError(`option "isolation" must be one of ${LEVELS.join(', ')}, got ${shown(isolation)}`);
    }
    parts.push(`ISOLATION LEVEL ${level.toUpperCase()}`);
  }
  if (readOnly) parts.push('READ ONLY');
  if (deferrable) parts.push('DEFERRABLE');
  if (!Number.isInteger(retries) || retries < 0 || retries > 1000) {
    throw new RangeError(`option "retries" must be a whole number from 0 to 1000, got ${shown(retries)}`);
  }
  return { begin: parts.join(' '), retries };
}

/** What the function of a transaction gets: the connection, as long as the transaction lasts. */
class Transaction {
  #connection;
  #depth;
  #signal;
  #over = false;

  constructor(connection, depth, signal) {
    this.#connection = connection;
    this.#depth = depth;
    this.#signal = signal;
  }

  #use() {
    if (this.#over) throw native.poolError('transactionOver', '');
    return this.#connection;
  }

  /** The options of a statement, which ends with the limits of the transaction. */
  #within(options) {
    return this.#signal === undefined ? options : { ...options, [WITHIN]: this.#signal };
  }

  async query(text, params, options) {
    const own = options ?? (text !== null && typeof text === 'object' ? text : undefined);
    return this.#use().query(text, params, this.#within(own));
  }

  async queryBatch(statements, options) {
    return this.#use().queryBatch(statements, this.#within(options));
  }

  stream(text, params, options) {
    const own = options ?? (text !== null && typeof text === 'object' ? text : undefined);
    return this.#use().stream(text, params, this.#within(own));
  }

  async copyFrom(text, source, options) {
    return this.#use().copyFrom(text, source, this.#within(options));
  }

  copyTo(text, options) {
    return this.#use().copyTo(text, this.#within(options));
  }

  /** A part that can fail alone. */
  async transaction(fn) {
    if (typeof fn !== 'function') throw new TypeError('transaction needs a function');
    const connection = this.#use();
    const name = `tooloo_${this.#depth + 1}`;
    await this.query(`SAVEPOINT ${name}`);
    const inner = new Transaction(connection, this.#depth + 1, this.#signal);
    try {
      const value = await fn(inner);
      inner.end();
      await this.query(`RELEASE SAVEPOINT ${name}`);
      return value;
    } catch (error) {
      inner.end();
      if (!connection.lost && !this.#over) await this.query(`ROLLBACK TO SAVEPOINT ${name}`);
      throw error;
    }
  }

  end() {
    this.#over = true;
  }
}

/** Ends a failed transaction; a connection on which that is not possible is lost. */
async function rollback(connection, options) {
  while (connection.ending !== undefined) await connection.ending;
  if (connection.lost) return;
  try {
    await connection.query('ROLLBACK', undefined, options);
  } catch {
    connection.lost = true;
  }
}

async function once(connection, begin, fn, { within, signal }) {
  const limits = signal === undefined ? undefined : { [WITHIN]: signal };
  const transaction = new Transaction(connection, 0, signal);
  try {
    await connection.query(begin, undefined, limits);
    const value = await within(new Promise((resolve) => resolve(fn(transaction))));
    transaction.end();
    // COMMIT of a failed transaction succeeds and rolls back; only another statement tells.
    const [probe, commit] = await connection.queryBatch(['SELECT 1', 'COMMIT'], limits);
    if (commit.error !== undefined) throw commit.error;
    if (probe.error !== undefined) {
      const error = native.poolError('rolledBack', '');
      Object.defineProperty(error, 'cause', { value: probe.error, configurable: true, writable: true });
      throw error;
    }
    return value;
  } catch (error) {
    transaction.end();
    await rollback(connection, signal === undefined ? undefined : { timeoutMs: ROLLBACK_MS });
    throw error;
  }
}

async function attempts(lend, fn, { begin, retries }, limit) {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await lend((connection) => once(connection, begin, fn, limit), limit.signal && { signal: limit.signal });
    } catch (error) {
      if (attempt >= retries || !CONFLICTS.has(error?.code)) throw error;
    }
    const longest = Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS);
    await limit.within(new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2))));
  }
}

/**
 * Runs `fn` in a transaction on a connection that `lend` finds. When a limit is reached the caller hears of it at once;
 * the connection comes back after the rollback.
 */
async function transaction(lend, fn, options) {
  if (typeof fn !== 'function') throw new TypeError('transaction needs a function');
  const planned = plan(options);
  const limit = Limit.of(options);
  if (limit === undefined) return attempts(lend, fn, planned, { within: (promise) => promise });
  if (limit.error !== undefined) throw limit.error;
  const control = new AbortController();
  limit.onReached((error) => control.abort(error));
  const within = (promise) => limit.race(promise);
  try {
    return await within(attempts(lend, fn, planned, { within, signal: control.signal }));
  } finally {
    limit.end();
  }
}

exports.rollback = rollback;
exports.transaction = transaction;
