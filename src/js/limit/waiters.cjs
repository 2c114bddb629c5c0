'use strict';
// The promises of those who wait, and the one timer of a limiter. The native room knows who is due when; here is only
// what it cannot do: resolve, reject and set the timer.

const { native } = require('../addon.cjs');
const { now, TOKENS, LIMIT } = require('./clients.cjs');

/** Refusals as `limitError` knows them. */
const TIMEOUT = -1;
const TOO_DEAR = -2;
const LINE_FULL = -3;
const ABORTED = -4;
const SHUTDOWN = -5;
const STORE_AWAY = -7;

/** An id in a message; ids may be anything, also objects that do not want to be text. */
function textOf(id) {
  try {
    return String(id);
  } catch {
    return 'a client';
  }
}

/** What the limit looks like for a client now: `{ allowed, limit, remaining, retryAfterMs, resetMs }`. */
function stateOf(state, slot, cost) {
  const { clients, numbers } = state;
  const chunk = clients.chunk(slot);
  const place = clients.place(slot);
  const allowed = clients.ask(native.limitState, slot, cost, numbers);
  return {
    allowed,
    limit: chunk[place + LIMIT],
    remaining: numbers[0],
    retryAfterMs: numbers[1],
    resetMs: numbers[2],
  };
}

/** Counts a refusal and gives what it is: an error, or `{ acquired: false }` where that was asked for. */
function refuse(limiter, state, refusal, { id, slot, tokens, waitTime = 0, signal, ...told }) {
  if (refusal !== ABORTED) limiter.stats.deniedRequests += 1;
  const cost = typeof tokens === 'number' ? tokens : NaN;
  const known = slot >= 0 ? stateOf(state, slot, cost) : { remaining: 0, retryAfterMs: Infinity, limit: 0 };
  // A store says more than this process knows.
  const { retryAfterMs = known.retryAfterMs, remaining = known.remaining } = told;
  const limit = Math.min(known.limit, limiter.globalLimit?.rateLimit ?? Infinity);
  const error = native.limitError(refusal, textOf(id), cost, limit);
  Object.assign(error, { retryAfterMs, remaining });
  if (refusal === ABORTED) {
    Object.defineProperty(error, 'name', { value: 'AbortError', configurable: true, writable: true });
    Object.defineProperty(error, 'cause', { value: signal.reason, configurable: true, writable: true });
  }
  const resolved = state.resolveRefused && [TIMEOUT, TOO_DEAR, LINE_FULL, STORE_AWAY].includes(refusal);
  return { error, result: resolved ? { acquired: false, waitTime, retryAfterMs, remaining } : null };
}

/** Settles a waiter that the native room has let go of. */
function fail(limiter, state, ticket, refusal) {
  const waiter = state.waiters.get(ticket);
  if (waiter === undefined) return;
  state.waiters.delete(ticket);
  waiter.release();
  // The balance may be published again now that one less waits.
  state.clients.ask(native.limitSettle, waiter.slot, 0, false);
  const waitTime = Math.round(now() - waiter.since);
  state.waits.add(waitTime);
  const { error, result } = refuse(limiter, state, refusal, { ...waiter, waitTime });
  if (result === null) waiter.reject(error);
  else waiter.resolve(result);
}

/** A promise for tokens. `slot` is the client's. */
function wait(limiter, state, { id, slot, tokens, timeoutMs, signal, weight, priority }) {
  const { clients } = state;
  const cost = typeof tokens === 'number' ? tokens : NaN;
  const from = now();
  const ticket = state.closed ? SHUTDOWN : clients.ask(native.limitEnqueue, slot, cost, timeoutMs, priority, weight);
  if (ticket < 0) {
    const { error, result } = refuse(limiter, state, ticket, { id, slot, tokens });
    return result === null ? Promise.reject(error) : Promise.resolve(result);
  }
  return new Promise((resolve, reject) => {
    const onAbort = () => {
      if (!native.limitCancel(clients.handle, ticket, now())) return;
      fail(limiter, state, ticket, ABORTED);
      // It may have been the one whose turn it was.
      serveTurns(limiter, state);
      arm(limiter, state);
    };
    const release = () => signal?.removeEventListener('abort', onAbort);
    state.waiters.set(ticket, { id, slot, tokens, resolve, reject, release, signal, since: from, queuedAt: Date.now() });
    signal?.addEventListener('abort', onAbort, { once: true });
    arm(limiter, state);
  });
}

/** Serves a client's line while the tokens suffice; with a shared limit, everybody whose turn it is. */
function serve(limiter, state, slot) {
  if (state.shared) {
    // What has changed about the client may have made its head ready.
    state.clients.ask(native.limitSettle, slot, 0, true);
    serveTurns(limiter, state);
  } else {
    while (serveSome(limiter, state, slot) * 2 === state.served.length);
  }
  arm(limiter, state);
}

/** Serves as long as it is somebody's turn for shared tokens that are there. */
function serveTurns(limiter, state) {
  if (!state.shared) return;
  for (;;) {
    const slot = native.limitTurn(state.clients.handle, now());
    if (slot < 0) return;
    serveSome(limiter, state, slot);
  }
}

function serveSome(limiter, state, slot) {
  const { clients, served } = state;
  const count = clients.ask(native.limitServe, slot, 0, served);
  const remaining = Math.floor(clients.chunk(slot)[clients.place(slot) + TOKENS]);
  for (let index = 0; index < count; index += 1) {
    const ticket = served[index * 2];
    const waiter = state.waiters.get(ticket);
    if (waiter === undefined) {
      // A reservation, whose time has come.
      state.reserved.delete(ticket);
      continue;
    }
    state.waiters.delete(ticket);
    waiter.release();
    state.waits.add(served[index * 2 + 1]);
    limiter.stats.allowedRequests += 1;
    waiter.resolve({ acquired: true, waitTime: served[index * 2 + 1], retryAfterMs: 0, remaining });
  }
  return count;
}

/** Keeps the timer at the earliest thing due; there is none while nobody waits. Reservations keep no process alive. */
function arm(limiter, state) {
  const time = now();
  const idle = state.waiters.size === 0 && state.reserved.size === 0;
  const ms = idle ? -1 : native.limitNext(state.clients.handle, time);
  if (!(ms >= 0 && state.timer !== null && state.timerAt <= time + ms)) {
    if (state.timer !== null) clearTimeout(state.timer);
    state.timer = ms < 0 ? null : setTimeout(onTimer, Math.ceil(ms), limiter, state);
    state.timerAt = time + ms;
  }
  if (state.reserved.size === 0) return;
  if (state.waiters.size === 0) state.timer?.unref?.();
  else state.timer?.ref?.();
}

function onTimer(limiter, state) {
  const { clients, events } = state;
  state.timer = null;
  try {
    const due = native.limitDue(clients.handle, now(), events);
    // Copied: an overridden processQueue may come back here.
    for (const slot of events.slice(0, due)) limiter.processQueue(clients.idOf(slot));
    const expired = native.limitExpired(clients.handle, now(), events);
    for (const ticket of events.slice(0, expired)) fail(limiter, state, ticket, TIMEOUT);
    serveTurns(limiter, state);
  } finally {
    arm(limiter, state);
  }
}

/** Rejects everybody; the native room has forgotten them. */
function rejectAll(limiter, state) {
  if (state.timer !== null) clearTimeout(state.timer);
  state.timer = null;
  state.reserved.clear();
  for (const ticket of [...state.waiters.keys()]) fail(limiter, state, ticket, SHUTDOWN);
}

/** The waiters of a slot in arrival order, as entries of the original's queue. */
function waitersOf(state, slot) {
  if (slot < 0) return [];
  return [...state.waiters.values()]
    .filter((waiter) => waiter.slot === slot)
    .map(({ tokens, resolve, reject, queuedAt }) => ({ tokens, resolve, reject, timeout: state.timer, queuedAt }));
}

module.exports = { arm, refuse, rejectAll, serve, serveTurns, stateOf, textOf, wait, waitersOf, ABORTED, SHUTDOWN };
