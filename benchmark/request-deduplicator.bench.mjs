// A result that is there already, and joining a run under way.
import { RequestDeduplicator as Baseline } from './baseline/request-deduplicator.mjs';
import { timeAwaited, timeSync } from './harness.mjs';
import { RequestDeduplicator } from '../src/js/lib/request-deduplicator.mjs';

const CALLS = 50_000;
const work = async () => ({ answer: 42 });

async function hit(Deduplicator) {
  const dedup = new Deduplicator();
  const keys = Array.from({ length: 1000 }, (_, index) => `prompt ${index}`);
  for (const key of keys) await dedup.deduplicate(key, work);
  return () => timeAwaited(CALLS, (index) => dedup.deduplicate(keys[index % 1000], work));
}

function join(Deduplicator) {
  return async () => {
    const dedup = new Deduplicator();
    let last;
    const gate = new Promise((resolve) => setImmediate(resolve));
    const time = timeSync(1000, () => { last = dedup.deduplicate('k', () => gate); });
    await last;
    return time;
  };
}

export async function run(table) {
  await table.compare({ title: 'deduplicate, a result that is there', goal: 1, baseline: await hit(Baseline), ours: await hit(RequestDeduplicator) });
  await table.compare({ title: 'deduplicate, joining a run under way', goal: 1, baseline: join(Baseline), ours: join(RequestDeduplicator) });
}
