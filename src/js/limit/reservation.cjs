'use strict';
// A promise of tokens for a time to come. The native room knows the line; here is the object the caller holds.

const { native } = require('../addon.cjs');
const { now } = require('./clients.cjs');
const { arm, refuse, serveTurns, SHUTDOWN } = require('./waiters.cjs');

/** What a caller holds of a reservation. */
class Reservation {
  #cancel;
  /** @param {number} waitMs until it may come @param {number} at when that is, ms since the epoch */
  constructor(waitMs, at, cancel) {
    this.waitMs = waitMs;
    this.at = at;
    this.#cancel = cancel;
  }

  /** Gives the tokens back, if its time has not come; says whether it did. */
  cancel() {
    const cancelled = this.#cancel?.() ?? false;
    this.#cancel = undefined;
    return cancelled;
  }
}

/** A reservation from now on, which `giveBack` undoes until its time has come. */
function promise(limiter, state, waitMs, giveBack) {
  limiter.stats.allowedRequests += 1;
  const at = Date.now() + waitMs;
  const comes = now() + waitMs;
  if (waitMs === 0) return new Reservation(waitMs, at, undefined);
  return new Reservation(waitMs, at, () => {
    if (now() >= comes || state.closed || !giveBack()) return false;
    limiter.stats.allowedRequests -= 1;
    return true;
  });
}

/** Gives a place in line back, or the tokens, when those in front left and it was served before its time. */
function leaveLine(limiter, state, { id, slot, cost, ticket }) {
  const { clients } = state;
  if (state.reserved.delete(ticket)) {
    native.limitCancel(clients.handle, ticket, now());
    // The balance may be published again now that one less waits.
    clients.ask(native.limitSettle, slot, 0, false);
    arm(limiter, state);
  } else {
    limiter.reward(id, cost);
  }
  return true;
}

/** Gives a turn for shared tokens back. */
function leaveTurn(limiter, state, { id, cost }) {
  const slot = state.clients.find(id);
  if (slot < 0 || !state.clients.ask(native.limitCancelTurn, slot, cost)) return false;
  serveTurns(limiter, state);
  arm(limiter, state);
  return true;
}

/** Reserves, or throws what a refused `acquire` rejects with. */
function reserve(limiter, state, { id, slot, tokens, maxWaitMs, weight }) {
  const { clients, numbers } = state;
  const cost = typeof tokens === 'number' ? tokens : NaN;
  limiter.stats.totalRequests += 1;
  const ticket = state.closed ? SHUTDOWN : clients.ask(native.limitReserve, slot, cost, maxWaitMs, numbers, weight);
  if (ticket < 0) throw refuse(limiter, state, ticket, { id, slot, tokens }).error;
  const [waitMs] = numbers;
  const held = { id, slot, cost, ticket };
  if (state.shared) {
    // The timer counts on tokens that are gone.
    arm(limiter, state);
    return promise(limiter, state, waitMs, () => leaveTurn(limiter, state, held));
  }
  if (ticket > 0) {
    state.reserved.add(ticket);
    arm(limiter, state);
  }
  return promise(limiter, state, waitMs, () => leaveLine(limiter, state, held));
}

/** The same of a bucket that other processes share. */
async function reserveStore(limiter, state, { id, slot, tokens, maxWaitMs }) {
  limiter.stats.totalRequests += 1;
  const wrong = typeof tokens === 'number' && tokens >= 0 ? 0 : -6;
  const answer = state.closed ? SHUTDOWN : wrong || (await state.store.reserve(id, tokens, maxWaitMs));
  if (answer < 0) throw refuse(limiter, state, answer, { id, slot, tokens }).error;
  return promise(limiter, state, answer, () => {
    limiter.reward(id, tokens);
    return true;
  });
}

module.exports = { reserve, reserveStore };
