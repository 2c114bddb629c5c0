import { setImmediate as turn } from 'node:timers/promises';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';
import { timeAwaited, timeSync } from './harness.mjs';
import { RateLimiter as Baseline } from './baseline/rate-limiter.mjs';

const ids = (count) => Array.from({ length: count }, (_, at) => `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}`);
const LIMIT = { rateLimit: 1_000_000, refillRate: 1000 };

async function allowed(table, count, calls) {
  const clients = ids(count);
  const order = Uint32Array.from({ length: 1 << 20 }, () => Math.random() * count);
  const sides = [new Baseline(LIMIT), new RateLimiter(LIMIT)];
  for (const side of sides) for (const id of clients) side.isAllowed(id);
  const round = (side) => async () => {
    // A refill that is due runs between rounds, not inside one.
    await turn();
    return timeSync(calls, (at) => side.isAllowed(clients[order[at & 0xfffff]]));
  };
  await table.compare({
    title: `isAllowed, ${count.toLocaleString('en')} clients`,
    goal: 1,
    baseline: round(sides[0]),
    ours: round(sides[1]),
    rounds: 11,
  });
  for (const side of sides) side.shutdown();
}

async function granted(table) {
  const clients = ids(10);
  const round = (side) => () => timeAwaited(200_000, (at) => side.acquire(clients[at % 10]));
  const sides = [new Baseline(LIMIT), new RateLimiter(LIMIT)];
  await table.compare({
    title: 'acquire granted, awaited',
    goal: 1,
    baseline: round(sides[0]),
    ours: round(sides[1]),
    rounds: 11,
  });
  for (const side of sides) side.shutdown();
}

/** The longest turn of the event loop, in ms, of those in which `body` runs a small piece of work. */
async function longestTurn(turns, body) {
  let longest = 0;
  for (let at = 0; at < turns; at += 1) {
    const start = performance.now();
    body(at);
    await turn();
    longest = Math.max(longest, performance.now() - start);
  }
  return longest;
}

async function pauses(table) {
  const clients = ids(1_000_000);
  const often = { ...LIMIT, refillInterval: 100 };
  const sides = new Map();
  const arrive = (Side) => () => {
    sides.get(Side)?.shutdown();
    const limiter = new Side(Side === Baseline ? LIMIT : often);
    sides.set(Side, limiter);
    return longestTurn(20_000, (at) => {
      for (let index = at * 50; index < at * 50 + 50; index += 1) limiter.isAllowed(clients[index]);
    });
  };
  await table.compare({
    // Both sides let a Map of a million ids grow, and the garbage collector has its own moments.
    title: 'longest pause while 1,000,000 clients arrive (their Map grows)',
    goal: 1,
    unit: 'ms',
    baseline: arrive(Baseline),
    ours: arrive(RateLimiter),
    rounds: 3,
  });
  sides.get(Baseline).shutdown();
  await table.limit({
    title: 'longest pause over ten refills, 1,000,000 clients (the baseline stalls 17 ms a refill)',
    limit: 2,
    unit: 'ms',
    ours: () => longestTurn(20_000, (at) => sides.get(RateLimiter).isAllowed(clients[(at * 7919) % 1_000_000])),
    rounds: 7,
  });
  sides.get(RateLimiter).shutdown();
}

export async function run(table) {
  await allowed(table, 10, 1_000_000);
  await allowed(table, 1_000_000, 300_000);
  await granted(table);
  await pauses(table);
}
