// The packages we measure ourselves against. They are no dependencies of this package.
import { createRequire } from 'node:module';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const PACKAGES = [
  'opossum@10', 'cockatiel@4', 'bentocache@1.6', 'cacheable@2.5', 'cache-manager@7', 'keyv@5', '@keyv/redis@5', 'lru-cache@11', 'ioredis@5', 'redis@5',
  'rate-limiter-flexible@11', 'postgres@3.4', 'dataloader@2', 'prom-client@15', '@opentelemetry/api@1.9', '@opentelemetry/sdk-trace-node@2',
  '@opentelemetry/exporter-trace-otlp-proto@0',
];
const cache = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '../node_modules/.cache/peers/x.cjs');
const require = createRequire(cache);

/** The package, or `undefined` after a line that says how to get it. */
export function peer(name) {
  try {
    return require(name);
  } catch {
    console.log(`(no rows against ${name}: npm install --prefix node_modules/.cache/peers ${PACKAGES.join(' ')})`);
    return undefined;
  }
}
