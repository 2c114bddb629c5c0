import type { Cdn, CdnOptions } from '../../cache/cdn.cjs';
import type { EncryptionOptions } from '../persistent-cache.cjs';
import type { Measured } from '../../metrics/measured.cjs';
import { DiskCacheLayer, type DiskCacheLayerOptions, type DiskCacheLayerStats } from './DiskCacheLayer.cjs';
import { MemoryCacheLayer, type MemoryCacheLayerStats } from './MemoryCacheLayer.cjs';

export interface MultiLayerOptions extends Measured {
  /** False leaves the layer out. */
  memory?: false | {
    /** Entries at most. @default 500 */
    maxSize?: number;
    /** Milliseconds an entry lives, in memory and by default on disk. @default 5000 */
    ttl?: number;
  };
  /** False leaves the layer out. */
  disk?: false | DiskCacheLayerOptions;
  /** A Valkey or Redis server that processes share. @default none */
  remote?: false | RemoteOptions;
  /** Tells the other processes what is old, and hears it from them: docs/consistency.md. @default false */
  bus?: boolean | BusOptions;
  /**
   * The tier in front: what is invalidated by key (`invalidate`, `invalidateAll`, and of a pattern what this process knows) or by
   * tag is purged there, after it is gone everywhere below. A failure is the `Cdn`'s event `failed`. @default none
   */
  cdn?: false | CdnOptions | Cdn;
  /** Encrypts what is on disk and on the server; each of them can have its own instead. @default none */
  encryption?: EncryptionOptions;
}

/** Where Valkey or Redis is. Caches that name the same address share one connection: of a worker thread, or of the process. */
export interface EngineOptions {
  /**
   * `redis://user:password@host:6379/0`, `rediss://` with TLS, `valkey://`, `valkeys://`, `unix:///path`;
   * `redis+cluster://host,host`; `redis+sentinel://host,host/master/0`. Never part of an error or a log.
   */
  url: string;
  /** Stands before every key. @default 'tooloo:cache:' */
  prefix?: string;
  /** Milliseconds a call may take; the first that takes longer opens the circuit, and then none takes any. @default 250 */
  timeoutMs?: number;
  /** Milliseconds making a connection may take. @default 2000 */
  connectTimeoutMs?: number;
  /** The authority's certificate as PEM, for TLS. @default the system's */
  ca?: string;
  /** A file with it. */
  caFile?: string;
}

export interface RemoteOptions extends EngineOptions {
  /** Bytes of JSON above which a value is compressed. @default 1024 */
  compressAboveBytes?: number;
  /** Encrypts values, not keys. @default none */
  encryption?: EncryptionOptions;
  /** Keys and tags that are remembered for repair while the server is away. @default 10000 */
  maxRepairs?: number;
  /** Bytes of values among them. @default 16 MiB */
  maxRepairBytes?: number;
  /** Milliseconds after which the lease of a process that has died is free (`lock: 'distributed'`). @default 5000 */
  leaseMs?: number;
  /**
   * Where the socket is: on Node's own loop, which is fastest, or on a thread of the package's own, which costs a call two
   * changes of thread. Large and compressed values are encoded and decoded on the thread in either case. TLS, clusters,
   * sentinels, Bun, Deno and Windows have the thread. @default 'loop'
   */
  transport?: 'loop' | 'thread';
}

export interface BusOptions extends Partial<EngineOptions> {
  /** Caches on the same channel hear of each other. @default 'default' */
  channel?: string;
  /**
   * Milliseconds for which a value of this process is served after it was last known to be right, while the process is not
   * in step with the bus: no read is older than that after an acknowledged invalidation. @default 2000
   */
  maxStaleMs?: number;
}

export interface RemoteStats {
  /** Whether the server answers, as far as is known. */
  isUp: boolean;
  /** Whether everything acknowledged elsewhere is known here; null without a bus. */
  inStep: boolean | null;
  /** Keys and tags that the server is to be told when it is back. */
  pendingRepairs: number;
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
  /**
   * `distributed`: one load in all processes on the remote tier. Who has the lease loads, the others wait for the value; each
   * loads for itself while the server is away. @default 'local', one load in this process
   */
  lock?: 'local' | 'distributed';
}

export interface LoadContext {
  /** Aborts when nobody waits any more. */
  signal: AbortSignal;
  /** With `lock: 'distributed'`: grows with every lease of the key, for what the loader itself writes elsewhere. */
  fencingToken?: string;
}

export interface StoreOptions {
  tags?: Iterable<string>;
  /** Milliseconds an expired value may stand in for a new one. @default 0 */
  graceMs?: number;
}

export type CacheLayerName = 'memory' | 'disk' | 'remote';

export interface MultiLayerStats {
  memoryHits: number;
  diskHits: number;
  /** With a remote tier or a bus. */
  remoteHits?: number;
  misses: number;
  writes: number;
  deletes: number;
  promotions: number;
  invalidations: number;
  memory: MemoryCacheLayerStats | null;
  disk: DiskCacheLayerStats | null;
  /** With a remote tier or a bus. */
  remote?: RemoteStats;
  /** `'50.00%'`, or `'N/A'` before the first lookup. */
  overallHitRate: string;
}

/** Memory over disk over a server that processes share. Nothing rejects, but for {@link invalidateMatching} and {@link invalidateAll}. */
export declare class MultiLayerCacheManager {
  constructor(options?: MultiLayerOptions);
  memory: MemoryCacheLayer | null;
  disk: DiskCacheLayer | null;
  /** Key → the keys that depend on it. */
  dependencies: Map<unknown, Set<unknown>>;
  invalidationListeners: Map<string, Set<(key: any) => unknown>>;
  stats: Omit<MultiLayerStats, 'memory' | 'disk' | 'remote' | 'overallHitRate'>;
  /** `ttl` in milliseconds. */
  set(key: unknown, value: unknown, ttl?: number, layers?: readonly CacheLayerName[] | CacheLayerName, options?: StoreOptions): Promise<boolean>;
  /** Undefined on a miss. */
  get<T = any>(key: unknown): Promise<T | undefined>;
  has(key: unknown): Promise<boolean>;
  /**
   * Removes a key and what depends on it. True: no process serves it for longer than the bound of docs/consistency.md.
   * False: it is gone from this process, and from the others as soon as the server is back.
   */
  invalidate(key: unknown): Promise<boolean>;
  /** As {@link invalidate}, for every key that matches; `*` is any run of characters. False also for what is no pattern. */
  invalidatePattern(pattern: string): Promise<boolean>;
  /** As {@link invalidatePattern}; how many keys matched. */
  invalidateMatching(pattern: string): Promise<number>;
  /** Removes keys and what depends on them, each once: how many. */
  invalidateAll(keys: Iterable<unknown>): Promise<number>;
  /**
   * The value of a key, or what `loader` makes of it, which is stored. One load at a time for a key, whose callers get the
   * very same value. An expired value within its grace is served while the load runs, and when it fails.
   */
  getOrSet<T>(key: unknown, loader: (key: any, context: LoadContext) => T | Promise<T>, options?: LoadOptions<T>): Promise<T>;
  /** Makes everything old that was stored with the tag, in one step however much it is. True and false as {@link invalidate}. */
  invalidateTag(tag: string): Promise<boolean>;
  /** Tells other processes of an event, with the patterns that were removed here because of it. */
  publishEvent(key: unknown, done?: readonly string[]): Promise<boolean>;
  /** Calls back with the events of other processes. */
  onEvent(listener: (key: string, done: string[]) => unknown): void;
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
