import type { Measured } from '../../metrics/measured.cjs';
import type { EncryptionOptions } from '../persistent-cache.cjs';

export interface DiskCacheLayerOptions extends Measured {
  /** The folder of the files; where a file of that name is in the way, a folder beside it. @default './cache/default.db' */
  dbPath?: string;
  /** Characters of JSON from which on a value counts as compressed. @default 1024 */
  compressionThreshold?: number;
  /** Milliseconds from one removal of expired values to the next. @default 300000 */
  cleanupInterval?: number;
  /** Bytes on disk at most. @default 104857600 */
  maxDbSize?: number;
  /** Encrypts the files, as in PersistentCache. @default none */
  encryption?: EncryptionOptions;
}

export interface DiskCacheLayerStats {
  reads: number;
  writes: number;
  deletes: number;
  cleanups: number;
  compressions: number;
  hits: number;
  misses: number;
  /** Bytes. */
  currentSize: number;
  currentEntries: number;
  /** `'50.00%'`, or `'N/A'` before the first lookup. */
  hitRate: string;
}

/** A cache on disk, in the files of PersistentCache. Nothing rejects. */
export declare class DiskCacheLayer {
  constructor(options?: DiskCacheLayerOptions);
  dbPath: string;
  compressionThreshold: number;
  cleanupInterval: number;
  maxDbSize: number;
  stats: Omit<DiskCacheLayerStats, 'currentEntries' | 'hitRate'>;
  /** `ttl` in milliseconds. @default 3600000 */
  set(key: unknown, value: unknown, ttl?: number): Promise<void>;
  /** A fresh copy, or undefined on a miss. */
  get<T = any>(key: unknown): Promise<T | undefined>;
  has(key: unknown): Promise<boolean>;
  /** True, also where there was nothing. */
  delete(key: unknown): Promise<boolean>;
  /** The keys that are there, those that are strings. Reads every file. */
  keys(): Promise<string[]>;
  getStats(): Promise<DiskCacheLayerStats>;
  /** Removes what has expired. */
  vacuum(): Promise<void>;
  /** Resolves when everything accepted so far is in its file. */
  flush(): Promise<void>;
  /** From now on nothing is found and nothing stored; what was accepted is still written. */
  destroy(): void;
}
export default DiskCacheLayer;
