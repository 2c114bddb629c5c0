// A deduplicator as one writes it in plain JavaScript: two Maps and the wall clock.
export class RequestDeduplicator {
  pending = new Map();
  cache = new Map();
  metrics = { totalRequests: 0, dedupHits: 0, cacheHits: 0, cacheMisses: 0 };

  async deduplicate(key, fn, { cacheTTL = 3_600_000 } = {}) {
    this.metrics.totalRequests += 1;
    const entry = this.cache.get(key);
    if (entry && Date.now() <= entry.until) {
      this.metrics.cacheHits += 1;
      return entry.result;
    }
    if (this.pending.has(key)) {
      this.metrics.dedupHits += 1;
      return this.pending.get(key);
    }
    this.metrics.cacheMisses += 1;
    const promise = fn().finally(() => this.pending.delete(key));
    this.pending.set(key, promise);
    const result = await promise;
    this.cache.set(key, { result, until: Date.now() + cacheTTL });
    return result;
  }
}
