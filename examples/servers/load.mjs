// The load, in a process of its own: node load.mjs '<json>' with { url, seconds, rate, seed, crawler }.
// Requests leave at fixed times whether or not earlier ones are answered, and a seed gives the same requests always:
// cohorts and providers by Zipf's law, forty clients or more, five writes in a hundred, and, if asked for, a crawler
// that asks more often than the web service lets it.
import { closeConnections, request } from './http.mjs';
import { COHORTS, LEDGER_END, PROVIDERS } from './ledger.mjs';
import { summary } from './meter.mjs';

const MOST_IN_FLIGHT = 1000;
const CRAWLER_SHARE = 0.15;

/** Mulberry32: a small seeded generator of numbers in [0, 1). */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** Draws 1…size with a probability that falls as 1 / rank. */
function zipf(size, random) {
  let sum = 0;
  const sums = Array.from({ length: size }, (_, index) => (sum += 1 / (index + 1)));
  return () => {
    const drawn = random() * sum;
    return 1 + sums.findIndex((limit) => drawn < limit);
  };
}

/** The requests, one after the other: `{ method, path, body, client }`. */
export function* plan({ seed = 1, rate, crawler = false }) {
  const random = generator(seed);
  const [cohort, provider] = [zipf(COHORTS, random), zipf(PROVIDERS, random)];
  const clients = Math.max(40, Math.ceil(rate / 5));
  const read = (path) => ({ method: 'GET', path });
  const write = (number) => ({
    method: 'POST',
    path: '/calls',
    body: JSON.stringify({
      cohort: cohort(), provider: provider(), at: new Date(Date.parse(LEDGER_END) + number * 1000).toISOString(),
      inputTokens: 200 + Math.floor(random() * 4000), outputTokens: 50 + Math.floor(random() * 900), latencyMs: 400,
    }),
  });
  for (let number = 0; ; number += 1) {
    const kind = random();
    const client = `client-${Math.floor(random() * clients)}`;
    if (crawler && random() < CRAWLER_SHARE) yield { ...read(`/prices/${provider()}`), client: 'crawler' };
    else if (kind < 0.35) yield { ...read(`/usage/${cohort()}`), client };
    else if (kind < 0.55) yield { ...read(`/prices/${provider()}`), client };
    else if (kind < 0.7) yield { ...read(`/quality/${provider()}`), client };
    else if (kind < 0.75) yield { ...read(`/overview?cohorts=${Array.from({ length: 8 }, cohort)}`), client };
    else if (kind < 0.85) yield { ...read(`/quote/${cohort()}?tokens=${1000 * (1 + Math.floor(random() * 50))}`), client };
    else if (kind < 0.95) yield { ...read(`/recent/${cohort()}`), client };
    else yield { ...write(number), client };
  }
}

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/** Sends `seconds * rate` requests to `url` and answers with what came of them. */
export async function run({ url, seconds, rate, seed, crawler }) {
  const result = { requests: 0, failed: 0, turnedAway: 0, writes: 0, problems: [] };
  const latencies = [];
  const inFlight = new Set();
  const fail = (problem) => {
    result.failed += 1;
    if (result.problems.length < 3) result.problems.push(problem);
  };
  const send = async ({ client, path, ...rest }) => {
    const start = performance.now();
    try {
      const { status } = await request(url, `/api${path}`, { ...rest, headers: { 'x-client-id': client } });
      if (status === 429 && client === 'crawler') result.turnedAway += 1;
      else if (status !== 200) fail(`${rest.method} ${path}: ${status}`);
      // The crawler is meant to wait.
      else if (client !== 'crawler') latencies.push(performance.now() - start);
    } catch (error) {
      fail(`${rest.method} ${path}: ${error.message}`);
    }
  };

  const requests = plan({ seed, rate, crawler });
  const start = performance.now();
  while (result.requests < seconds * rate) {
    const due = start + (result.requests * 1000) / rate;
    const early = due - performance.now();
    if (early > 1) await pause(early);
    const next = requests.next().value;
    result.requests += 1;
    if (next.method === 'POST') result.writes += 1;
    if (inFlight.size >= MOST_IN_FLIGHT) {
      fail('too many requests without an answer');
      continue;
    }
    const sent = send(next).finally(() => inFlight.delete(sent));
    inFlight.add(sent);
  }
  await Promise.all(inFlight);
  return { ...result, seconds: (performance.now() - start) / 1000, latency: summary(latencies) };
}

if (process.send) {
  // Ctrl-C reaches this process too; the parent ends it.
  process.on('SIGINT', () => {});
  // Told to stop, or left alone.
  const orphaned = () => process.exit(1);
  process.on('disconnect', orphaned);
  process.on('message', orphaned);
  process.send(await run(JSON.parse(process.argv[2])));
  process.off('disconnect', orphaned);
  closeConnections();
  process.disconnect();
}
