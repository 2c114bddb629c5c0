// PersistentCache over a server that processes share.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { metrics } from '../src/js/index.mjs';
import { PersistentCache } from '../src/js/lib/persistent-cache.mjs';
import { inProcess, temporary } from './support/cache.mjs';
import { sleep } from './support/resilience.mjs';
import { until } from './support/until.mjs';
import { noValkey, startValkey } from './support/valkey.mjs';

const skip = noValkey();

/** Caches with folders of their own on one server, as on several machines. */
async function machines(t, count, options = {}) {
  const server = await startValkey();
  t.after(() => server.stop());
  const caches = Array.from({ length: count }, () => new PersistentCache({
    cacheDir: temporary(t), remote: { url: server.url, timeoutMs: 1000 }, bus: { maxStaleMs: 500 }, ...options,
  }));
  t.after(() => Promise.all(caches.map((cache) => cache.close())));
  await until(() => caches.every((cache) => cache.getStats().remote.inStep !== false));
  return { server, caches };
}

test('what one machine stores another reads, then from its own tiers', { skip }, async (t) => {
  const { caches: [one, two] } = await machines(t, 2);
  await one.set('k', { a: [1, 'é'] }, 60_000);
  assert.deepEqual(await two.get('k'), { a: [1, 'é'] });
  assert.equal(await two.has('k'), true);
  assert.equal(await two.get('other'), null);
  const { hits, remoteHits } = two.getStats();
  assert.deepEqual([hits, remoteHits, one.getStats().remoteHits], [1, 1, 0]);
  assert.match(metrics.text(), /tooloo_cache_lower_reads_total\{[^}]*source="remote"\} 1\n/);
  await until(() => two.get('k').then(() => two.memoryCache.has('k')));
});

test('a delete, a write and a clear are known to the other machines', { skip }, async (t) => {
  const { caches: [one, two] } = await machines(t, 2);
  await one.set('k', 1, 60_000);
  await two.get('k');
  await one.delete('k');
  await until(() => !two.memoryCache.has('k'));
  assert.equal(await two.get('k'), null);
  await one.set('k', 2, 60_000);
  assert.equal(await two.get('k'), 2);
  await two.set('k', 3, 60_000);
  await until(async () => (await one.get('k')) === 3);
  await one.clear();
  await until(async () => (await two.get('k')) === null);
  // Also what is on its disk.
  await two.flush();
  assert.equal(await two.get('k'), null);
});

test('a load is stored for all, unless the key was deleted elsewhere meanwhile', { skip }, async (t) => {
  const { caches: [one, two] } = await machines(t, 2);
  assert.equal(await one.getOrSet('a', () => 1, { ttl: 60_000 }), 1);
  assert.equal(await two.getOrSet('a', () => 2, { ttl: 60_000 }), 1);
  const slow = one.getOrSet('k', () => sleep(300).then(() => 'old'), { ttl: 60_000 });
  await sleep(100);
  await two.delete('k');
  assert.equal(await slow, 'old');
  assert.equal(await two.get('k'), null);
  assert.equal(await one.get('k'), null);
});

test('a server that is away costs no value of this machine, and is told later', { skip }, async (t) => {
  const { server, caches: [one] } = await machines(t, 1, { bus: false });
  await one.set('k', 1, 60_000);
  await server.kill();
  assert.equal(await one.get('k'), 1);
  await one.set('n', 2, 60_000);
  assert.equal(await one.get('n'), 2);
  await one.delete('k');
  assert.equal(one.getStats().remote.pendingRepairs, 2);
  await server.start();
  await until(() => one.getStats().remote.pendingRepairs === 0);
  assert.match(await server.command('GET', 'tooloo:cache:v:{=n}'), /2/);
});

test('another process takes part, and an idle one ends', { skip }, async (t) => {
  const { server, caches: [one] } = await machines(t, 1);
  await one.set('k', 'from here', 60_000);
  const { code, stdout, stderr } = await inProcess(temporary(t), `
    const cache = new PersistentCache({ cacheDir: dir, remote: { url: ${JSON.stringify(server.url)}, timeoutMs: 5000 }, bus: true });
    console.log(await cache.get('k'));
    await cache.set('k', 'from there', 60_000);`);
  assert.deepEqual([code, stdout.trim(), stderr], [0, 'from here', '']);
  await until(async () => (await one.get('k')) === 'from there');
});

test('namespaces stay apart on the server too', { skip }, async (t) => {
  const { caches: [one, two] } = await machines(t, 2, { namespace: 'a' });
  await one.set('k', 1, 60_000);
  assert.equal(await two.get('k'), 1);
  const { caches: [other] } = await machines(t, 1, { namespace: 'b' });
  assert.equal(await other.get('k'), null);
});

test('options that cannot be are refused by name', () => {
  for (const options of [{ remote: 5 }, { remote: true }, { remote: {} }, { bus: true }, { bus: 'x' }, { remote: { url: 'ftp://secret' } }]) {
    assert.throws(() => new PersistentCache(options), (error) => {
      assert.match(error.message, /"(remote|bus|url)"/);
      assert.doesNotMatch(error.message, /secret/);
      return error instanceof TypeError;
    });
  }
});
