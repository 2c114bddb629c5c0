'use strict';
// A promise of tokens for a time to come. The native room knows the line; here is the object the caller holds.

const { native } = require('../addon.cjs');
const { now } = require('./clients.cjs');
const { arm, refuse, SHUTDOWN } = require('./waiters.cjs');

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

/** Reserves, or throws what a refused `acquire` rejects with. */
function reserve(limiter, state, { id, slot, tokens, maxWaitMs }) {
  const { clients, numbers } = state;
  const cost = typeof tokens === 'number' ? tokens : NaN;
  limiter.stats.totalRequests += 1;
  const from = now();
  const ticket = state.closed ? SHUTDOWN : clients.ask(native.limitReserve, slot, cost, maxWaitMs, numbers);
  if (ticket < 0) throw refuse(limiter, state, ticket, { id, slot, tokens }).error;
  limiter.stats.allowedRequests += 1;
  const waitMs = ticket === 0 ? 0 : numbers[0];
  const at = Date.now() + waitMs;
  if (ticket === 0) return new Reservation(waitMs, at, undefined);
  state.reserved.add(ticket);
  arm(limiter, state);
  return new Reservation(waitMs, at, () => {
    if (now() >= from + waitMs || state.closed) return false;
    limiter.stats.allowedRequests -= 1;
    if (state.reserved.delete(ticket)) {
      native.limitCancel(clients.handle, ticket, now());
      // The balance may be published again now that one less waits.
      clients.ask(native.limitSettle, slot, 0, false);
      arm(limiter, state);
    } else {
      // Those in front left, so it was served before its time.
      limiter.reward(id, cost);
    }
    return true;
  });
}

exports.reserve = reserve;
