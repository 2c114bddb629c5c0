// A CommonJS module in TypeScript: `require` gives `{ X, default: X }`.
import all = require('tooloo-native');
import cacheModule = require('tooloo-native/lib/persistent-cache.js');
import poolModule = require('tooloo-native/lib/connection-pool.js');
import optimizerModule = require('tooloo-native/lib/query-optimizer.js');
import limiterModule = require('tooloo-native/lib/rate-limiter.js');
import tracerModule = require('tooloo-native/lib/distributed-tracer.js');
import Limiter, { RateLimiter } from 'tooloo-native/lib/rate-limiter.js';

type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const yes = <T extends true>(): T | undefined => undefined;

yes<Same<typeof cacheModule.PersistentCache, typeof cacheModule.default>>();
yes<Same<typeof cacheModule.PersistentCache, typeof all.PersistentCache>>();
yes<Same<typeof poolModule.ConnectionPool, typeof poolModule.default>>();
yes<Same<typeof optimizerModule.QueryOptimizer, typeof optimizerModule.default>>();
yes<Same<typeof limiterModule.RateLimiter, typeof limiterModule.default>>();
yes<Same<typeof tracerModule.DistributedTracer, typeof tracerModule.default>>();
yes<Same<typeof Limiter, typeof RateLimiter>>();

const miss: Promise<string | null> = new cacheModule.default({ ttl: 5 }).get<string>('a');
// @ts-expect-error what require gives is not itself a class
new limiterModule();
// @ts-expect-error the package has no default
const none = all.default;

export = { miss, none };
