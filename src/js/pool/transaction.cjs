'use strict';
// Transactions: BEGIN … COMMIT around a function, savepoints when nested, again after a conflict.

const { native } = require('../addon.cjs');

const LEVELS = ['read uncommitted', 'read committed', 'repeatable read', 'serializable'];
/** SQLSTATEs after which the whole transaction may work when it is run again. */
const CONFLICTS = new Set(['40001', '40P01']);
const FIRST_WAIT_MS = 10;
const LONGEST_WAIT_MS = 1000;

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
  #over = false;

  constructor(connection, depth) {
    this.#connection = connection;
    this.#depth = depth;
  }

  #use() {
    if (this.#over) throw native.poolError('transactionOver', '');
    return this.#connection;
  }

  async query(text, params, options) {
    return this.#use().query(text, params, options);
  }

  async queryBatch(statements) {
    return this.#use().queryBatch(statements);
  }

  stream(text, params, options) {
    return this.#use().stream(text, params, options);
  }

  async copyFrom(text, source) {
    return this.#use().copyFrom(text, source);
  }

  copyTo(text) {
    return this.#use().copyTo(text);
  }

  /** A part that can fail alone. */
  async transaction(fn) {
    if (typeof fn !== 'function') throw new TypeError('transaction needs a function');
    const connection = this.#use();
    const name = `tooloo_${this.#depth + 1}`;
    await connection.query(`SAVEPOINT ${name}`);
    const inner = new Transaction(connection, this.#depth + 1);
    try {
      const value = await fn(inner);
      inner.end();
      await connection.query(`RELEASE SAVEPOINT ${name}`);
      return value;
    } catch (error) {
      inner.end();
      if (!connection.lost) await connection.query(`ROLLBACK TO SAVEPOINT ${name}`);
      throw error;
    }
  }

  end() {
    this.#over = true;
  }
}

async function once(connection, begin, fn) {
  await connection.query(begin);
  const transaction = new Transaction(connection, 0);
  try {
    const value = await fn(transaction);
    transaction.end();
    // COMMIT of a failed transaction succeeds and rolls back; only another statement tells.
    const [probe, commit] = await connection.queryBatch(['SELECT 1', 'COMMIT']);
    if (commit.error !== undefined) throw commit.error;
    if (probe.error !== undefined) {
      const error = native.poolError('rolledBack', '');
      Object.defineProperty(error, 'cause', { value: probe.error, configurable: true, writable: true });
      throw error;
    }
    return value;
  } catch (error) {
    transaction.end();
    if (connection.ending !== undefined) await connection.ending;
    if (!connection.lost) {
      try {
        await connection.query('ROLLBACK');
      } catch {
        connection.lost = true;
      }
    }
    throw error;
  }
}

/** Runs `fn` in a transaction on a connection that `lend` finds. */
async function transaction(lend, fn, options) {
  if (typeof fn !== 'function') throw new TypeError('transaction needs a function');
  const { begin, retries } = plan(options);
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await lend((connection) => once(connection, begin, fn));
    } catch (error) {
      if (attempt >= retries || !CONFLICTS.has(error?.code)) throw error;
    }
    const longest = Math.min(FIRST_WAIT_MS * 2 ** attempt, LONGEST_WAIT_MS);
    await new Promise((resolve) => setTimeout(resolve, longest * (0.5 + Math.random() / 2)));
  }
}

exports.transaction = transaction;
