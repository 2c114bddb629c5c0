import type { Measured } from '../metrics/measured.cjs';

export interface RequestDeduplicatorOptions extends Measured {
  /** Milliseconds a result is kept; negative: not at all. @default 3600000 */
  cacheTTL?: number;
  /** Stands in for an absent `cacheTTL`. */
  ttlMs?: number;
  /** Stored for callers that read it. @default 100 */
  maxConcurrency?: number;
  /** Results kept at most; the least recently used go first. @default 10000 */
  maxEntries?: number;
  /** Milliseconds a run may take before its callers are refused; 0: as long as it likes. @default 0 */
  timeoutMs?: number;
  /** Milliseconds an expired result is still served while it is refreshed. @default 0 */
  staleWhileRevalidateMs?: number;
}

/** What one call may set differently. */
export interface DeduplicateOptions {
  /** Milliseconds; 0 means the instance's, a negative number "do not keep". */
  cacheTTL?: number;
  /** Stands in for an absent `cacheTTL`. */
  ttlMs?: number;
  timeoutMs?: number;
  staleWhileRevalidateMs?: number;
}

export interface DeduplicatorMetrics {
  totalRequests: number;
  /** Callers that joined a run under way. */
  dedupHits: number;
  cacheHits: number;
  /** Callers that started a run. */
  cacheMisses: number;
  /** Those of `cacheHits` that got an expired result while it was refreshed. */
  staleHits: number;
  /** Results dropped because there were too many. */
  evictions: number;
}

export interface DeduplicatorState {
  pendingRequests: number;
  cachedEntries: number;
  /** The same as `cachedEntries`. */
  cacheSize: number;
  /** `'0%'` before the first request, else such as `'66.67%'`. */
  deduplicationHitRate: string;
  /** Live. */
  metrics: DeduplicatorMetrics;
}

/** One run for all who ask for the same key at the same time, and its result for those who ask later. */
export declare class RequestDeduplicator {
  constructor(options?: RequestDeduplicatorOptions);
  pending: Map<unknown, Promise<unknown>>;
  cache: Map<unknown, { result: unknown; until: number }>;
  cacheTTL: number;
  maxConcurrency: number;
  metrics: DeduplicatorMetrics;
  /** A function that takes a parameter gets a signal that is aborted when the run times out. */
  deduplicate<T>(key: unknown, fn: (signal: AbortSignal) => T | PromiseLike<T>, options?: DeduplicateOptions): Promise<T>;
  /** 16 hexadecimal digits. Objects with the same members hash alike, whatever their order. */
  getHash(text: unknown, context?: unknown): string;
  getFromCache<T = unknown>(key: unknown): T | null;
  setCache(key: unknown, result: unknown, ttlMs?: number, staleMs?: number): void;
  cleanExpiredCache(): void;
  /** Forgets everything; a run under way still answers its callers, and its result is not kept. */
  clear(): void;
  getState(): DeduplicatorState;
  /** Stops the cleaning and forgets everything. */
  destroy(): void;
}
export default RequestDeduplicator;
