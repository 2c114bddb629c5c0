'use strict';
// New limits by client id reach those who are known: whoever is seen next or waits has his at once, all others in slices
// between other work, so that a change with a million clients holds nobody up.

const { native } = require('../addon.cjs');
const { now } = require('./clients.cjs');
const { arm } = require('./waiters.cjs');

/** How long a slice may take, ms, and how many clients are looked at between two looks at the clock. */
const SLICE_MS = 2;
const AT_A_TIME = 64;

/** Gives each known client its limit; not those who were given one by `setLimit`. */
function applyRules(limiter, state) {
  const { clients } = state;
  clients.generation += 1;
  clients.behind = (slot) => {
    if (clients.rules.own.has(slot)) return;
    const [limit, rate] = clients.rules.find(clients.idOf(slot)) ?? [limiter.rateLimit, limiter.refillRate];
    clients.ask(native.limitRescale, slot, 0, limit, rate);
  };
  for (const { slot } of state.waiters.values()) clients.catchUp(slot);
  walk(limiter, state, clients.generation, 0);
}

/** One slice from this slot on; the next follows from a timer that keeps no process alive. */
function walk(limiter, state, generation, from) {
  const { clients } = state;
  // A later change began a walk of its own.
  if (clients.generation !== generation) return;
  const until = now() + SLICE_MS;
  let slot = from;
  while (slot < clients.used && (slot % AT_A_TIME !== 0 || slot === from || now() < until)) {
    if (clients.isUsed(slot)) clients.catchUp(slot);
    slot += 1;
  }
  if (slot >= clients.used) clients.behind = null;
  else setTimeout(walk, 1, limiter, state, generation, slot).unref?.();
  arm(limiter, state);
}

exports.applyRules = applyRules;
