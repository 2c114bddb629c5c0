// A circuit breaker in plain JavaScript: consecutive failures, a race against a timer that is not cleared.
export class CircuitBreaker {
  constructor(name, options = {}) {
    this.name = name;
    this.failureThreshold = options.failureThreshold || 5;
    this.successThreshold = options.successThreshold || 2;
    this.resetTimeout = options.resetTimeout || 30000;
    this.state = 'CLOSED';
    this.failureCount = 0;
    this.successCount = 0;
    this.lastFailureTime = null;
    this.metrics = { totalAttempts: 0, totalFailures: 0, totalSuccesses: 0, stateChanges: [] };
  }

  async execute(fn, options = {}) {
    const { name = 'unnamed', timeout } = options;
    this.metrics.totalAttempts++;
    if (this.state === 'OPEN') {
      if (Date.now() - this.lastFailureTime > this.resetTimeout) this.transition('HALF_OPEN');
      else {
        const error = new Error(`Circuit breaker '${this.name}' is OPEN (${name})`);
        error.code = 'CIRCUIT_BREAKER_OPEN';
        throw error;
      }
    }
    try {
      const result = await this.withTimeout(fn, timeout || 5000);
      this.onSuccess();
      return result;
    } catch (error) {
      this.onFailure();
      throw error;
    }
  }

  withTimeout(fn, ms) {
    return Promise.race([
      fn(),
      new Promise((_, reject) => setTimeout(() => reject(new Error(`Timeout after ${ms}ms`)), ms).unref()),
    ]);
  }

  onSuccess() {
    this.metrics.totalSuccesses++;
    if (this.state === 'HALF_OPEN') {
      this.successCount++;
      if (this.successCount >= this.successThreshold) this.transition('CLOSED');
    } else this.failureCount = 0;
  }

  onFailure() {
    this.metrics.totalFailures++;
    this.lastFailureTime = Date.now();
    this.failureCount++;
    if (this.state === 'HALF_OPEN' || this.failureCount >= this.failureThreshold) this.transition('OPEN');
  }

  transition(to) {
    this.metrics.stateChanges.push({ from: this.state, to, timestamp: new Date().toISOString() });
    this.state = to;
    this.failureCount = 0;
    this.successCount = 0;
  }
}
