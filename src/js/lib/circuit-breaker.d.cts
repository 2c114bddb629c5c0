import type { Measured } from '../metrics/measured.cjs';

/** What a breaker's circuit is. */
export type CircuitState = 'CLOSED' | 'OPEN' | 'HALF_OPEN';

export interface CircuitBreakerOptions extends Measured {
  /** Failures in a row that open the circuit. @default 5 */
  failureThreshold?: number;
  /** Successful probes that close it. @default 2 */
  successThreshold?: number;
  /** Milliseconds from the last failure to the first probe. @default 30000 */
  resetTimeout?: number;
  /** Stands in for an absent `resetTimeout`. */
  resetTimeoutMs?: number;
  /** What the wait is multiplied with for each probe that failed in a row, 1 to 100. @default 1 */
  resetTimeoutFactor?: number;
  /** The longest such wait, in milliseconds. @default 300000 */
  maxResetTimeoutMs?: number;
  /** How many probes may be under way at once while half-open. @default 1 */
  halfOpenProbes?: number;
  /**
   * Rates over the latest calls open the circuit too, beside failures in a row. `size` is a number of calls
   * (default 100) or, for `'time'`, milliseconds (default 60000).
   */
  window?: { kind?: 'count' | 'time'; size?: number };
  /** The share of failed calls in the window that opens the circuit, 0 to 1. @default 0.5 */
  failureRate?: number;
  /** The share of slow calls in the window that opens the circuit, 0 to 1. @default 1 */
  slowCallRate?: number;
  /** Milliseconds from which on a call is slow. @default none is */
  slowCallMs?: number;
  /** Below so many calls in the window no rate counts. @default 10 */
  minimumCalls?: number;
  /** Whether an error counts as a failure. What does not counts as a success and is rethrown all the same. */
  isFailure?: (error: unknown) => boolean;
  /** Whether `execute`'s `fallback` is used while the circuit is open. @default false */
  useFallback?: boolean;
}

export interface ExecuteOptions<F = unknown> {
  /** The name of the call in the open error. @default 'unnamed' */
  name?: string;
  /** Milliseconds until the call is given up and counts as a failure. @default 5000 */
  timeout?: number;
  /** With `useFallback`: a value, or a function of the open error, that answers while the circuit is open. */
  fallback?: F | ((error: Error & { code: 'CIRCUIT_BREAKER_OPEN' }) => F | PromiseLike<F>);
}

export interface StateChange {
  from: CircuitState;
  to: CircuitState;
  /** ISO 8601 */
  timestamp: string;
}

export interface CircuitBreakerMetrics {
  totalAttempts: number;
  totalFailures: number;
  totalSuccesses: number;
  /** The last 100. */
  stateChanges: StateChange[];
}

export interface CircuitBreakerState {
  name: string;
  state: CircuitState;
  failureCount: number;
  successCount: number;
  /** ISO 8601; `null` before the first failure. */
  lastFailureTime: string | null;
  lastStateChange: string;
  /** Live. */
  metrics: CircuitBreakerMetrics;
  resetTimeout: number;
  /** Held open by `isolate()`. */
  isolated: boolean;
  /** Milliseconds until a probe may go through; 0 when one may now. */
  nextProbeInMs: number;
  /** Zeros without the option `window`. */
  window: { calls: number; failureRate: number; slowCallRate: number };
}

/** What `JSON.stringify(breaker)` holds and `restore` takes. */
export interface CircuitBreakerSnapshot {
  name: string;
  state: CircuitState;
  failureCount: number;
  successCount: number;
  failureThreshold: number;
  successThreshold: number;
  resetTimeout: number | string;
  lastFailureTime: number | null;
  lastStateChange: number;
  isolated: boolean;
  metrics: CircuitBreakerMetrics;
}

export interface CircuitBreakerEvents {
  open: [change: StateChange];
  halfOpen: [change: StateChange];
  close: [change: StateChange];
  stateChange: [change: StateChange];
  success: [];
  failure: [error: unknown];
  timeout: [error: Error];
  reject: [error: Error];
  fallback: [value: unknown, error: Error];
}

/** What a fallback gave while the circuit was open; the mark keeps it from being cached as a result. */
export interface FallbackResult<F = unknown> {
  readonly isFallback: true;
  readonly value: F;
  /** The open error; not enumerable. */
  readonly reason: Error;
}

/** Stops calling what fails, and tries again with a probe after a while. */
export declare class CircuitBreaker {
  constructor(name?: string, options?: CircuitBreakerOptions);
  static readonly FallbackResult: new <F>(value: F, reason: Error) => FallbackResult<F>;
  name: string;
  state: CircuitState;
  /** Failures in a row; 0 while open. */
  failureCount: number;
  successCount: number;
  failureThreshold: number;
  successThreshold: number;
  resetTimeout: number;
  /** Milliseconds since the epoch. Set it back to let the next call through as a probe. */
  lastFailureTime: number | null;
  lastStateChange: number;
  metrics: CircuitBreakerMetrics;
  /**
   * Calls `fn` unless the circuit is open; then it rejects with `code: 'CIRCUIT_BREAKER_OPEN'`. A function that takes
   * a parameter gets a signal that is aborted when the call times out.
   */
  execute<T, F = never>(
    fn: (signal: AbortSignal) => T | PromiseLike<T>,
    options?: ExecuteOptions<F>,
  ): Promise<[F] extends [never] ? T : T | FallbackResult<F>>;
  onSuccess(durationMs?: number): void;
  onFailure(durationMs?: number): void;
  /** Counts a success of a call that ran elsewhere. */
  recordSuccess(durationMs?: number): void;
  /** Counts a failure of a call that ran elsewhere. */
  recordFailure(durationMs?: number): void;
  transition(newState: CircuitState): void;
  getState(): CircuitBreakerState;
  /** Closes the circuit and keeps `lastFailureTime`. */
  reset(): void;
  /** Opens the circuit and holds it open until `forceClose` or `reset`. */
  isolate(): void;
  forceClose(): void;
  on<E extends keyof CircuitBreakerEvents>(event: E, listener: (...args: CircuitBreakerEvents[E]) => void): this;
  once<E extends keyof CircuitBreakerEvents>(event: E, listener: (...args: CircuitBreakerEvents[E]) => void): this;
  off<E extends keyof CircuitBreakerEvents>(event: E, listener: (...args: CircuitBreakerEvents[E]) => void): this;
  toJSON(): CircuitBreakerSnapshot;
  /** Takes over what `toJSON` gave, here or in another process. */
  restore(saved: CircuitBreakerSnapshot): this;
}
export default CircuitBreaker;
