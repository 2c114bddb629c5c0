// The limiter over Valkey beside rate-limiter-flexible, on the same server in one run: `npm run bench:limit`. Requests that
// were granted count, whoever was asked.
import { setImmediate as turn } from 'node:timers/promises';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';
import { noValkey, startValkey } from '../__test__/support/valkey.mjs';
import { peer } from './peers.mjs';

const LIMIT = 1_000_000;
const CLIENTS = Array.from({ length: 1000 }, (_, at) => `10.0.${at >> 8}.${at & 255}`);

/** Nanoseconds a request, with so many in flight. */
async function inFlight(count, width, ask) {
  let asked = 0;
  const began = process.hrtime.bigint();
  await Promise.all(Array.from({ length: width }, async () => {
    while (asked < count) {
      asked += 1;
      await ask(CLIENTS[asked % CLIENTS.length]);
    }
  }));
  return Number(process.hrtime.bigint() - began) / count;
}

/** Nanoseconds an allowed question. */
async function leased(count, limiter) {
  let allowed = 0;
  const began = process.hrtime.bigint();
  for (let asked = 0; asked < count; asked += 1) {
    if (limiter.isAllowed(CLIENTS[asked % CLIENTS.length])) allowed += 1;
    // As a server would, between its requests.
    if (asked % 1000 === 999) await turn();
  }
  return Number(process.hrtime.bigint() - began) / allowed;
}

/** rate-limiter-flexible over both clients it knows; the faster one is the one to beat. */
async function theirs(flexible, port) {
  const Ioredis = peer('ioredis');
  const redis = peer('redis');
  const sides = [];
  const options = { points: LIMIT, duration: 1 };
  if (Ioredis !== undefined) {
    const client = new Ioredis({ port, enableAutoPipelining: true });
    const limiter = new flexible.RateLimiterRedis({ ...options, storeClient: client, keyPrefix: 'theirs-io' });
    sides.push({ name: 'ioredis', ask: (id) => limiter.consume(id), close: () => client.quit() });
  }
  if (redis !== undefined) {
    const client = redis.createClient({ url: `redis://127.0.0.1:${port}` });
    await client.connect();
    const limiter = new flexible.RateLimiterRedis({ ...options, storeClient: client, useRedisPackage: true, keyPrefix: 'theirs-node' });
    sides.push({ name: 'redis', ask: (id) => limiter.consume(id), close: () => client.close() });
  }
  for (const side of sides) {
    await inFlight(5000, 200, side.ask);
    side.ns = Math.min(await inFlight(20_000, 200, side.ask), await inFlight(20_000, 200, side.ask));
  }
  sides.sort((a, b) => a.ns - b.ns);
  for (const slower of sides.slice(1)) await slower.close();
  return sides[0];
}

export async function run(table) {
  const flexible = peer('rate-limiter-flexible');
  if (flexible === undefined || noValkey()) {
    console.log('(no rows of the limiter over Valkey: rate-limiter-flexible or a server is missing)');
    return;
  }
  const valkey = await startValkey();
  const baseline = await theirs(flexible, valkey.port);
  const limiter = new RateLimiter({ rateLimit: LIMIT, refillRate: LIMIT, store: { url: valkey.url, leaseTokens: 2000 } });
  const ours = (id) => limiter.acquire(id);
  await inFlight(5000, 200, ours);
  const compare = (title, goal, count, width, ask) => table.compare({
    title, goal, rounds: 7, baseline: () => inFlight(count, width, baseline.ask), ours: ask ?? (() => inFlight(count, width, ours)),
  });
  await compare(`limiter through Valkey, 200 in flight, beside rate-limiter-flexible (${baseline.name})`, 1.5, 20_000, 200);
  await compare('the same, 20 in flight', 1.5, 10_000, 20);
  await compare('the same, one at a time', 1, 2000, 1);
  await compare('isAllowed with leases, beside rate-limiter-flexible, 200 in flight', 50, 20_000, 200, () => leased(1_000_000, limiter));
  const { failures, lastError } = limiter.getStats().store;
  if (failures > 0) throw new Error(`the store failed ${failures} times: ${lastError}`);
  limiter.shutdown();
  await baseline.close();
  await valkey.stop();
}
