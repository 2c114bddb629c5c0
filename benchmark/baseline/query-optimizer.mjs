// A plain-JavaScript optimizer with the costs that the original's behaviour implies: every text is normalised by
// regular expressions on every call, every enqueue filters the whole queue by key, and advice is looked up by text
// search on every call.

export class QueryOptimizer {
  constructor(options = {}) {
    this.batchSize = options.batchSize || 10;
    this.batchTimeout = options.batchTimeout || 100;
    this.slowQueryThreshold = options.slowQueryThreshold || 1000;
    this.enablePreparedStatements = options.enablePreparedStatements !== false;
    this.queryQueue = [];
    this.batchTimers = new Map();
    this.stats = { queriesBatched: 0, queriesOptimized: 0, averageLatency: 0, latencyHistory: [], slowQueries: [] };
  }

  queueQuery(query, params = []) {
    const queryKey = this.normalizeQuery(query);
    return new Promise((resolve, reject) => {
      this.queryQueue.push({ query, queryKey, params, resolve, reject, queuedAt: Date.now() });
      if (!this.batchTimers.has(queryKey)) {
        this.batchTimers.set(queryKey, setTimeout(() => this.executeBatch(queryKey), this.batchTimeout));
      }
      const waiting = this.queryQueue.filter((item) => item.queryKey === queryKey);
      if (waiting.length >= this.batchSize) {
        clearTimeout(this.batchTimers.get(queryKey));
        this.executeBatch(queryKey);
      }
    });
  }

  async executeBatch(queryKey) {
    const batch = this.queryQueue.filter((item) => item.queryKey === queryKey);
    this.queryQueue = this.queryQueue.filter((item) => item.queryKey !== queryKey);
    this.batchTimers.delete(queryKey);
    if (batch.length === 0) return;
    const start = Date.now();
    try {
      const results = await this.executeBatchQueries(batch);
      batch.forEach((item, index) => item.resolve(results[index] || null));
      this.stats.queriesBatched += batch.length;
      this.recordQueryLatency(Date.now() - start, batch.length);
    } catch (error) {
      batch.forEach((item) => item.reject(error));
    }
  }

  async executeBatchQueries(queries) {
    return queries.map(() => ({ success: true }));
  }

  normalizeQuery(query) {
    return query.trim().replace(/\s+/g, ' ').toLowerCase();
  }

  optimizeQuery(query) {
    const suggestions = [];
    if (query.includes('SELECT *')) suggestions.push('Name the columns instead of selecting all of them');
    if ((query.match(/JOIN/g) || []).length >= 3) suggestions.push('Consider splitting a query with many joins');
    if (query.includes('WHERE') && !query.includes('LIMIT')) suggestions.push('Bound the rows with a LIMIT');
    if (query.includes('WHERE') && !query.includes('INDEX')) suggestions.push('Make sure that an index is used');
    if (suggestions.length === 0) this.stats.queriesOptimized += 1;
    return { original: query, normalized: this.normalizeQuery(query), suggestions, estimatedCost: 0 };
  }

  recordQueryLatency(latency, batchSize) {
    this.stats.latencyHistory.push(latency);
    if (this.stats.latencyHistory.length > 1000) this.stats.latencyHistory.shift();
    if (latency > this.slowQueryThreshold) {
      this.stats.slowQueries.push({ latency, batchSize, timestamp: new Date().toISOString() });
      if (this.stats.slowQueries.length > 100) this.stats.slowQueries.shift();
    }
  }
}
