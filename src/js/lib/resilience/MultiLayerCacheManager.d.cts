import { DiskCacheLayer, type DiskCacheLayerOptions, type DiskCacheLayerStats } from './DiskCacheLayer.cjs';
import { MemoryCacheLayer, type MemoryCacheLayerStats } from './MemoryCacheLayer.cjs';

export interface MultiLayerOptions {
  /** False leaves the layer out. */
  memory?: false | {
    /** Entries at most. @default 500 */
    maxSize?: number;
    /** Milliseconds an entry lives, in memory and by default on disk. @default 5000 */
    ttl?: number;
  };
  /** False leaves the layer out. */
  disk?: false | DiskCacheLayerOptions;
}

export interface LoadOptions<T> {
  /** Milliseconds the value lives, or what says it for a value. @default memory.ttl */
  ttl?: number | ((value: T) => number);
  /** Milliseconds an expired value may stand in for a new one. @default 0 */
  graceMs?: number;
  /** Milliseconds to wait for a new value before the expired one is served. @default 0, it is served at once */
  softTimeoutMs?: number;
  /** Milliseconds to wait at all, then reject (`code` `ERR_TOOLOO_TIMEOUT`); the load goes on. @default as long as it takes */
  hardTimeoutMs?: number;
  /** Milliseconds for which `null` and `undefined` are remembered. @default `ttl` for null, not at all for undefined */
  negativeTtlMs?: number;
  /** Tags by which the value can be invalidated. */
  tags?: Iterable<string>;
  /** Gives up for this caller; the loader's own signal says when nobody waits any more. */
  signal?: AbortSignal;
  /** True or a number: load anew before the value expires, the likelier the nearer that is (XFetch). @default false */
  earlyRefresh?: boolean | number;
}

export interface StoreOptions {
  tags?: Iterable<string>;
  /** Milliseconds an expired value may stand in for a new one. @default 0 */
  graceMs?: number;
}

export type CacheLayerName = 'memory' | 'disk';

export interface MultiLayerStats {
  memoryHits: number;
  diskHits: number;
  misses: number;
  writes: number;
  deletes: number;
  promotions: number;
  invalidations: number;
  memory: MemoryCacheLayerStats | null;
  disk: DiskCacheLayerStats | null;
  /** `'50.00%'`, or `'N/A'` before the first lookup. */
  overallHitRate: string;
}

/** Memory over disk. Nothing rejects, but for {@link invalidateMatching} and {@link invalidateAll}. */
export declare class MultiLayerCacheManager {
  constructor(options?: MultiLayerOptions);
  memory: MemoryCacheLayer | null;
  disk: DiskCacheLayer | null;
  /** Key → the keys that depend on it. */
  dependencies: Map<unknown, Set<unknown>>;
  invalidationListeners: Map<string, Set<(key: any) => unknown>>;
  stats: Omit<MultiLayerStats, 'memory' | 'disk' | 'overallHitRate'>;
  /** `ttl` in milliseconds. */
  set(key: unknown, value: unknown, ttl?: number, layers?: readonly CacheLayerName[] | CacheLayerName, options?: StoreOptions): Promise<boolean>;
  /** Undefined on a miss. */
  get<T = any>(key: unknown): Promise<T | undefined>;
  has(key: unknown): Promise<boolean>;
  /** Removes a key and what depends on it. */
  invalidate(key: unknown): Promise<boolean>;
  /** `*` is any run of characters. False for what is no pattern. */
  invalidatePattern(pattern: string): Promise<boolean>;
  /** As {@link invalidatePattern}; how many keys matched. */
  invalidateMatching(pattern: string): Promise<number>;
  /** Removes keys and what depends on them, each once: how many. */
  invalidateAll(keys: Iterable<unknown>): Promise<number>;
  /**
   * The value of a key, or what `loader` makes of it, which is stored. One load at a time for a key, whose callers get the
   * very same value. An expired value within its grace is served while the load runs, and when it fails.
   */
  getOrSet<T>(key: unknown, loader: (key: any, context: { signal: AbortSignal }) => T | Promise<T>, options?: LoadOptions<T>): Promise<T>;
  /** Makes everything old that was stored with the tag, in one step however much it is. */
  invalidateTag(tag: string): Promise<void>;
  registerDependency(dependentKey: unknown, independentKey: unknown): void;
  setInvalidationListener(pattern: string, callback: (key: any) => unknown): void;
  removeInvalidationListener(pattern: string, callback: (key: any) => unknown): void;
  /** When the value of a key in memory was written, in milliseconds since 1970. */
  writtenAt(key: unknown): number | undefined;
  getStats(): Promise<MultiLayerStats>;
  /** Removes what has expired. */
  optimize(): Promise<boolean>;
  destroy(): void;
}
export default MultiLayerCacheManager;
