// The ledger through the cache, the optimizer and a pool of three connections.
import { ConnectionPool, PersistentCache, QueryOptimizer } from 'tooloo-native';
import { statements } from './statements.mjs';

/** Counts its batches; overriding a hook is how an app extends a module. */
class LedgerOptimizer extends QueryOptimizer {
  batches = 0;

  async executeBatchQueries(queries) {
    this.batches += 1;
    return super.executeBatchQueries(queries);
  }
}

export async function openLedger({ connectionString, schema, ledgerEnd, cacheDir }) {
  const sql = statements(schema);
  const pool = new ConnectionPool({ name: 'ledger', connectionString, minConnections: 1, maxConnections: 3 });
  // Small questions that arrive within one millisecond go to the database together.
  const optimizer = new LedgerOptimizer({ name: 'ledger', pool, batchSize: 8, batchTimeout: 1, slowQueryThreshold: 250 });
  const cache = new PersistentCache({ name: 'ledger', cacheDir, ttl: 5000, maxMemoryItems: 2000 });

  const advice = {};
  for (const [name, text] of Object.entries(sql)) advice[name] = optimizer.optimizeQuery(text).suggestions;

  const remembered = (key, load) => cache.getOrSet(key, load, { ttl: 5000 });
  const first = ({ rows }) => rows[0] ?? null;
  const small = (text, params) => optimizer.queueQuery(text, params).then(first);
  const large = async (text, params) => (await pool.query(text, params)).rows;

  return {
    price: (provider) => remembered(`price:${provider}`, () => small(sql.price, [provider])),
    quality: (provider) => remembered(`quality:${provider}`, () => small(sql.quality, [provider, ledgerEnd])),
    usage: (cohort) => remembered(`usage:${cohort}`, () => large(sql.usage, [cohort])),
    spend: (cohort) => remembered(`spend:${cohort}`, () => small(sql.spend, [cohort])),
    recent: (cohort) => remembered(`recent:${cohort}`, () => large(sql.recent, [cohort])),
    async record(call) {
      const { cohort, provider, at, inputTokens, outputTokens, latencyMs } = call;
      const [recorded] = await large(sql.record, [cohort, provider, at, inputTokens, outputTokens, latencyMs]);
      const stale = [`usage:${cohort}`, `spend:${cohort}`, `recent:${cohort}`, `quality:${provider}`];
      await Promise.all(stale.map((key) => cache.delete(key)));
      return recorded ?? null;
    },
    stats: () => ({
      cache: cache.getStats(),
      pool: pool.getStats(),
      optimizer: { ...optimizer.getStats(), batches: optimizer.batches, advice },
    }),
    // For the dashboard.
    modules: { cache, pool, optimizer },
    async close() {
      await optimizer.close();
      await pool.drain();
      await cache.close();
    },
  };
}
