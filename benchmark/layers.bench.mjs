// A hit in memory through getOrSet, against bentocache where that is installed.
import { timeAwaited } from './harness.mjs';
import { peer } from './peers.mjs';
import { MultiLayerCacheManager } from '../src/js/lib/resilience/MultiLayerCacheManager.mjs';

const CALLS = 20_000;
const load = async () => ({ answer: 42 });

async function ours() {
  const cache = new MultiLayerCacheManager({ disk: false, memory: { maxSize: 1000, ttl: 3_600_000 } });
  for (let index = 0; index < 100; index += 1) await cache.getOrSet(`k${index}`, load);
  return () => timeAwaited(CALLS, (index) => cache.getOrSet(`k${index % 100}`, load));
}

export async function run(table) {
  const bento = peer('bentocache');
  if (bento) {
    const { BentoCache, bentostore } = bento;
    const { memoryDriver } = peer('bentocache/drivers/memory');
    const cache = new BentoCache({ default: 'memory', stores: { memory: bentostore().useL1Layer(memoryDriver({ maxItems: 1000 })) } });
    const baseline = () => timeAwaited(CALLS, (index) => cache.getOrSet({ key: `k${index % 100}`, factory: load, ttl: '1h' }));
    await table.compare({ title: 'getOrSet, a hit in memory, against bentocache', goal: 2, baseline, ours: await ours() });
  }
  await table.limit({ title: 'getOrSet, a hit in memory', unit: 'ns', limit: 1000, ours: await ours() });
}
