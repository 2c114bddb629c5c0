'use strict';
// Taking tokens of a client's bucket: from the balance that the native room has published, or by asking it.

const { native } = require('../addon.cjs');
const { now, TOKENS, FAST, LIMIT, LAST_ACCESS, FLOOR, TICK, ENDS } = require('./clients.cjs');
const { watch } = require('./idle.cjs');
const { slotOfBucket } = require('./views.cjs');

const DENIED = 0;
const ALLOWED = 1;
const INVALID = -1;

/** The client's slot; a new one gets a full bucket. */
function slotFor(limiter, state, id) {
  const slot = state.clients.find(id);
  if (slot >= 0) return slot;
  const added = state.clients.add(id, limiter.rateLimit, limiter.refillRate);
  watch(limiter, state);
  return added;
}

/** Asks the native room; `inTurn` stands behind those who wait. */
function ask(state, slot, cost, inTurn, time, priority) {
  const { clients } = state;
  const desk = clients.lay(slot, time, typeof cost === 'number' ? cost : NaN);
  const verdict = inTurn ? native.limitTakeInTurn(clients.handle, desk, priority) : native.limitTake(clients.handle, desk);
  clients.keep(slot);
  state.numbers[0] = desk[TOKENS];
  return verdict;
}

/** ALLOWED, DENIED or INVALID; the balance left is in `numbers[0]`. */
function take(limiter, state, id, cost, inTurn, priority) {
  // First of all: reading the clock waits for all loads before it, and those that follow are slow with many clients.
  const time = now();
  const { clients } = state;
  const { window } = clients;
  const slot = clients.find(id);
  if (time >= window[ENDS]) clients.readWindow();
  if (slot < 0) return ask(state, slotFor(limiter, state, id), cost, inTurn, time, priority);
  const chunk = clients.chunk(slot);
  const place = clients.place(slot);
  const tick = window[TICK];
  const settled = chunk[place + FAST];
  if (settled !== tick) {
    // Published for an earlier tick (not for none): from the floor on, the refills since then have filled the bucket.
    if (!(settled >= 0 && settled < tick && chunk[place + TOKENS] >= chunk[place + FLOOR])) {
      return ask(state, slot, cost, inTurn, time, priority);
    }
    chunk[place + TOKENS] = chunk[place + LIMIT];
    chunk[place + FAST] = tick;
  }
  // The balance is final until the tick ends, so spending from it needs no second opinion.
  if (typeof cost === 'number' && cost >= 0 && chunk[place + TOKENS] >= cost) {
    chunk[place + TOKENS] -= cost;
    chunk[place + LAST_ACCESS] = time;
    state.numbers[0] = chunk[place + TOKENS];
    return ALLOWED;
  }
  return ask(state, slot, cost, inTurn, time, priority);
}

/** As `take`, where somebody has replaced `getBucket`: its bucket decides, whatever it is. */
function takeFrom(limiter, state, id, cost, inTurn, priority) {
  const bucket = limiter.getBucket(id);
  const slot = slotOfBucket(state, bucket);
  if (slot >= 0) return ask(state, slot, cost, inTurn, now(), priority);
  if (typeof cost !== 'number' || !(cost >= 0)) return INVALID;
  if (!(bucket.tokens >= cost)) return DENIED;
  bucket.tokens -= cost;
  state.numbers[0] = bucket.tokens;
  return ALLOWED;
}

module.exports = { slotFor, take, takeFrom, ALLOWED, DENIED, INVALID };
