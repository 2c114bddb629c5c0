// What the original is known to do: a Map of bucket objects, and an interval that walks over all of them.

export class RateLimiter {
  constructor(options = {}) {
    this.rateLimit = options.rateLimit || 100;
    this.refillRate = options.refillRate || 10;
    this.refillInterval = options.refillInterval || 1000;
    this.maxWaitTime = options.maxWaitTime || 30000;
    this.fairQueueing = options.fairQueueing !== false;
    this.buckets = new Map();
    this.requestQueues = new Map();
    this.stats = { totalRequests: 0, allowedRequests: 0, deniedRequests: 0, queuedRequests: 0, buckets: {} };
    this.refillTimer = null;
    this.startRefillTimer();
  }

  startRefillTimer() {
    this.refillTimer = setInterval(() => this.refill(), this.refillInterval);
  }

  refill() {
    for (const bucket of this.buckets.values()) {
      const refill = (bucket.refillRate * this.refillInterval) / 1000;
      bucket.tokens = Math.min(bucket.limit, bucket.tokens + refill);
    }
  }

  getBucket(clientId) {
    let bucket = this.buckets.get(clientId);
    if (!bucket) {
      bucket = { tokens: this.rateLimit, limit: this.rateLimit, refillRate: this.refillRate, lastAccessTime: 0 };
      this.buckets.set(clientId, bucket);
    }
    bucket.lastAccessTime = Date.now();
    return bucket;
  }

  isAllowed(clientId, tokens = 1) {
    const bucket = this.getBucket(clientId);
    if (bucket.tokens >= tokens) {
      bucket.tokens -= tokens;
      this.stats.allowedRequests += 1;
      return true;
    }
    this.stats.deniedRequests += 1;
    return false;
  }

  async acquire(clientId, tokens = 1) {
    this.stats.totalRequests += 1;
    if (this.isAllowed(clientId, tokens)) return { acquired: true, waitTime: 0 };
    if (!this.fairQueueing) return { acquired: false, waitTime: 0 };
    return this.queueRequest(clientId, tokens);
  }

  async queueRequest(clientId, tokens) {
    this.stats.queuedRequests += 1;
    if (!this.requestQueues.has(clientId)) this.requestQueues.set(clientId, []);
    const queue = this.requestQueues.get(clientId);
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => reject(new Error(`Rate limit queue timeout for ${clientId}`)), this.maxWaitTime);
      queue.push({ tokens, resolve, reject, timeout, queuedAt: Date.now() });
    });
  }

  shutdown() {
    clearInterval(this.refillTimer);
  }
}
