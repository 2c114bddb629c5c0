import type { Measured } from '../metrics/measured.cjs';
import type { CircuitBreaker, CircuitBreakerOptions } from '../lib/circuit-breaker.cjs';
import type { RetryOptions } from '../lib/retry-policy.cjs';

export interface BulkheadOptions extends Measured {
  /** Calls at once. @default 10 */
  maxConcurrent?: number;
  /** Calls waiting for a place. @default 0 */
  maxQueue?: number;
}

/** So many calls at once and so many waiting; beyond that `ERR_TOOLOO_QUEUE_FULL`. */
export declare class Bulkhead {
  constructor(options?: BulkheadOptions);
  /** Calls under way. */
  readonly active: number;
  /** Calls waiting. */
  readonly waiting: number;
  execute<T>(fn: (signal: AbortSignal | undefined) => T | PromiseLike<T>, options?: { signal?: AbortSignal }): Promise<T>;
}

export interface RetryBudgetOptions extends Measured {
  /** Repetitions for each call. @default 0.2 */
  ratio?: number;
  /** Repetitions a second that are always there. @default 10 */
  minPerSecond?: number;
  /** Milliseconds a call counts. @default 10000 */
  windowMs?: number;
}

/** A budget of repetitions that many calls share. */
export declare class RetryBudget {
  constructor(options?: RetryBudgetOptions);
  /** A call was made. */
  deposit(): void;
  /** Takes one repetition; `false` when none is left. */
  withdraw(): boolean;
  /** How many are left. */
  readonly balance: number;
}

export interface HedgeOptions {
  /** Milliseconds until a second call is made. One of this and `percentile` is needed. */
  delayMs?: number;
  /** As long as this share of the last 100 calls took, in percent, 1 to 99.99. */
  percentile?: number;
  /** Calls beside the first one, 1 to 10. @default 1 */
  maxHedges?: number;
}

/** Calls `fn`, and once more when it is slow; the first success wins, the others' signals are aborted. */
export declare function hedge<T>(
  fn: (signal: AbortSignal) => T | PromiseLike<T>,
  options: HedgeOptions & { signal?: AbortSignal },
): Promise<T>;

export interface PolicyOptions<F = never> {
  /** Milliseconds of one call. @default none */
  timeoutMs?: number;
  hedge?: HedgeOptions;
  breaker?: CircuitBreaker | CircuitBreakerOptions;
  bulkhead?: Bulkhead | BulkheadOptions;
  retry?: RetryOptions;
  /** A value, or a function of the error, for when all else failed. */
  fallback?: F | ((error: unknown) => F | PromiseLike<F>);
}

/** Composes, from outside in: fallback, retry, bulkhead, breaker, hedge, time limit, the function. */
export declare function policy<F = never>(options?: PolicyOptions<F>): {
  execute<T>(fn: (signal: AbortSignal) => T | PromiseLike<T>, options?: { signal?: AbortSignal }): Promise<T | F>;
};
