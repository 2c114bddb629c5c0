'use strict';
// PostgreSQL connections as JavaScript sees them.
const { native, request } = require('../addon.cjs');
const { decode, errorOf } = require('./decoder.cjs');
const { prepareAll } = require('./parameters.cjs');

const SERVER = Symbol('server');
const NUMBER = Symbol('number');
const NONE = Object.freeze([]);

const fail = (name, detail = '') => native.poolError(name, detail);

const servers = new FinalizationRegistry((handle) => native.pgClose(handle));

/** One server. Closing the last connection's owner closes the connections. */
class Server {
  constructor(connectionString, timeout) {
    const handle = native.pgOpen(connectionString, timeout);
    Object.defineProperty(this, 'handle', { value: handle });
    servers.register(this, handle);
  }

  async connect() {
    const made = await request((number) => native.pgConnect(this.handle, number));
    if (typeof made === 'string') throw errorOf(made);
    return new PgConnection(this, made);
  }
}

function checked(text, values) {
  if (typeof text !== 'string') throw fail('badText');
  if (values == null) return NONE;
  if (!Array.isArray(values)) throw fail('badParameters');
  return prepareAll(values);
}

/** Takes `(text, params)`, or `pg`'s `({ text, values })`. */
function normalized(text, params) {
  if (text !== null && typeof text === 'object') return [text.text, params ?? text.values ?? text.params];
  return [text, params];
}

/**
 * Sends statements on a connection; resolves with `{ value }` or `{ error }` for each of them. Never rejects for a
 * failed statement.
 */
function send(connection, count, start) {
  return new Promise((resolve, reject) => {
    // The arena is shared, so results are decoded on delivery, before the next one arrives.
    const settle = (delivery) => {
      const results = decode(delivery, count);
      for (const { error } of results) if (error?.lost === true) connection.lost = true;
      return results;
    };
    request.decoding(start, settle, resolve, reject);
  });
}

/** A connection of a PostgreSQL pool. */
class PgConnection {
  constructor(server, number) {
    Object.defineProperties(this, {
      [SERVER]: { value: server },
      [NUMBER]: { value: number },
      lost: { value: false, writable: true },
    });
  }

  /** Runs one statement: `{ rows, rowCount, fields, command }`. Statements run in the order of the calls. */
  async query(text, params) {
    const [sql, values] = normalized(text, params);
    const parameters = checked(sql, values);
    const [{ value, error }] = await send(this, 1, (number) =>
      native.pgQuery(this[SERVER].handle, this[NUMBER], number, sql, parameters),
    );
    if (error !== undefined) throw error;
    return value;
  }

  /** Runs independent statements in one round trip: `{ value }` or `{ error }` for each, in order. */
  async queryBatch(statements) {
    const texts = [];
    const counts = [];
    const parameters = [];
    const results = [];
    const places = [];
    for (const statement of statements) {
      try {
        const [sql, values] = typeof statement === 'string' ? [statement] : normalized(statement);
        const prepared = checked(sql, values);
        texts.push(sql);
        counts.push(prepared.length);
        for (const parameter of prepared) parameters.push(parameter);
        places.push(results.length);
        results.push(undefined);
      } catch (error) {
        results.push({ error });
      }
    }
    if (texts.length === 0) return results;
    const answers = await send(this, texts.length, (number) =>
      native.pgBatch(this[SERVER].handle, this[NUMBER], number, texts, Int32Array.from(counts), parameters),
    );
    answers.forEach((answer, index) => {
      results[places[index]] = answer;
    });
    return results;
  }

  /** Whether the server answers within `timeoutMs`. */
  isAlive(timeoutMs) {
    return request((number) => native.pgIsAlive(this[SERVER].handle, this[NUMBER], number, timeoutMs));
  }

  /** Ends the connection, after the statements under way. */
  close() {
    native.pgDisconnect(this[SERVER].handle, this[NUMBER]);
  }
}

exports.PgConnection = PgConnection;
exports.Server = Server;
