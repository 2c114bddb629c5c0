// Loads each module in every way an app can and prints, for each, whether they are all one class and whose it is.
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { ConnectionPool } from './lib/connection-pool.js';
import { DistributedTracer } from './lib/distributed-tracer.js';
import { PersistentCache } from './lib/persistent-cache.js';
import { QueryOptimizer } from './lib/query-optimizer.js';
import { RateLimiter } from './lib/rate-limiter.js';
import { unrelated } from './lib/unrelated.js';

const classes = {
  'persistent-cache': PersistentCache,
  'connection-pool': ConnectionPool,
  'query-optimizer': QueryOptimizer,
  'rate-limiter': RateLimiter,
  'distributed-tracer': DistributedTracer,
};
const require = createRequire(import.meta.url);
const skip = (process.env.SKIP_REQUIRE ?? '').split(',');
const modules = {};
for (const [name, named] of Object.entries(classes)) {
  const file = fileURLToPath(new URL(`./lib/${name}.js`, import.meta.url));
  const ways = {
    default: (await import(`./lib/${name}.js`)).default,
    query: (await import(`./lib/${name}.js?t=1`))[named.name],
    otherQuery: (await import(`./lib/${name}.js?t=2#x`)).default,
    parent: (await import(`./worker/../lib/${name}.js`)).default,
    encoded: (await import(`./lib/${name.replace('-', '%2D')}.js`)).default,
    url: (await import(new URL(`./lib/${name}.js`, import.meta.url).href)).default,
    absoluteImport: path.sep === '/' ? (await import(file)).default : named,
  };
  if (!skip.includes(name)) {
    const required = require(`./lib/${name}.js`);
    Object.assign(ways, {
      require: required[named.name],
      requireDefault: required.default,
      withoutExtension: require(`./lib/${name}`).default,
      absolute: require(file).default,
      fromCommonJs: require('./legacy.cjs')(name).default,
    });
  }
  modules[name] = {
    name: named.name,
    original: named.original === true,
    different: Object.keys(ways).filter((way) => ways[way] !== named),
    instance: named.original === true || new named({ cacheDir: process.env.CACHE_DIR }) instanceof ways.default,
  };
}

async function inWorker(file) {
  const worker = new Worker(new URL(file, import.meta.url));
  return new Promise((resolve, reject) => worker.once('message', resolve).once('error', reject));
}

const workers = skip.length > 1 ? [] : [await inWorker('./worker/esm.js'), await inWorker('./worker/commonjs.cjs')];
console.log(JSON.stringify({ modules, unrelated, workers, originals: globalThis.originalsLoaded ?? [] }));
process.exit(0);
