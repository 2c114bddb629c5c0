// The layered cache on a cluster of three nodes, and in threads that end.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { startFleet } from './support/fleet.mjs';
import { until } from './support/until.mjs';
import { noValkey, startCluster, startValkey } from './support/valkey.mjs';

const skip = noValkey();

test('keys of every node are found by a pattern, tags and leases work across slots', { skip, timeout: 120_000 }, async (t) => {
  const cluster = await startCluster();
  t.after(() => cluster.stop());
  const options = { disk: false, bus: true, memory: { ttl: 600_000 }, remote: { url: cluster.url, timeoutMs: 2000 } };
  const [one, two] = await startFleet(t, 2, options);
  const keys = Array.from({ length: 60 }, (_, index) => `user:${index}`);
  await Promise.all(keys.map((key) => one.set(key, key, 60_000, undefined, { tags: [`t${key.length}`] })));
  const [third] = await startFleet(t, 1, options);
  for (const key of keys.slice(0, 12)) assert.equal(await third.get(key), key);
  assert.equal(await two.invalidateTag('t6'), true);
  await until(async () => (await third.get('user:5')) === undefined);
  assert.equal(await third.get('user:11'), 'user:11');
  assert.equal(await two.load('user:5', 'new', { ttl: 60_000, lock: 'distributed' }), 'new');
  assert.equal(await third.get('user:5'), 'new');
  // From a process that has none of them in memory.
  await two.invalidatePattern('user:*');
  await until(async () => (await Promise.all(keys.map((key) => third.get(key)))).every((value) => value === undefined));
});

test('a worker that is ended in the middle of anything leaves the others alone', { skip, timeout: 120_000 }, async (t) => {
  const server = await startValkey();
  t.after(() => server.stop());
  const source = `
    const { parentPort } = require('node:worker_threads');
    const { MultiLayerCacheManager } = require(${JSON.stringify(new URL('../src/js/index.cjs', import.meta.url).pathname)});
    const cache = new MultiLayerCacheManager({ disk: false, bus: true, remote: { url: ${JSON.stringify(server.url)} } });
    let index = 0;
    (async function busy() {
      for (;;) {
        index += 1;
        cache.getOrSet('k' + index % 50, async () => index, { lock: 'distributed', ttl: 50 });
        cache.invalidate('k' + index % 7);
        await cache.set('k' + index % 50, index);
        if (index === 20) parentPort.postMessage('busy');
      }
    })();`;
  for (let round = 0; round < 5; round += 1) {
    const workers = [0, 1].map(() => new Worker(source, { eval: true }));
    await Promise.all(workers.map((worker) => once(worker, 'message')));
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
  assert.equal(await server.command('PING'), 'PONG');
});
