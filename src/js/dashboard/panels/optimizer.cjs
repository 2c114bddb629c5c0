'use strict';
// Queries: what costs most, what was slow, and what to do about it. Texts have no literals, and parameters are nowhere.

const { native } = require('../../addon.cjs');
const { Rates } = require('./rate.cjs');

const TOP = 10;
const SLOW = 8;
const LONGEST_TEXT = 2000;
const MOST_REMEMBERED = 500;

/** Text → `{ text, advice }`; both depend on the text alone. */
const known = new Map();

function describe(query) {
  let entry = known.get(query);
  if (entry === undefined) {
    const bare = native.queryWithoutLiterals(query);
    entry = {
      text: bare.length > LONGEST_TEXT ? `${bare.slice(0, LONGEST_TEXT)}…` : bare,
      advice: native.queryAdvice(query),
    };
    if (known.size >= MOST_REMEMBERED) known.delete(known.keys().next().value);
    known.set(query, entry);
  }
  return entry;
}

class OptimizerReader {
  #optimizer;
  #rates = new Rates();

  constructor(optimizer) {
    this.#optimizer = optimizer;
  }

  read(now) {
    const stats = this.#optimizer.getStats();
    const { queriesBatched } = this.#rates.next({ queriesBatched: stats.queriesBatched ?? 0 }, now);
    const top = this.#optimizer.getTopQueries?.({ limit: TOP }) ?? [];
    const slow = (this.#optimizer.getSlowQueries?.() ?? []).slice(-SLOW).reverse();
    return {
      queries: stats.queriesBatched,
      queriesPerSecond: queriesBatched,
      averageLatency: stats.averageLatency,
      slowCount: stats.slowQueriesCount,
      waiting: stats.queueSize,
      slowMs: this.#optimizer.slowQueryThreshold,
      top: top.map(({ fingerprint, query, calls, totalMs, meanMs, p95Ms, maxMs, rows }) => ({
        fingerprint,
        ...describe(query),
        calls,
        totalMs,
        meanMs,
        p95Ms,
        maxMs,
        rows,
      })),
      slow: slow.map(({ latency, batchSize, timestamp, queryKey }) => ({
        ...(typeof queryKey === 'string' ? describe(queryKey) : { text: '', advice: [] }),
        latencyMs: latency,
        batchSize,
        timestamp,
      })),
      points: { queries: queriesBatched },
    };
  }
}

module.exports = { OptimizerReader };
