export type BalancingAlgorithm =
  | 'round-robin'
  | 'least-connections'
  | 'least-request'
  | 'random'
  | 'p2c-ewma'
  | 'smooth-weighted-round-robin';

export interface BalancerTarget {
  id: unknown;
  /** Share of the requests, for the algorithms that know weights. @default 1 */
  weight?: number;
}

export interface TargetStats {
  requests: number;
  /** Milliseconds, the newest half and half with what was before. */
  latency: number;
}

/** Chooses among targets. */
export declare class LoadBalancer<T extends BalancerTarget = BalancerTarget> {
  /** Any other name takes the first target. `seed` repeats every random choice. */
  constructor(algorithm?: BalancingAlgorithm | (string & {}), options?: { seed?: number });
  targets: T[];
  algorithm: string;
  roundRobinIndex: number;
  stats: { requestsServed: number; targetStats: Map<unknown, TargetStats> };
  /** Adding an id again resets its statistics. */
  addTarget(target: T): void;
  removeTarget(id: unknown): void;
  /** The very object that was added; `null` without targets. */
  nextTarget(): T | null;
  /** The next target, counted as busy until `done` is called. */
  acquire(): { target: T; done(latencyMs?: number): void } | null;
  recordRequest(id: unknown, latencyMs?: number): void;
  setAlgorithm(algorithm: BalancingAlgorithm | (string & {})): void;
  /** Begins the round anew. */
  rebalance(): void;
  getStats(): {
    requestsServed: number;
    /** Live; a Map, so JSON shows nothing of it. */
    targetStats: Map<unknown, TargetStats>;
    activeTargets: number;
    /** The same as a plain object. */
    byTarget: Record<string, TargetStats>;
  };
}
export default LoadBalancer;
