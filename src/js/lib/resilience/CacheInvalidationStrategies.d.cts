/** What the strategies work on: a `MultiLayerCacheManager`, or anything alike. */
export interface InvalidatableCache {
  invalidate(key: any): Promise<unknown> | unknown;
  invalidatePattern(pattern: string): Promise<unknown> | unknown;
  setInvalidationListener?(pattern: string, callback: (key: any) => unknown): void;
  invalidateMatching?(pattern: string): Promise<number>;
  invalidateAll?(keys: Iterable<unknown>): Promise<number>;
}

export interface InvalidationStats {
  cascades: number;
  /** Keys that matched a pattern and were invalidated. */
  patternMatches: number;
  eventTriggered: number;
  /** Keys on which others depend. */
  totalDependencies: number;
  totalEventMappings: number;
}

/** What has to go together. Nothing rejects. */
export declare class CacheInvalidationStrategies {
  constructor(cacheManager?: InvalidatableCache);
  cache: InvalidatableCache;
  eventMap: Map<string, Set<string>>;
  dependencyGraph: Map<unknown, Set<unknown>>;
  reverseDependencyGraph: Map<unknown, Set<unknown>>;
  stats: Pick<InvalidationStats, 'cascades' | 'patternMatches' | 'eventTriggered'>;
  registerDependency(key: unknown, dependsOnKey: unknown): void;
  /** The key and what depends on it: how many. */
  invalidateWithDependents(key: unknown): Promise<number>;
  registerEventMapping(sourcePattern: string, ...patterns: string[]): void;
  /** How many target patterns were invalidated. */
  triggerEventInvalidation(key: unknown): Promise<number>;
  setInvalidationListener(pattern: string, callback: (key: any) => unknown): void;
  /** How many keys there were. */
  batchInvalidate(keys: Iterable<unknown>): Promise<number>;
  analyzeDependencies<K = unknown>(key: K): { key: K; directlyDependsOn: unknown[]; directlyDependents: unknown[]; impactChain: unknown[] };
  getStats(): InvalidationStats;
}
export default CacheInvalidationStrategies;
