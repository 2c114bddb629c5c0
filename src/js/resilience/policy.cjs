'use strict';
// Several ways of staying up around one function. From outside in: fallback, retry, bulkhead, breaker, hedge, time
// limit, the function.

const { native } = require('../addon.cjs');
const { limited } = require('./attempt.cjs');
const { RetryBudget } = require('./budget.cjs');
const { Bulkhead } = require('./bulkhead.cjs');
const { HedgePlan, hedge } = require('./hedge.cjs');
const { CircuitBreaker } = require('../lib/circuit-breaker.cjs');
const { retry } = require('../lib/retry-policy.cjs');

/** As long as a timer can hold: the part has no limit of its own. */
const NO_LIMIT = 2147483647;

/** Each takes a function of a signal and gives one. The inner ones come first. */
function layersOf({ timeoutMs, hedge: hedging, breaker, bulkhead, retry: retrying }) {
  const layers = [];
  if (timeoutMs !== undefined) layers.push((inner) => (signal) => limited((own) => inner(own), timeoutMs, signal));
  if (hedging) {
    const plan = new HedgePlan(hedging);
    layers.push((inner) => (signal) => plan.run(inner, signal));
  }
  if (breaker) {
    const own = typeof breaker.execute === 'function' ? breaker : new CircuitBreaker('policy', breaker);
    layers.push((inner) => (signal) => own.execute(() => inner(signal), { timeout: NO_LIMIT }));
  }
  if (bulkhead) {
    const own = typeof bulkhead.execute === 'function' ? bulkhead : new Bulkhead(bulkhead);
    layers.push((inner) => (signal) => own.execute(inner, { signal }));
  }
  if (retrying) {
    const options = { timeout: NO_LIMIT, ...retrying };
    layers.push((inner) => (signal) => retry((own) => inner(own), { ...options, signal }));
  }
  return layers;
}

/** `{ execute(fn, { signal }) }` */
function policy(options = {}) {
  const layers = layersOf(options);
  const { fallback } = options;
  // Bad options are told when the policy is made, not at its first call.
  if (options.timeoutMs !== undefined) native.policyLimit(options.timeoutMs);
  return {
    async execute(fn, { signal } = {}) {
      if (signal?.aborted) throw signal.reason;
      const innermost = (own) => fn(own ?? new AbortController().signal);
      const run = layers.reduce((inner, layer) => layer(inner), innermost);
      try {
        return await run(signal);
      } catch (error) {
        if (fallback === undefined || signal?.aborted) throw error;
        return typeof fallback === 'function' ? fallback(error) : fallback;
      }
    },
  };
}

module.exports = { Bulkhead, RetryBudget, hedge, policy };
