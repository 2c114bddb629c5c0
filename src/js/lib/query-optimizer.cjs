'use strict';
// Batches queries by their normal form and gives advice about them. What form a text has, when a batch goes out and
// what advice fits is decided in native code; this face holds the queues, timers and promises.

const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { enroll } = require('../metrics/members.cjs');
const errors = require('../query/errors.cjs');
const { explain } = require('../query/explain.cjs');
const { planOf, sendThroughPool } = require('../query/pool.cjs');
const { Repeats } = require('../query/repeats.cjs');
const { SlowParameters } = require('../query/slow.cjs');
const { TextMemory } = require('../query/texts.cjs');

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const STATE = Symbol('QueryOptimizer');
const BATCHED = 0;
const OPTIMIZED = 1;

const limits = native.queryLimits();
/** Text → `{ key, advice, analysis }`. Both depend on the text alone, so all instances of a thread share what is known. */
const texts = new TextMemory(limits.texts, limits.length);
/** Batches so far: their numbers. */
let batches = 0;
/** Receives `[flushAt, waitMs]` of a plan. */
const plan = new Float64Array(2);

function known(query) {
  const entry = texts.get(query);
  return entry === undefined ? learn(query) : entry;
}

function learn(query) {
  if (typeof query !== 'string') throw errors.notText();
  let key = native.queryNormalize(query);
  // A text with half a surrogate pair does not reach native code unchanged: it stays its own form.
  if (key.includes('\uFFFD')) key = query;
  const entry = { key, advice: undefined, analysis: undefined };
  texts.set(query, entry);
  return entry;
}

/** What native code says about a text; shared by all who ask. */
function analysisOf(query) {
  const entry = known(query);
  entry.analysis ??= native.queryAnalyze(query);
  return entry.analysis;
}

/** A copy for a caller, who may change it. */
function copyOf({ fingerprint, statement, tables, findings }) {
  return { fingerprint, statement, tables: tables.slice(), findings: findings.map((finding) => ({ ...finding })) };
}

/** The queue of a batch that is being collected. `order` says when each item came, across all queues. */
class Waiting {
  constructor(optimizer, key) {
    this.key = key;
    this.number = batches += 1;
    this.items = [];
    this.order = [];
    const waits = native.queryPlan(optimizer.batchSize, optimizer.batchTimeout, plan);
    this.flushAt = plan[0];
    // Not unref'd: promises wait for it.
    this.timer = waits ? setTimeout(send, plan[1], optimizer, key) : undefined;
  }
}

/** Takes the waiting queries of a key off the queue, and their timer with them. */
function take(state, key) {
  const waiting = state.waiting.get(key);
  if (waiting === undefined) return undefined;
  state.waiting.delete(key);
  clearTimeout(waiting.timer);
  return waiting.items;
}

/** Sends a batch; if an overridden `executeBatch` fails, nobody is left waiting. */
function send(optimizer, key) {
  const fail = (error) => {
    for (const item of take(optimizer[STATE], key) ?? []) item.reject(error);
  };
  try {
    return Promise.resolve(optimizer.executeBatch(key)).catch(fail);
  } catch (error) {
    fail(error);
    return Promise.resolve();
  }
}

/** Gives an item its result. A promise as a result settles this item alone; then the answer is when that is done. */
function settle(counters, item, result) {
  let then;
  try {
    then = result !== null && (typeof result === 'object' || typeof result === 'function') ? result.then : undefined;
  } catch (error) {
    item.reject(error);
    return undefined;
  }
  if (typeof then !== 'function') {
    counters[BATCHED] += 1;
    item.resolve(result === undefined ? null : result);
    return undefined;
  }
  // Not `result.then(…)`: a foreign thenable may call back twice, or throw.
  return new Promise((resolve, reject) => then.call(result, resolve, reject)).then((value) => {
    counters[BATCHED] += 1;
    item.resolve(value === undefined ? null : value);
  }, item.reject);
}

/** Rows in the results of a batch, where they say so. */
function rowsOf(results) {
  let rows = 0;
  for (const result of results) {
    if (result !== null && typeof result === 'object' && Array.isArray(result.rows)) rows += result.rows.length;
  }
  return rows;
}

let fulfil;
let fail;

/** The executor of every query's promise. */
function handOver(resolve, reject) {
  fulfil = resolve;
  fail = reject;
}

class QueryOptimizer {
  constructor(options = {}) {
    const config = native.queryConfig(options);
    this.batchSize = config.batchSize;
    this.batchTimeout = config.batchTimeout;
    this.enablePreparedStatements = config.enablePreparedStatements;
    this.slowQueryThreshold = config.slowQueryThreshold;
    const handle = native.queryOpen();
    const counters = new Float64Array(2);
    const sent = { merged: 0, deduplicated: 0, statementsSent: 0 };
    enroll('QueryOptimizer', this, options, { handle, counters, sent }, native.queryFree);
    // Hidden: a pool may know a connection string, which has no place in a dump of this object.
    const hidden = { enumerable: false, writable: true, configurable: true };
    Object.defineProperties(this, {
      executor: { value: options.executor || null, ...hidden },
      pool: { value: options.pool || null, ...hidden },
      // Hidden, too: the original's fields are those that show.
      mergeLookups: { value: config.mergeLookups, ...hidden },
      deduplicate: { value: config.deduplicate, ...hidden },
      [STATE]: {
        value: {
          handle,
            counters,
            /** What went to the pool. */
            sent,
          /** Key → Waiting */
          waiting: new Map(),
          /** The batches that are out, as promises. */
          running: new Set(),
          arrivals: 0,
          closed: false,
          /** Normal form → what the last plan cost. */
          repeats: new Repeats(handle, config.nPlusOneThreshold),
          slow: new SlowParameters(config.recordParameters),
          planCosts: new TextMemory(limits.texts, limits.length),
          costs: (items, results, latency) => native.queryCost(handle, items[0].query, items.length, latency, rowsOf(results)),
        },
      },
    });
  }

  queueQuery(query, params = []) {
    const entry = known(query);
    const queryKey = this.normalizeQuery === normalizeQuery ? entry.key : this.normalizeQuery(query);
    const state = this[STATE];
    if (state.closed) return Promise.reject(errors.closed());
    let waiting = state.waiting.get(queryKey);
    if (waiting === undefined) {
      waiting = new Waiting(this, queryKey);
      state.waiting.set(queryKey, waiting);
    }
    state.repeats.note(query, waiting.number, analysisOf);
    const { items } = waiting;
    // No closure for each query: what a promise is settled with is handed over in two variables.
    const promise = new Promise(handOver);
    items.push({ query, queryKey, params, resolve: fulfil, reject: fail, queuedAt: Date.now() });
    waiting.order.push((state.arrivals += 1));
    if (items.length >= waiting.flushAt) send(this, queryKey);
    return promise;
  }

  async executeBatch(queryKey) {
    const state = this[STATE];
    const items = take(state, queryKey);
    if (items === undefined || items.length === 0) return;
    let done;
    const running = new Promise((resolve) => {
      done = resolve;
    });
    state.running.add(running);
    const start = performance.now();
    let results;
    let failure;
    try {
      results = await this.executeBatchQueries(items.slice());
      if (!Array.isArray(results)) throw errors.notAnArray();
      // Read once and outside the items' promises: an exotic array may throw here.
      results = items.map((_, index) => results[index]);
    } catch (error) {
      failure = { error };
    }
    try {
      state.slow.last = 0;
      this.recordQueryLatency(performance.now() - start, items.length, queryKey);
      state.slow.keep(items);
    } catch {
      // An overridden method that throws costs a sample, not the results.
    }
    try {
      state.costs(items, failure === undefined ? results : [], performance.now() - start);
    } catch {
      // Results that throw when they are looked at have no rows to count.
    }
    const late = [];
    for (let index = 0; index < items.length; index += 1) {
      const item = items[index];
      const settled = failure ? item.reject(failure.error) : settle(state.counters, item, results[index]);
      if (settled !== undefined) late.push(settled);
    }
    Promise.all(late).then(() => {
      state.running.delete(running);
      done();
    });
  }

  async executeBatchQueries(queries) {
    if (this.executor) return this.executor(queries);
    if (this.pool) return sendThroughPool(this.pool, queries, this, this[STATE].sent);
    return queries.map(() => ({ success: true }));
  }

  optimizeQuery(query) {
    const entry = known(query);
    if (entry.advice === undefined) entry.advice = native.queryAdvice(query);
    if (entry.advice.length === 0) this[STATE].counters[OPTIMIZED] += 1;
    return {
      original: query,
      normalized: this.normalizeQuery === normalizeQuery ? entry.key : this.normalizeQuery(query),
      suggestions: entry.advice.slice(),
      estimatedCost: this[STATE].planCosts.get(entry.key) ?? 0,
    };
  }

  analyze(query) {
    const found = copyOf(analysisOf(query));
    found.findings.push(...this[STATE].repeats.finding(query, found.fingerprint));
    return found;
  }

  async explain(query, params = [], options = undefined) {
    const found = await explain(this.pool, query, params, options);
    this[STATE].planCosts.set(known(query).key, found.totalCost);
    return found;
  }

  normalizeQuery(query) {
    return known(query).key;
  }

  recordQueryLatency(latency, batchSize, queryKey) {
    const { handle, slow } = this[STATE];
    slow.last = native.queryRecord(handle, latency, batchSize, this.slowQueryThreshold, queryKey);
  }

  getTopQueries(options) {
    return native.queryTop(this[STATE].handle, options);
  }

  getSlowQueries() {
    const { handle, slow } = this[STATE];
    return native.querySlow(handle).map((entry) => slow.entry(entry));
  }

  getStats() {
    const { handle, counters, sent, waiting } = this[STATE];
    let queueSize = 0;
    let activeBatches = 0;
    for (const { items, timer } of waiting.values()) {
      queueSize += items.length;
      if (timer !== undefined) activeBatches += 1;
    }
    return {
      queriesBatched: counters[BATCHED],
      queriesOptimized: counters[OPTIMIZED],
      averageLatency: native.queryAverage(handle),
      slowQueriesCount: native.querySlowCount(handle),
      queueSize,
      activeBatches,
      ...sent,
    };
  }

  clearStats() {
    const { handle, counters, sent } = this[STATE];
    counters.fill(0);
    Object.assign(sent, { merged: 0, deduplicated: 0, statementsSent: 0 });
    this[STATE].slow.clear();
    native.queryClear(handle);
  }

  on(event, listener) {
    this[STATE].repeats.listen('on', event, listener);
    return this;
  }

  once(event, listener) {
    this[STATE].repeats.listen('once', event, listener);
    return this;
  }

  off(event, listener) {
    this[STATE].repeats.listen('off', event, listener);
    return this;
  }

  async batchPlan(query) {
    if (typeof query !== 'string') throw errors.notText();
    return planOf(this.executor ? null : this.pool, query, this);
  }

  async flush() {
    const state = this[STATE];
    const sent = [...state.waiting.keys()].map((key) => send(this, key));
    await Promise.all([...sent, ...state.running]);
  }

  async close() {
    this[STATE].closed = true;
    await this.flush();
  }
}

const { normalizeQuery } = QueryOptimizer.prototype;

/** A field that is computed when it is read. Assigning to it makes it an ordinary field, as on the original. */
function computed(name, get) {
  Object.defineProperty(QueryOptimizer.prototype, name, {
    get,
    set(value) {
      Object.defineProperty(this, name, { value, writable: true, enumerable: true, configurable: true });
    },
    configurable: true,
  });
}

computed('queryQueue', function queryQueue() {
  const all = [];
  for (const { items, order } of this[STATE].waiting.values()) {
    items.forEach((item, index) => all.push({ item, order: order[index] }));
  }
  return all.sort((a, b) => a.order - b.order).map(({ item }) => item);
});

computed('batchTimers', function batchTimers() {
  const timers = new Map();
  for (const { key, timer } of this[STATE].waiting.values()) if (timer !== undefined) timers.set(key, timer);
  return timers;
});

computed('stats', function stats() {
  const { handle, counters, slow } = this[STATE];
  return {
    queriesBatched: counters[BATCHED],
    queriesOptimized: counters[OPTIMIZED],
    averageLatency: 0,
    latencyHistory: native.queryHistory(handle),
    slowQueries: native.querySlowKept(handle).map((entry) => slow.entry(entry)),
  };
});

if (Symbol.asyncDispose) {
  Object.defineProperty(QueryOptimizer.prototype, Symbol.asyncDispose, {
    value() {
      return this.close();
    },
    writable: true,
    configurable: true,
  });
}

Object.defineProperty(exports, '__esModule', { value: true });
exports.QueryOptimizer = QueryOptimizer;
exports.default = QueryOptimizer;
