// The layered cache against bentocache, cacheable, cache-manager and lru-cache: in memory, over one Valkey, and by what stays.
import { timeAwaited } from './harness.mjs';
import { peer } from './peers.mjs';
import { MultiLayerCacheManager } from '../src/js/lib/resilience/MultiLayerCacheManager.mjs';
import { startValkey } from '../__test__/support/valkey.mjs';

const HITS = 20_000;
const KEYS = 2000;
const FLYING = 50;
const HOUR = 3_600_000;
/** About 300 bytes of JSON: a row with a few columns. */
const value = (index) => ({ id: index, name: `user ${index}`, mail: `user${index}@example.org`, tags: ['a', 'b'], about: 'x'.repeat(200) });
const load = async () => ({ answer: 42 });

/** ns for each of `count` calls, so many of them at a time. */
async function timeFlying(count, flying, body) {
  let next = 0;
  const start = process.hrtime.bigint();
  const lane = async () => {
    while (next < count) {
      next += 1;
      await body(next - 1);
    }
  };
  await Promise.all(Array.from({ length: flying }, lane));
  return Number(process.hrtime.bigint() - start) / count;
}

const memory = new MultiLayerCacheManager({ disk: false, memory: { maxSize: 1000, ttl: HOUR } });
const memoryHits = () => timeAwaited(HITS, (index) => memory.getOrSet(`k${index % 100}`, load));

async function memoryRows(table) {
  const against = async (name, goal, body) => table.compare({ title: `getOrSet, a hit in memory, against ${name}`, goal, baseline: () => timeAwaited(HITS, body), ours: memoryHits });
  const bento = peer('bentocache');
  if (bento) {
    const { memoryDriver } = peer('bentocache/drivers/memory');
    const other = new bento.BentoCache({ default: 'm', stores: { m: bento.bentostore().useL1Layer(memoryDriver({ maxItems: 1000 })) } });
    await against('bentocache', 2, (index) => other.getOrSet({ key: `k${index % 100}`, factory: load, ttl: '1h' }));
  }
  const cacheable = peer('cacheable');
  if (cacheable) {
    const other = new cacheable.Cacheable();
    await against('cacheable', 2, (index) => other.getOrSet(`k${index % 100}`, load, { ttl: HOUR }));
  }
  const manager = peer('cache-manager');
  if (manager) {
    const other = manager.createCache();
    await against('cache-manager (wrap)', 2, (index) => other.wrap(`k${index % 100}`, load, HOUR));
  }
  const lru = peer('lru-cache');
  if (lru) {
    const other = new lru.LRUCache({ max: 1000, ttl: HOUR, fetchMethod: load });
    await against('lru-cache (fetch)', 1, (index) => other.fetch(`k${index % 100}`));
  }
}

/** bentocache over two tiers; like everybody here it keeps ten values in memory. */
function bentoTiers({ port }) {
  const bento = peer('bentocache');
  if (!bento) return undefined;
  const { memoryDriver } = peer('bentocache/drivers/memory');
  const { redisDriver } = peer('bentocache/drivers/redis');
  const tiers = bento.bentostore().useL1Layer(memoryDriver({ maxItems: 10 })).useL2Layer(redisDriver({ connection: { host: '127.0.0.1', port } }));
  const cache = new bento.BentoCache({ default: 'm', stores: { m: tiers } });
  return {
    name: 'bentocache',
    get: (key) => cache.get({ key }),
    set: (key, what) => cache.set({ key, value: what, ttl: '1h' }),
    close: () => cache.disconnectAll(),
  };
}

/** cacheable, with its own memory and @keyv/redis below. */
function cacheableTiers({ url }) {
  const [cacheable, keyvRedis] = [peer('cacheable'), peer('@keyv/redis')];
  if (!cacheable || !keyvRedis) return undefined;
  const cache = new cacheable.Cacheable({ primary: cacheable.createKeyv({ lruSize: 10 }), secondary: keyvRedis.createKeyv(url), ttl: HOUR });
  return {
    name: 'cacheable and @keyv/redis',
    get: (key) => cache.get(key),
    set: (key, what) => cache.set(key, what, HOUR),
    close: () => cache.disconnect(),
  };
}

/** Of 2,000 values ten are in memory: every get goes to the server. */
async function tieredRows(table, server) {
  const others = [bentoTiers(server), cacheableTiers(server)].filter(Boolean);
  const cache = new MultiLayerCacheManager({ disk: false, memory: { maxSize: 10, ttl: HOUR }, remote: { url: server.url, timeoutMs: 5000 } });
  const values = Array.from({ length: KEYS }, (_, index) => value(index));
  const ours = { get: (key) => cache.get(key), set: (key, what) => cache.set(key, what, HOUR) };
  const set = (side) => (index) => side.set(`k${index}`, values[index]);
  const get = (side) => async (index) => {
    const found = await side.get(`k${index}`);
    if (found?.id !== index) throw new Error(`not what was stored: ${index}`);
  };
  for (const side of [...others, ours]) await timeFlying(KEYS, FLYING, set(side));
  for (const [flying, goal] of [[FLYING, 1.5], [1, 1]]) {
    for (const [what, body] of [['tiered get', get], ['set through both tiers', set]]) {
      for (const other of others) {
        await table.compare({
          title: `${what}, ${flying} in flight, against ${other.name}`,
          goal,
          baseline: () => timeFlying(KEYS, flying, body(other)),
          ours: () => timeFlying(KEYS, flying, body(ours)),
        });
      }
    }
  }
  for (const other of others) await other.close();
  cache.destroy();
}

export async function run(table) {
  await memoryRows(table);
  await table.limit({ title: 'getOrSet, a hit in memory', unit: 'ns', limit: 1000, ours: memoryHits });
  const server = await startValkey();
  try {
    await tieredRows(table, server);
  } finally {
    await server.stop();
  }
}
