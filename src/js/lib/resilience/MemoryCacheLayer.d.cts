import type { Measured } from '../../metrics/measured.cjs';

export interface MemoryCacheLayerOptions extends Measured {
  /** Entries at most. @default 1000 */
  maxSize?: number;
  /** Milliseconds an entry lives. @default 300000 */
  defaultTTL?: number;
}

export interface MemoryCacheEntry<V = any> {
  value: V;
  /** Milliseconds since 1970; Infinity for never. */
  expiresAt: number;
  ttl: number;
}

export interface MemoryCacheLayerStats {
  hits: number;
  misses: number;
  evictions: number;
  writes: number;
  deletes: number;
  expirations: number;
  currentSize: number;
  /** `'50.00%'`, or `'N/A'` before the first lookup. */
  hitRate: string;
}

/** A cache in memory that forgets what was not used for longest. */
export declare class MemoryCacheLayer<V = any> {
  constructor(options?: MemoryCacheLayerOptions);
  maxSize: number;
  defaultTTL: number;
  cache: Map<unknown, MemoryCacheEntry<V>>;
  stats: Omit<MemoryCacheLayerStats, 'hitRate'>;
  /** `ttl` in milliseconds; zero or less removes the key, Infinity is for ever. */
  set(key: unknown, value: V, ttl?: number): void;
  /** Undefined on a miss. */
  get(key: unknown): V | undefined;
  /** Counts as neither hit nor miss, and as no use. */
  has(key: unknown): boolean;
  delete(key: unknown): boolean;
  clear(): void;
  getStats(): MemoryCacheLayerStats;
  /** A whole number from 0 on. */
  setMaxSize(size: number): void;
  /** Stops the timer and empties the cache, which can still be used. */
  destroy(): void;
}
export default MemoryCacheLayer;
