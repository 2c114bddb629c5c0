'use strict';
// A client's balance from outside: looked at, filled, added to and taken from.

const { native } = require('../addon.cjs');
const { slotFor } = require('./taking.cjs');
const { arm, stateOf } = require('./waiters.cjs');

/** A number of tokens to add or take away. */
function amount(tokens) {
  if (typeof tokens === 'number' && tokens >= 0) return tokens;
  throw native.limitError(-6, '', 0, 0);
}

/** Adds to a bucket, takes from it, or with NaN fills it; says what it looks like now. */
function adjust(limiter, state, id, by) {
  const { clients } = state;
  const slot = slotFor(limiter, state, id);
  state.clients.ask(native.limitAdjust, slot, by);
  arm(limiter, state);
  return stateOf(state, slot, 1);
}

/** What the limit looks like for a client, without making it known. */
function peek(limiter, state, clientId, tokens) {
  const slot = state.clients.find(clientId);
  const cost = typeof tokens === 'number' ? tokens : NaN;
  if (slot >= 0) return stateOf(state, slot, cost);
  if (state.store !== null) {
    // Nobody knows better than the store; as far as is known here the bucket is full.
    const [limit] = state.store.termsOf(clientId);
    const allowed = cost >= 0 && cost <= limit;
    return { allowed, limit, remaining: Math.floor(limit), retryAfterMs: allowed ? 0 : Infinity, resetMs: 0 };
  }
  // The slot of nobody: a full bucket to look at.
  const [limit, rate] = state.clients.rules?.find(clientId) ?? [limiter.rateLimit, limiter.refillRate];
  const nobody = state.clients.borrow(limit, rate);
  const info = stateOf(state, nobody, cost);
  state.clients.giveBack(nobody);
  return info;
}

module.exports = { adjust, amount, peek };
