'use strict';
// ConnectionPool: the class. The native state machine decides, `../pool/engine.cjs` does what it asks for.
const { inspect } = require('node:util');
const { native } = require('../addon.cjs');
const { observed, queries } = require('../pool/observed.cjs');
const { addressOf } = require('../pool/address.cjs');
const { Lanes } = require('../pool/lanes.cjs');
const { watchLeaks } = require('../pool/leaks.cjs');
const { Timed, statsOf } = require('../pool/timed.cjs');
const { enroll } = require('../metrics/members.cjs');
const { Listening } = require('../pool/listening.cjs');
const { countdown, limitsOf } = require('../pool/limit.cjs');
const { PgConnection, Server, checked, normalized } = require('../pool/postgres.cjs');
const { Rows } = require('../pool/rows.cjs');
const { settingsOf } = require('../pool/settings.cjs');
const { rollback, transaction } = require('../pool/transaction.cjs');
const engine = require('../pool/engine.cjs');

const { NONE, NOTHING, STATE, acquireWith, fail, flush, giveBack, onConnection, perform, releaseTwin, taken, topUp, wait } = engine;
const OPTIONS = [
  'minConnections',
  'maxConnections',
  'connectionTimeout',
  'idleTimeout',
  'maxRetries',
  'validateAfterIdleMs',
  'maxLifetimeMs',
  'maxWaiting',
];
const STATS = ['created', 'acquired', 'released', 'failures', 'activeCount'];

function pick(object, names) {
  return Object.fromEntries(names.map((name) => [name, object[name]]));
}

/** A whole number or nothing, for options that only this face knows. */
function countOf(options, name, most) {
  const value = options[name];
  if (!value) return 0;
  if (typeof value === 'number' && value > 0 && value <= most) return value;
  const shown = typeof value === 'string' ? JSON.stringify(value) : String(value);
  throw new RangeError(`option "${name}" must be a number from 1 to ${most}, got ${shown}`);
}

function sourceOf(options, hooked) {
  const { factory, connectionString, postgres } = options;
  if (factory != null) {
    const optional = (name) => factory[name] === undefined || typeof factory[name] === 'function';
    const good = typeof factory === 'object' && typeof factory.create === 'function' && optional('test') && optional('close');
    if (!good) throw fail('badFactory');
    return { source: 'factory', factory };
  }
  const address = connectionString || (postgres ? process.env.DATABASE_URL : undefined);
  if (address !== undefined && address !== null && address !== false && address !== '') {
    if (typeof address !== 'string') throw new TypeError('option "connectionString" must be a string');
    return { source: 'postgres', address };
  }
  const { PGHOST, PGDATABASE } = process.env;
  // A subclass that makes its own connections may have these options for itself.
  if (typeof options.host === 'string' && options.host !== '' && !hooked) return { source: 'postgres' };
  if (postgres && (PGHOST || PGDATABASE)) return { source: 'postgres' };
  if (postgres) throw fail('noConnectionString');
  return { source: 'placeholder' };
}

/** `work`, on connections that have the method it needs. */
function needing(work, method) {
  return (conn) => {
    if (typeof conn?.[method] !== 'function') throw fail('noQuery');
    return work(conn);
  };
}

class ConnectionPool {
  constructor(options = {}) {
    if (options === null || typeof options !== 'object') throw new TypeError('options must be an object');
    const hooked = this.createConnection !== ConnectionPool.prototype.createConnection;
    const { source, factory, address } = sourceOf(options, hooked);
    const testable = source === 'postgres' || typeof factory?.test === 'function';
    const handle = native.poolOpen(options, testable);
    const timed = new Timed();
    enroll('ConnectionPool', this, options, { handle, timed }, native.poolClose);
    const state = {
      handle,
      timed,
      source,
      testable,
      factory,
      server: undefined,
      initialized: false,
      initializing: undefined,
      draining: undefined,
      allReturned: undefined,
      /** Slot → `{ conn, slot, createdAt, handed }` */
      items: [],
      /** Connection → slot */
      slots: new Map(),
      /** Number → `{ resolve, reject, timeout, forget, start }`, oldest first */
      waiters: new Map(),
      /** The item lent last, which is often the next to come back. */
      lastLent: NOTHING,
      /** The slot that came back and is not reported yet. */
      returned: NONE,
      /** Whether that one was lent for certain; a connection may be released twice. */
      lent: false,
      /** Whether that may be put off. */
      lazy: true,
      /** Whether it may be lent again without asking: nothing is tested, and nothing grows old. */
      ageless: true,
      /** No slot below this one is idle; the lowest idle one is lent first. */
      floor: 0,
      /** Slot → timer of the creation under way */
      creations: new Map(),
      closing: Promise.resolve(),
      lastCreation: undefined,
      lastError: undefined,
      reaper: undefined,
      failFast: options.failFast === true,
      leaks: watchLeaks(countOf(options, 'leakThresholdMs', 2 ** 31 - 1)),
      lanes: undefined,
      sessionless: false,
      listening: undefined,
      options: pick(native.poolStats(handle), OPTIONS),
    };
    state.lazy = state.options.validateAfterIdleMs === 0;
    state.ageless = state.options.maxLifetimeMs === 0;
    Object.defineProperty(this, STATE, { value: state });
    if (source !== 'postgres') return;
    state.server = new Server(addressOf(options, address), state.options.connectionTimeout, options.types);
    const lanes = countOf(options, 'pipelineConnections', 100);
    // A pooler that changes sessions between statements takes one at a time.
    state.sessionless = options.preparedStatements === false;
    if (lanes > 0 && !state.sessionless) state.lanes = new Lanes(lanes, () => this.acquire(), (conn) => this.release(conn));
  }

  initialize() {
    const state = this[STATE];
    if (state.initialized) return Promise.resolve();
    state.initializing ??= engine.fill(this).finally(() => {
      state.initializing = undefined;
    });
    return state.initializing;
  }

  async acquire(options) {
    const state = this[STATE];
    if (state.leaks !== undefined) return state.leaks.watch(() => acquireWith(this, options));
    if (!state.initialized || options !== undefined) return acquireWith(this, options);
    const { returned } = state;
    let slot;
    if (returned === NONE) {
      slot = native.poolAcquire(state.handle);
    } else {
      state.returned = NONE;
      if (state.lent && returned <= state.floor && state.ageless) {
        state.timed.relent += 1;
        return (state.lastLent = state.items[returned]).conn;
      }
      slot = native.poolExchange(state.handle, returned);
    }
    if (slot >= 0) {
      state.floor = slot;
      const item = state.items[slot];
      state.lastLent = item;
      return item.conn;
    }
    return taken(await wait(this, -slot, state.options.connectionTimeout));
  }

  release(conn) {
    const state = this[STATE];
    const { lastLent } = state;
    const known = lastLent.conn === conn;
    const slot = known ? lastLent.slot : state.slots.get(conn);
    if (slot === undefined) return;
    if (known) state.lastLent = NOTHING;
    else if (state.items[slot].handed) {
      releaseTwin(this, conn, slot);
      return;
    }
    state.leaks?.forget(conn);
    if (state.returned !== NONE) flush(this);
    // Nobody waits for it and nothing depends on when it came back: the next borrow reports it.
    if (state.lazy && state.waiters.size === 0) {
      state.returned = slot;
      state.lent = known;
    } else giveBack(this, conn, slot);
  }

  async withConnection(fn) {
    if (typeof fn !== 'function') throw new TypeError('withConnection needs a function');
    const conn = await this.acquire();
    try {
      return await fn(conn);
    } finally {
      this.release(conn);
    }
  }

  async query(text, params, options) {
    const { lanes, server } = this[STATE];
    const own = options ?? (text !== null && typeof text === 'object' ? text : undefined);
    const limits = limitsOf(own);
    const run = () => this[STATE].timed.query(() => {
      if (lanes !== undefined && limits === undefined) {
        const [sql, values] = normalized(text, params);
        return lanes.query(sql, checked(sql, values), settingsOf(own, server.settings));
      }
      // The wait for the connection is a part of the time.
      const rest = countdown(own, limits);
      const work = (conn) => {
        if (typeof conn.query !== 'function') throw fail('noQuery');
        return own === undefined ? conn.query(text, params) : conn.query(text, params, rest());
      };
      return onConnection(this, work, own);
    });
    return queries.hasSubscribers ? observed(text, run) : run();
  }

  async queryBatch(statements, options) {
    const list = Array.from(statements);
    const limits = limitsOf(options);
    if (list.length === 0) return [];
    const rest = limits === undefined ? undefined : countdown(options, limits);
    const work = async (conn) => {
      if (typeof conn.queryBatch !== 'function') return engine.oneByOne(conn, list, rest);
      const results = await (rest === undefined ? conn.queryBatch(list) : conn.queryBatch(list, rest()));
      const unsent = results.find(({ error }) => error?.unsent === true);
      if (unsent !== undefined) throw unsent.error;
      return results;
    };
    const run = () => onConnection(this, work, options);
    return queries.hasSubscribers ? observed('BATCH', run) : run();
  }

  /** Runs `fn` in a transaction: `{ isolation, readOnly, deferrable, retries, signal, timeoutMs }`. */
  async transaction(fn, options) {
    const lend = (work, limits) => onConnection(this, needing(work, 'queryBatch'), limits);
    const run = () => transaction(lend, fn, options);
    return queries.hasSubscribers ? observed('BEGIN', run) : run();
  }

  /** A connection for work with these options, and the options with what is left of their time. */
  async #lend(options) {
    const limits = limitsOf(options);
    const rest = countdown(options, limits);
    return { conn: await (limits === undefined ? this.acquire() : this.acquire(limits)), rest };
  }

  /** The rows of a statement, one by one, read as they are wanted. */
  stream(text, params, options) {
    return new Rows(this.#batches(text, params, options));
  }

  async *#batches(text, params, options) {
    const { conn, rest } = await this.#lend(options ?? (text !== null && typeof text === 'object' ? text : undefined));
    try {
      yield* Rows.batchesOf(needing((it) => it.stream(text, params, rest()), 'stream')(conn));
    } finally {
      this.release(conn);
    }
  }

  /** COPY … FROM STDIN, fed with strings or bytes; resolves with the number of rows. */
  async copyFrom(text, source, options) {
    if (this[STATE].sessionless) return this.transaction((tx) => tx.copyFrom(text, source), options);
    const { conn, rest } = await this.#lend(options);
    try {
      return await needing((it) => it.copyFrom(text, source, rest()), 'copyFrom')(conn);
    } finally {
      this.release(conn);
    }
  }

  /** COPY … TO STDOUT, as buffers. */
  async *copyTo(text, options) {
    const { conn, rest } = await this.#lend(options);
    const { sessionless } = this[STATE];
    try {
      // COPY goes to the session in which it was prepared.
      if (sessionless) await conn.query('BEGIN');
      yield* needing((it) => it.copyTo(text, rest()), 'copyTo')(conn);
    } finally {
      if (sessionless) await rollback(conn);
      this.release(conn);
    }
  }

  /** Looks at a statement now, to run it later: `{ text, parameters, fields, query(params, options) }`. */
  async prepare(text) {
    const described = await onConnection(this, needing((conn) => conn.describe(text), 'describe'));
    return { text, ...described, query: (params, options) => this.query(text, params, options) };
  }

  /** Calls back for each notification of a channel, over a connection of its own: `{ channel, unlisten() }`. */
  async listen(channel, callback, options) {
    const state = this[STATE];
    if (state.server === undefined) throw fail('noQuery');
    state.listening ??= new Listening(state.server);
    return state.listening.add(channel, callback, options);
  }

  async healthCheck() {
    const state = this[STATE];
    flush(this);
    let healthy = 0;
    let unhealthy = 0;
    for (const item of state.items.filter(Boolean)) {
      if (await engine.passes(this, item.conn)) {
        healthy += 1;
        continue;
      }
      unhealthy += 1;
      flush(this);
      if (state.items[item.slot] === item && native.poolUnhealthy(state.handle, item.slot)) perform(this);
    }
    for (;;) {
      const creation = topUp(this, true);
      if (creation === undefined || (await creation) !== undefined) break;
    }
    return { healthy, unhealthy, total: native.poolStats(state.handle).poolSize };
  }

  getStats() {
    flush(this);
    return statsOf(this[STATE]);
  }

  drain(options) {
    const state = this[STATE];
    state.draining ??= engine.drain(this, options).finally(() => {
      state.draining = undefined;
    });
    return state.draining;
  }

  async createConnection() {
    const { source, factory, server } = this[STATE];
    if (source === 'factory') return factory.create();
    if (source === 'postgres') return server.connect();
    return { id: Math.random().toString(36).slice(2) };
  }

  async testConnection(conn) {
    const { factory, options } = this[STATE];
    if (factory !== undefined) return factory.test === undefined ? true : factory.test(conn);
    return conn instanceof PgConnection ? conn.isAlive(options.connectionTimeout) : true;
  }

  async closeConnection(conn) {
    const { factory } = this[STATE];
    if (factory !== undefined) return factory.close === undefined ? true : factory.close(conn);
    if (conn instanceof PgConnection) conn.close();
    return true;
  }

  get connections() {
    flush(this);
    const { items, handle } = this[STATE];
    return items
      .filter(Boolean)
      .map(({ conn, slot, createdAt }) => ({ conn, acquired: native.poolIsActive(handle, slot), createdAt }));
  }

  get activeConnections() {
    return new Set(this.connections.filter(({ acquired }) => acquired).map(({ conn }) => conn));
  }

  get waitingQueue() {
    return [...this[STATE].waiters.values()].map(({ resolve, reject, timeout }) => ({ resolve, reject, timeout }));
  }

  get stats() {
    flush(this);
    return pick(statsOf(this[STATE]), STATS);
  }

  get initialized() {
    return this[STATE].initialized;
  }

  set initialized(value) {
    this[STATE].initialized = Boolean(value);
  }

  toJSON() {
    return { ...this[STATE].options, initialized: this.initialized, stats: this.stats };
  }

  [inspect.custom](_depth, options) {
    return `ConnectionPool ${inspect(this.toJSON(), options)}`;
  }
}

for (const name of OPTIONS) {
  Object.defineProperty(ConnectionPool.prototype, name, {
    configurable: true,
    get() {
      return this[STATE].options[name];
    },
    set(value) {
      const state = this[STATE];
      flush(this);
      native.poolConfigure(state.handle, { ...state.options, [name]: value }, state.testable);
      state.options = pick(native.poolStats(state.handle), OPTIONS);
      state.lazy &&= state.options.validateAfterIdleMs === 0;
      state.ageless = state.options.maxLifetimeMs === 0;
      perform(this);
    },
  });
}

exports.ConnectionPool = ConnectionPool;
exports.default = ConnectionPool;
Object.defineProperty(exports, '__esModule', { value: true });
