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
  set(key: unknown, value: unknown, ttl?: number, layers?: readonly CacheLayerName[] | CacheLayerName): Promise<boolean>;
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
