// The coordinator over Valkey.
import assert from 'node:assert/strict';
import http from 'node:http';
import { test } from 'node:test';
import { DistributedCacheCoordinator, MultiLayerCacheManager } from '../src/js/index.mjs';
import { sleep } from './support/resilience.mjs';
import { until } from './support/until.mjs';
import { noValkey, startValkey } from './support/valkey.mjs';

const skip = noValkey();

async function services(t, count, options = {}) {
  const server = await startValkey();
  t.after(() => server.stop());
  const all = Array.from({ length: count }, (_, index) => {
    const cache = new MultiLayerCacheManager({ disk: false, memory: { ttl: 600_000 } });
    const engine = { url: server.url, timeoutMs: 1000 };
    const coordinator = new DistributedCacheCoordinator(cache, `service-${index}`, { engine, broadcastInterval: 20, ...options });
    t.after(() => { coordinator.destroy(); cache.destroy(); });
    return { cache, coordinator };
  });
  await until(() => all.every(({ coordinator }) => coordinator.getCoordinationStatus().engine.inStep));
  return { server, all };
}

test('without a peer every service hears of it, and its sender does not', { skip }, async (t) => {
  const { all: [one, two, three] } = await services(t, 3);
  for (const { cache } of [one, two, three]) await cache.set('k', 'old');
  const heard = [];
  two.coordinator.subscribeToInvalidations('k*', (key, value, source) => heard.push([key, value, source]));
  await sleep(5);
  await one.coordinator.publishInvalidation('k');
  await until(() => !two.cache.memory.has('k') && !three.cache.memory.has('k'));
  assert.equal(await one.cache.get('k'), 'old');
  assert.deepEqual(heard, [['k', null, 'service-0']]);
  await sleep(5);
  await three.coordinator.publishInvalidation('k', { n: 1 });
  await until(async () => (await one.cache.get('k'))?.n === 1 && (await two.cache.get('k'))?.n === 1);
  assert.equal(one.coordinator.getCoordinationStatus().engine.told, 1);
});

test('what comes over HTTP and over the engine counts once', { skip }, async (t) => {
  const { all: [one, two] } = await services(t, 2);
  const server = http.createServer(two.coordinator.handler());
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  one.coordinator.registerPeer('service-1', '127.0.0.1', server.address().port);
  let heard = 0;
  two.coordinator.subscribeToInvalidations('*', () => { heard += 1; });
  for (let index = 0; index < 20; index += 1) await one.coordinator.publishInvalidation(`k${index}`);
  await until(() => one.coordinator.stats.broadcastsSent > 0 && heard >= 20);
  await sleep(200);
  assert.equal(heard, 20);
});

test('what is published while the engine is away follows, and who missed something empties its memory', { skip }, async (t) => {
  const { server, all: [one, two] } = await services(t, 2);
  await two.cache.set('k', 'old');
  await two.cache.set('other', 'may be old');
  await server.kill();
  await until(() => !one.coordinator.getCoordinationStatus().engine.isUp);
  await one.coordinator.publishInvalidation('k');
  await server.start();
  await until(() => !two.cache.memory.has('k') && !two.cache.memory.has('other'));
});

test('an engine that cannot be is refused by name', () => {
  for (const engine of [5, 'redis://secret', true, {}, { url: 5 }, { url: 'ftp://secret' }, { url: 'redis://h', timeoutMs: -1 }]) {
    assert.throws(() => new DistributedCacheCoordinator(undefined, 's', { engine }), (error) => {
      assert.match(error.message, /"(engine|url|timeoutMs)"/);
      assert.doesNotMatch(error.message, /secret/);
      return error instanceof TypeError || error instanceof RangeError;
    });
  }
});
