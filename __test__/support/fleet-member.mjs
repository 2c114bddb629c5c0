// A process with a layered cache, which does what its parent says: `{ id, method, args }` → `{ id, result }` or `{ id, error }`.
import { CacheInvalidationStrategies, MultiLayerCacheManager } from '../../src/js/index.mjs';

let cache;
let strategies;
let loads = 0;
const heard = [];
const unhandled = [];
process.on('unhandledRejection', (error) => unhandled.push(String(error?.stack ?? error)));

const methods = {
  open(options) {
    cache = new MultiLayerCacheManager(options);
    strategies = new CacheInvalidationStrategies(cache);
    cache.setInvalidationListener('*', (key) => heard.push(key));
  },
  /** Loads what is given, after `ms`, and counts it. */
  load: (key, value, { ms = 0, fails = false, ...options } = {}) =>
    cache.getOrSet(key, async (_, { fencingToken }) => {
      loads += 1;
      await new Promise((resolve) => setTimeout(resolve, ms));
      if (fails) throw new Error('the load failed');
      return value === 'token' ? fencingToken : value;
    }, options),
  loads: () => loads,
  heard: () => heard.splice(0),
  unhandled: () => unhandled,
  map: (...patterns) => strategies.registerEventMapping(...patterns),
  trigger: (key) => strategies.triggerEventInvalidation(key),
  stats: () => cache.getStats(),
  inMemory: (key) => cache.memory?.has(key) ?? false,
  onDisk: (key) => cache.disk?.has(key) ?? false,
  close: () => cache.destroy(),
};

process.on('message', async ({ id, method, args }) => {
  try {
    const result = await (methods[method] ?? ((...rest) => cache[method](...rest)))(...args);
    process.send({ id, result });
  } catch (error) {
    process.send({ id, error: { message: String(error?.message ?? error), code: error?.code } });
  }
});
process.send({ ready: true });
