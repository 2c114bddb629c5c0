/** One cache for the whole process, of at most 10,000 entries; the least recently used go first. */
export interface CacheManager {
  /** Keeps `value` for `ttlSeconds` (default 300); 0 and less: not at all. Returns `value`. */
  set<T>(key: unknown, value: T, ttlSeconds?: number): T;
  /** `null` where there is nothing. */
  get<T = unknown>(key: unknown): T | null;
  /** The parts joined with `:`; `null` and `undefined` are left out, a colon or backslash in a part is escaped. */
  key(...parts: unknown[]): string;
  /** Deletes the entries whose key contains `pattern`; all without one. */
  clear(pattern?: string | null): void;
  stats(): { activeKeys: number; expiredKeys: number; totalSize: number };
  /** Deletes what has expired. */
  prune(): void;
}
export declare const cacheManager: CacheManager;
export default cacheManager;
