'use strict';
// PostgreSQL connections as JavaScript sees them.
const { native, isNode, request } = require('../addon.cjs');
const { decode, errorOf, fieldsOf } = require('./decoder.cjs');
const { Limit, hold, limitsOf } = require('./limit.cjs');
const { prepareAll } = require('./parameters.cjs');
const { DEFAULT, LOOKUPS, ofLookups, settings, settingsOf, typesOf } = require('./settings.cjs');
const { copyFrom, copyTo, stream } = require('./streams.cjs');

const NONE = Object.freeze([]);

const fail = (name) => native.poolError(name, '');

const servers = new FinalizationRegistry((handle) => native.pgClose(handle));

/** The servers of an address. Closing the last connection's owner closes the connections. */
class Server {
  constructor(address, timeout, types) {
    this.settings = types == null ? DEFAULT : settings(false, typesOf(types));
    this.timeout = timeout;
    const handle = native.pgOpen(address, timeout, isNode);
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

/** Takes `(text, params, options)`, or `pg`'s `({ text, values, rowMode, … })`. */
function normalized(text, params, options) {
  if (text === null || typeof text !== 'object') return [text, params, options];
  return [text.text, params ?? text.values ?? text.params, options ?? text];
}

/**
 * Sends statements on a connection; resolves with `{ value }` or `{ error }` for each of them. Never rejects for a
 * failed statement. `delivered` is called when native code has done with it.
 */
function send(connection, count, start, how, delivered = () => {}) {
  return new Promise((resolve, reject) => {
    // The arena is shared, so results are decoded on delivery, before the next one arrives.
    const settle = (delivery) => {
      delivered();
      const results = decode(delivery, count, how);
      for (const { error } of results) if (error?.lost === true) connection.lost = true;
      return results;
    };
    request.decoding(start, settle, resolve, (error) => {
      delivered();
      connection.lost = true;
      reject(error);
    });
  });
}

/** As `send`, for several statements: what is there is decoded while the server works on the rest. */
function sendAll(connection, start, how) {
  return new Promise((resolve, reject) => {
    const results = [];
    const progress = ([count, delivery]) => {
      const first = results.length;
      let part;
      try {
        part = decode(delivery, count, (index) => how[first + index]);
      } catch (error) {
        part = new Array(count).fill({ error });
      }
      for (const result of part) {
        if (result.error?.lost === true) connection.lost = true;
        results.push(result);
      }
    };
    const failed = (error) => {
      connection.lost = true;
      reject(error);
    };
    request.inParts(start, () => resolve(results), failed, progress);
  });
}

/** A connection of a PostgreSQL pool. */
class PgConnection {
  /** The pool's server, and the connection's number there. */
  #server;
  #number;

  constructor(server, number) {
    this.#server = server;
    this.#number = number;
    Object.defineProperties(this, {
      /** Whether it is of no further use. */
      lost: { value: false, writable: true },
      /** What is over before the connection may go to the next holder: the end of an abandoned statement. */
      ending: { value: undefined, writable: true },
      /** Whether a stream or a copy has the connection to itself. */
      taken: { value: false, writable: true },
    });
  }

  /** The numbers by which native code knows it. */
  get [Symbol.for('tooloo-native.connection')]() {
    return [this.#server.handle, this.#number];
  }

  get settings() {
    return this.#server.settings;
  }

  /**
   * Runs one statement: `{ rows, rowCount, fields, command }`. Statements run in the order of the calls. When the
   * signal fires or the time is up, the statement is cancelled at the server.
   */
  async query(text, params, options) {
    const [sql, values, own] = normalized(text, params, options);
    const parameters = checked(sql, values);
    const how = own == null ? this.#server.settings : settingsOf(own, this.#server.settings);
    const limits = own == null ? undefined : limitsOf(own);
    if (this.taken) throw fail('busy');
    const { handle } = this.#server;
    const [{ value, error }] = limits === undefined
      ? await send(this, 1, (number) => native.pgQuery(handle, this.#number, number, sql, parameters), how)
      : await this.#within(limits, 1, (number) => native.pgQueryUntil(handle, this.#number, number, sql, parameters), how);
    if (error !== undefined) throw error;
    return value;
  }

  /** As `send`, for what is given up when a limit is reached: the caller hears of it at once. */
  #within(limits, count, ask, how) {
    return new Promise((resolve, reject) => {
      const limit = new Limit(limits);
      if (limit.error !== undefined) {
        reject(limit.error);
        return;
      }
      let current;
      const start = (number) => {
        current = number;
        ask(number);
      };
      const outcome = send(this, count, start, how, () => {
        current = undefined;
        limit.end();
      });
      limit.onReached((error) => {
        if (current === undefined) return;
        native.pgAbandon(current);
        hold(this, outcome);
        reject(error);
      });
      outcome.then(resolve, reject);
    });
  }

  /**
   * Runs independent statements in one round trip: `{ value }` or `{ error }` for each, in order. A statement may say
   * how its rows are read (`rowMode`, `types`). The limits `signal` and `timeoutMs` are those of all together.
   */
  async queryBatch(statements, options) {
    const limits = limitsOf(options);
    const { settings } = this.#server;
    const how = [];
    const texts = [];
    const counts = [];
    const parameters = [];
    const results = [];
    const places = [];
    if (this.taken) throw fail('busy');
    for (const statement of statements) {
      try {
        const [sql, values, own] = typeof statement === 'string' ? [statement] : normalized(statement);
        const prepared = checked(sql, values);
        const lookups = own?.[LOOKUPS];
        const read = lookups === undefined ? settingsOf(own, settings) : ofLookups(lookups, settings);
        how.push(read);
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
    const all = (number) => [this.#server.handle, this.#number, number, texts, Int32Array.from(counts), parameters];
    const answers = limits !== undefined
      ? await this.#within(limits, texts.length, (number) => native.pgBatchUntil(...all(number)), (index) => how[index])
      : texts.length === 1
        ? await send(this, 1, (number) => native.pgBatch(...all(number)), how[0])
        : await sendAll(this, (number) => native.pgPipeline(...all(number)), how);
    answers.forEach((answer, index) => {
      results[places[index]] = answer;
    });
    return results;
  }

  /** Prepares a statement: the types of its parameters, and its columns. */
  async describe(text) {
    if (typeof text !== 'string') throw fail('badText');
    if (this.taken) throw fail('busy');
    const described = await request((number) => native.pgDescribe(this.#server.handle, this.#number, number, text));
    if (typeof described !== 'string') throw errorOf(described[0]);
    const { parameters, columns } = JSON.parse(described);
    return { parameters, fields: fieldsOf(columns) };
  }

  /** The rows of a statement, a batch at a time read from the socket. */
  stream(text, params, options) {
    const [sql, values, own] = normalized(text, params, options);
    return stream(this, sql, checked(sql, values), own ?? {}, settingsOf(own ?? undefined, this.#server.settings));
  }

  /** COPY … FROM STDIN, fed with strings or bytes; resolves with the number of rows. */
  copyFrom(text, source, options) {
    return copyFrom(this, text, source, options);
  }

  /** COPY … TO STDOUT, as buffers. */
  copyTo(text, options) {
    return copyTo(this, text, options);
  }

  /** Whether the server answers within `timeoutMs`. */
  isAlive(timeoutMs) {
    return request((number) => native.pgIsAlive(this.#server.handle, this.#number, number, timeoutMs));
  }

  /** Ends the connection, after the statements under way. */
  close() {
    native.pgDisconnect(this.#server.handle, this.#number);
  }
}

exports.PgConnection = PgConnection;
exports.Server = Server;
exports.checked = checked;
exports.normalized = normalized;
