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

/** Both sides keep ten values in memory and are asked for 2,000: every get goes to the server. */
async function tieredRows(table, server) {
  const bento = peer('bentocache');
  if (!bento) return;
  const { memoryDriver } = peer('bentocache/drivers/memory');
  const { redisDriver } = peer('bentocache/drivers/redis');
  const connection = { host: '127.0.0.1', port: server.port };
  const other = new bento.BentoCache({
    default: 'm',
    stores: { m: bento.bentostore().useL1Layer(memoryDriver({ maxItems: 10 })).useL2Layer(redisDriver({ connection })) },
  });
  const cache = new MultiLayerCacheManager({ disk: false, memory: { maxSize: 10, ttl: HOUR }, remote: { url: server.url, timeoutMs: 5000 } });
  const theirSet = (index) => other.set({ key: `k${index % KEYS}`, value: value(index), ttl: '1h' });
  const ourSet = (index) => cache.set(`k${index % KEYS}`, value(index), HOUR);
  const check = (found) => {
    if (found?.id === undefined) throw new Error('a miss');
  };
  for (let index = 0; index < KEYS; index += 1) await Promise.all([theirSet(index), ourSet(index)]);
  for (const [flying, goal] of [[FLYING, 1.5], [1, 1]]) {
    await table.compare({
      title: `tiered get, ${flying} in flight`,
      goal,
      baseline: () => timeFlying(KEYS, flying, async (index) => check(await other.get({ key: `k${index}` }))),
      ours: () => timeFlying(KEYS, flying, async (index) => check(await cache.get(`k${index}`))),
    });
    await table.compare({
      title: `set through both tiers, ${flying} in flight`,
      goal,
      baseline: () => timeFlying(KEYS, flying, theirSet),
      ours: () => timeFlying(KEYS, flying, ourSet),
    });
  }
  await other.disconnectAll();
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
