import type { RetryBudget } from '../resilience/policy.cjs';

export interface RetryOptions {
  /** Calls in all, at least 1. @default 3 */
  maxAttempts?: number;
  /** Milliseconds before the second call; doubled for each further one. @default 100 */
  backoffMs?: number;
  /** `true`: half of a delay is random; `'decorrelated'`: it grows at random from the one before. @default true */
  jitter?: boolean | 'decorrelated';
  /** Milliseconds one call may take; 0 is over at once. @default 5000 */
  timeout?: number;
  /** The longest delay in milliseconds; an error whose `Retry-After` asks for more is final. @default Infinity */
  maxDelayMs?: number;
  /** Gives up: the call under way, and the wait for the next one. */
  signal?: AbortSignal;
  /** Shared by many calls: without anything left in it an error is final. */
  budget?: RetryBudget;
  /** Called before each wait; what it throws replaces the error. */
  onRetry?: ((attempt: number, error: unknown, delayMs: number) => void) | null;
  /** Decides instead of the built-in rules; asked after the last attempt too, which is then final all the same. */
  shouldRetry?: ((error: unknown, attempt: number, maxAttempts: number) => unknown) | null;
}

/**
 * Calls `fn` until it succeeds, the error is final or the attempts are used up; rejects with the last error, unchanged.
 * A function that takes a parameter gets a signal that is aborted when its time is over.
 */
export declare function retry<T>(fn: (signal: AbortSignal) => T | PromiseLike<T>, options?: RetryOptions | null): Promise<T>;
export default retry;
