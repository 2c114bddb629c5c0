'use strict';
// What a pool does for its state machine: make, test, close and hand over connections, and keep its promises.
// The state lies under `STATE` on the pool; hooks are called through the pool, so that overriding them takes effect.
const { native } = require('../addon.cjs');
const { limitsOf } = require('./limit.cjs');
const { PgConnection } = require('./postgres.cjs');
const { interruptible, onAbort, within } = require('./waiting.cjs');

const STATE = Symbol('state');
/** What `poolNext` can ask for. */
const CREATE = 1;
const TEST = 2;
const CLOSE = 3;
const SERVE = 4;
const DRAINED = 5;
/** No slot. */
const NONE = -1;
/** The item of nothing; no caller has its connection. */
const NOTHING = Object.freeze({ conn: Symbol('nothing'), slot: undefined, createdAt: 0, handed: false });
/** The numbers of a command. */
const NUMBERS = new Float64Array(2);

function fail(name, detail = '', cause = undefined) {
  const error = native.poolError(name, detail);
  if (cause !== undefined) Object.defineProperty(error, 'cause', { value: cause, configurable: true, writable: true });
  return error;
}

function messageOf(error) {
  try {
    return String(error instanceof Error ? error.message : error);
  } catch {
    return 'unknown error';
  }
}

const createFailed = (cause) => fail('createFailed', messageOf(cause), cause);

/** Does what the state machine asks for. */
function perform(pool) {
  const state = pool[STATE];
  for (;;) {
    const kind = native.poolNext(state.handle, NUMBERS);
    if (kind === 0) return;
    const first = NUMBERS[0];
    const second = NUMBERS[1];
    if (kind === CREATE) state.lastCreation = create(pool, first, second);
    else if (kind === TEST) test(pool, first, second);
    else if (kind === CLOSE) close(pool, first);
    else if (kind === SERVE) serve(state, first, second);
    else takeWaiter(state, first).reject(kind === DRAINED ? fail('drained') : createFailed(state.lastError));
  }
}

/** A connection is on its way to a waiter: until he has it in hand, a release of it is somebody's second one. */
function serve(state, slot, number) {
  const item = state.items[slot];
  item.handed = true;
  takeWaiter(state, number).resolve(item);
}

/** The connection that a waiter was served. */
function taken(item) {
  item.handed = false;
  return item.conn;
}

function takeWaiter(state, number) {
  const waiter = state.waiters.get(number);
  state.waiters.delete(number);
  clearTimeout(waiter.timeout);
  waiter.forget?.();
  state.timed.waits.add(performance.now() - waiter.start);
  return waiter;
}

/** Makes the connection of a slot, again if told so. Resolves with the error when it was given up. */
async function create(pool, slot, epoch) {
  const state = pool[STATE];
  for (;;) {
    let conn;
    let failure;
    try {
      const make = () => pool.createConnection();
      const limit = state.options.connectionTimeout;
      const unwanted = (late) => dispose(pool, late);
      conn = await within(make, limit, () => fail('createTimeout'), unwanted, (timer) => state.creations.set(slot, timer));
      if (!conn) throw fail('noConnection');
    } catch (error) {
      failure = { error };
    }
    state.creations.delete(slot);
    if (failure === undefined) {
      if (!native.poolCreated(state.handle, slot, epoch)) {
        dispose(pool, conn);
        return fail('drained');
      }
      state.items[slot] = { conn, slot, createdAt: Date.now(), handed: false };
      if (state.slots.has(conn)) state.lazy = false;
      state.floor = 0;
      state.slots.set(conn, slot);
      perform(pool);
      reap(pool);
      return undefined;
    }
    state.lastError = failure.error;
    const retryable = state.source !== 'postgres' || failure.error?.retryable === true;
    const delay = native.poolCreateFailed(state.handle, slot, epoch, retryable);
    if (delay >= 0) await new Promise((resolve) => setTimeout(resolve, delay));
    if (delay < 0 || !native.poolRetryDue(state.handle, slot, epoch)) {
      perform(pool);
      return failure.error;
    }
  }
}

/** Whether the connection passes its test: `false`, an error or silence is a failure. */
async function passes(pool, conn) {
  try {
    const { connectionTimeout } = pool[STATE].options;
    return (await within(() => pool.testConnection(conn), connectionTimeout, () => fail('createTimeout'))) !== false;
  } catch {
    return false;
  }
}

async function test(pool, slot, epoch) {
  const state = pool[STATE];
  const healthy = await passes(pool, state.items[slot].conn);
  native.poolTested(state.handle, slot, epoch, healthy);
  perform(pool);
}

function close(pool, slot) {
  const state = pool[STATE];
  const { conn } = state.items[slot];
  state.items[slot] = undefined;
  state.lastLent = NOTHING;
  if (state.slots.get(conn) === slot) state.slots.delete(conn);
  state.closing = state.closing.then(() => dispose(pool, conn));
  if (state.allReturned !== undefined && native.poolStats(state.handle).activeCount === 0) state.allReturned();
}

/** Closes a connection that no slot holds any more. Never rejects. */
async function dispose(pool, conn) {
  if (!conn) return;
  try {
    await within(() => pool.closeConnection(conn), pool[STATE].options.connectionTimeout, () => fail('createTimeout'));
  } catch {
    // A connection that cannot be closed is left to its own end.
  }
}

/** Closes what has been idle for too long, and comes back when there may be more. */
function reap(pool) {
  const state = pool[STATE];
  flush(pool);
  clearTimeout(state.reaper);
  state.reaper = undefined;
  const delay = native.poolReap(state.handle);
  perform(pool);
  if (delay < 0) return;
  const weak = new WeakRef(pool);
  state.reaper = setTimeout(() => {
    const alive = weak.deref();
    if (alive !== undefined) reap(alive);
  }, delay);
  state.reaper.unref?.();
  // What came to the end of its lifetime is replaced.
  while (state.initialized && topUp(pool, true) !== undefined);
}

/** Has one connection made if there are fewer than the minimum; resolves with its error. */
function topUp(pool, again) {
  const state = pool[STATE];
  if (!native.poolTopUp(state.handle, again)) return undefined;
  perform(pool);
  return state.lastCreation;
}

async function fill(pool) {
  for (;;) {
    if (pool[STATE].draining !== undefined) return;
    const creation = topUp(pool, false);
    if (creation === undefined) break;
    // The next borrow tries again, and tells its caller.
    const failure = await creation;
    if (failure !== undefined) {
      if (pool[STATE].failFast) throw createFailed(failure);
      return;
    }
  }
  pool[STATE].initialized = true;
}

/** The item with the connection for a waiter, within `ms`; `answer` as `poolAcquire` gives it, but positive. */
function wait(pool, answer, ms, signal) {
  const state = pool[STATE];
  if (answer === Infinity) {
    perform(pool);
    return Promise.reject(fail('tooManyWaiting'));
  }
  const pending = answer % 2;
  const number = (answer - pending) / 2;
  return new Promise((resolve, reject) => {
    const giveUp = (timedOut, error) => {
      if (!native.poolCancel(state.handle, number, timedOut)) return;
      takeWaiter(state, number);
      reject(error());
    };
    const timeout = setTimeout(() => giveUp(true, () => fail('timeout', '', state.lastError)), ms);
    const waiter = { resolve, reject, timeout, forget: undefined, start: performance.now() };
    state.waiters.set(number, waiter);
    if (signal !== undefined) waiter.forget = onAbort(signal, () => giveUp(false, () => fail('aborted', '', signal.reason)));
    if (pending === 1) perform(pool);
  });
}

async function acquireWith(pool, options) {
  const state = pool[STATE];
  const ms = native.poolWait(state.handle, options);
  const signal = options?.signal ?? undefined;
  if (signal !== undefined && typeof signal.addEventListener !== 'function') {
    throw new TypeError('option "signal" must be an AbortSignal');
  }
  const aborted = () => fail('aborted', '', signal.reason);
  if (signal?.aborted) throw aborted();
  const start = performance.now();
  let left = ms;
  if (!state.initialized) {
    const late = () => fail('timeout', '', state.lastError);
    if (options === undefined) await pool.initialize();
    else await interruptible(pool.initialize(), ms, signal, late, aborted);
    // A first filling that worked does not count as waiting, unless the caller set the limit.
    if (!state.initialized || options !== undefined) left = ms - (performance.now() - start);
    if (!state.initialized && left <= 0) throw createFailed(state.lastError);
  }
  flush(pool);
  const slot = native.poolAcquire(state.handle);
  return slot >= 0 ? state.items[slot].conn : taken(await wait(pool, -slot, Math.max(left, 1), signal));
}

function giveBack(pool, conn, slot) {
  const state = pool[STATE];
  const { source, handle } = state;
  state.floor = 0;
  if (source === 'postgres' && conn.ending !== undefined) {
    // An abandoned statement still runs: until it has ended, nobody else gets the connection.
    if (conn.returning) return;
    conn.returning = true;
    conn.ending.then(() => {
      conn.returning = false;
      giveBack(pool, conn, slot);
    });
    return;
  }
  const lost = source === 'postgres' && conn instanceof PgConnection && conn.lost;
  const released = lost ? native.poolDiscard(handle, slot) : native.poolRelease(handle, slot);
  follow(pool, conn, slot, released);
}

/** Does what a release leads to. */
function follow(pool, conn, slot, released) {
  if (released > 1) serve(pool[STATE], slot, released - 1);
  else if (released === 1) perform(pool);
  else if (released === -1) releaseTwin(pool, conn, slot);
}

/** Reports a connection that came back, before the state machine is asked for anything else. */
function flush(pool) {
  const state = pool[STATE];
  const { returned } = state;
  if (returned === NONE) return;
  state.returned = NONE;
  giveBack(pool, state.items[returned].conn, returned);
}

/** The same object may stand in several slots; whichever is borrowed is meant. */
function releaseTwin(pool, conn, known) {
  const state = pool[STATE];
  for (const item of state.items) {
    if (item === undefined || item.conn !== conn || item.slot === known || item.handed) continue;
    const released = native.poolRelease(state.handle, item.slot);
    if (released === -1) continue;
    follow(pool, conn, item.slot, released);
    return;
  }
}

/**
 * Runs `work` on a connection; once more on another one, when nothing was sent because this one was closed. `options`
 * may limit the wait.
 */
async function onConnection(pool, work, options) {
  const limits = limitsOf(options);
  for (let attempt = 0; ; attempt += 1) {
    const conn = await (limits === undefined ? pool.acquire() : pool.acquire(limits));
    try {
      return await work(conn);
    } catch (error) {
      if (error?.unsent !== true || !(conn instanceof PgConnection) || attempt > pool.maxConnections) throw error;
    } finally {
      pool.release(conn);
    }
  }
}

async function oneByOne(conn, statements, options) {
  if (typeof conn.query !== 'function') throw fail('noQuery');
  const results = [];
  for (const statement of statements) {
    try {
      const { text, params } = typeof statement === 'string' ? { text: statement } : statement;
      const value = options === undefined ? await conn.query(text, params) : await conn.query(text, params, options());
      results.push({ value });
    } catch (error) {
      results.push({ error });
    }
  }
  return results;
}

async function drain(pool, options) {
  const state = pool[STATE];
  const gently = options?.timeoutMs != null;
  const ms = native.poolWait(state.handle, options);
  const { lazy } = state;
  flush(pool);
  state.listening?.close();
  state.listening = undefined;
  state.lazy = false;
  state.initialized = false;
  // Nobody waits for these any more.
  for (const timer of state.creations.values()) timer.unref?.();
  native.poolDrain(state.handle, gently);
  perform(pool);
  if (gently && native.poolStats(state.handle).activeCount > 0) {
    const returned = new Promise((resolve) => {
      state.allReturned = resolve;
    });
    await within(() => returned, ms, () => fail('timeout')).catch(() => {});
    state.allReturned = undefined;
    native.poolDrain(state.handle, false);
    perform(pool);
  }
  clearTimeout(state.reaper);
  state.reaper = undefined;
  // Closings may be added while others are waited for.
  for (let seen; seen !== state.closing; ) {
    seen = state.closing;
    await seen;
  }
  state.lazy = lazy;
  native.poolDrained(state.handle);
  perform(pool);
}

exports.NONE = NONE;
exports.NOTHING = NOTHING;
exports.STATE = STATE;
exports.acquireWith = acquireWith;
exports.drain = drain;
exports.fail = fail;
exports.fill = fill;
exports.flush = flush;
exports.giveBack = giveBack;
exports.onConnection = onConnection;
exports.oneByOne = oneByOne;
exports.passes = passes;
exports.perform = perform;
exports.releaseTwin = releaseTwin;
exports.taken = taken;
exports.topUp = topUp;
exports.wait = wait;
