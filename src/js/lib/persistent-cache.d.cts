import type { Measured } from '../metrics/measured.cjs';
import type { BusOptions, RemoteOptions, RemoteStats } from './resilience/MultiLayerCacheManager.cjs';

/** A key of 32 bytes: a Buffer, 64 hex digits, or base64. */
export type EncryptionKey = Uint8Array | string;

/** How what leaves the process is encrypted. */
export interface EncryptionOptions {
  /** Both are opened whatever is set here. @default 'aes-256-gcm' */
  algorithm?: 'aes-256-gcm' | 'chacha20-poly1305';
  /** The key that seals and opens. */
  key?: EncryptionKey;
  /** In place of `key`: the first seals, all of them open. To exchange a key, put the new one in front. */
  keys?: readonly EncryptionKey[];
}

/** Options of a {@link PersistentCache}. Falsy numbers mean the default. Unknown options are ignored. */
export interface PersistentCacheOptions extends Measured {
  /** Folder of the files; made when missing. @default `<cwd>/data/cache` */
  cacheDir?: string;
  /** How long an item counts, in milliseconds. `Infinity` = for ever; what is no number means the default. @default 3600000 */
  ttl?: number;
  /** gzip the files; off only when strictly `false`. @default true */
  compress?: boolean;
  /** gzip level, 1 (fast) to 9. @default 1 */
  compressionLevel?: number;
  /** The most values in this instance's memory. @default 1000 */
  maxMemoryItems?: number;
  /** The most characters of JSON that the values in this instance's memory stand for. @default unbounded */
  maxMemoryBytes?: number;
  /** The most bytes on disk; the files used longest ago go. Counts for every instance on the folder. @default unbounded */
  maxDiskBytes?: number;
  /** Bytes of the tier that all instances and worker threads on the folder share; the first of them decides. @default 33554432 */
  sharedMemoryBytes?: number;
  /** Keeps the keys, `clear()` and `getSize()` apart from other namespaces in `cacheDir`, in a folder of its own. */
  namespace?: string;
  /**
   * Encrypts the files. The times stand in the clear, key and value do not; a file's name is a hash of the key. Files that
   * are not encrypted, or with a key that is not in the list, are misses and are left alone. @default none
   */
  encryption?: EncryptionOptions;
  /** A Valkey or Redis server that processes share, below the files. @default none */
  remote?: false | RemoteOptions;
  /** Tells other processes what is old, and hears it from them: docs/consistency.md. @default false */
  bus?: boolean | BusOptions;
}

/** An item as `memoryCache` and the files hold it. */
export interface CacheItem<T = unknown> {
  key: string;
  value: T;
  /** Milliseconds since the epoch; `null` or `Infinity` = never. */
  expiresAt: number | null;
  /** Milliseconds since the epoch. */
  createdAt: number;
  /** Until when the item may stand in for a newer one, if it was set with a grace. */
  staleUntil?: number | null;
}

/** The counters; `resetStats()` replaces them. */
export interface CacheCounters {
  hits: number;
  misses: number;
  writes: number;
  /** Values that came from below this instance's memory. */
  reads: number;
}

/** What `getStats()` returns. */
export interface PersistentCacheStats extends CacheCounters {
  /** `'50.00%'`; `'0%'` without lookups. */
  hitRate: string;
  /** Values in memory. */
  memorySize: number;
  /** The most of them. */
  maxMemory: number;
  /** Values that came from the memory that the process shares, without reading a file. */
  sharedHits: number;
  /** Values that came from the server, with `remote` or `bus`. */
  remoteHits?: number;
  /** Values that had to leave memory for others. */
  evictions: number;
  /** Sets and deletes on this folder that are not on disk yet. */
  pendingWrites: number;
  /** Bytes held by such changes in the whole process. */
  pendingBytes: number;
  /** With `remote` or `bus`. */
  remote?: RemoteStats;
}

/** Options of `getOrSet`. */
export interface GetOrSetOptions {
  /** How long the loaded value counts, in milliseconds. @default the cache's `ttl` */
  ttl?: number;
  /** How long after its expiry a value may be served while it is refreshed or when the loader fails, in milliseconds. @default 0 */
  graceMs?: number;
}

/** A cache in memory and on disk. Values read back from disk are what JSON makes of them. */
export class PersistentCache {
  constructor(options?: PersistentCacheOptions);

  cacheDir: string;
  /** Default time to live, in milliseconds. */
  ttl: number;
  compress: boolean;
  memoryCache: Map<unknown, CacheItem>;
  maxMemoryItems: number;
  stats: CacheCounters;

  /** Makes the folder; called by the constructor, never needs to be awaited. */
  init(): Promise<void>;
  /** The stored value, the very object while it is in memory; `null` when there is none or it expired. */
  get<T = any>(key: string): Promise<T | null>;
  /**
   * Stores a value for `ttl` milliseconds. Resolves before the file is written; see {@link flush}. A `ttl` of zero or
   * less removes the key.
   */
  set(key: string, value: unknown, ttl?: number, options?: { graceMs?: number }): Promise<void>;
  /** Removes a key; resolves when its file is gone. */
  delete(key: string): Promise<void>;
  /** Removes every item of this folder; resolves when the files are gone. */
  clear(): Promise<void>;
  /** Removes expired items; how many there were in memory and on disk together. */
  cleanup(): Promise<number>;
  /** Bytes on disk. */
  getSize(): Promise<number>;
  getStats(): PersistentCacheStats;
  resetStats(): void;
  /** Where the key's file is or would be. */
  getFilePath(key: string): string;
  /** The item in a file; rejects when there is none. */
  readFromDisk(filePath: string): Promise<CacheItem>;
  /** Writes an item; resolves when the file is there. */
  writeToDisk(key: string, item: CacheItem): Promise<void>;
  /** Truthy when the item expired. */
  isExpired(item: CacheItem): unknown;

  /** Whether `get` would find a value. Counts as neither hit nor miss. */
  has(key: string): Promise<boolean>;
  /** The values of several keys, in their order, `null` for each miss. */
  getMany<T = any>(keys: Iterable<string>): Promise<(T | null)[]>;
  /** Stores several values: pairs, a `Map`, or an object. */
  setMany(entries: Iterable<readonly [string, unknown]> | Record<string, unknown>, ttl?: number): Promise<void>;
  /**
   * The value of a key, or what `loader` makes of it. One loader runs at a time for a key. With `graceMs`, an expired
   * value is served at once while the loader refreshes it, and goes on being served for that long when it fails.
   * A result of `undefined` is not stored. Rejects with the loader's error when there is nothing to serve.
   */
  getOrSet<T>(key: string, loader: (key: string) => T | Promise<T>, options?: GetOrSetOptions): Promise<T>;
  /** Resolves when everything accepted so far is in its file. */
  flush(): Promise<void>;
  /** `flush()`, and from now on nothing is found and nothing stored. */
  close(): Promise<void>;
  /** {@link close}, for `await using`; on Node 18 under `Symbol.for('nodejs.asyncDispose')`. */
  [Symbol.asyncDispose](): Promise<void>;
}

export default PersistentCache;
