import type { Measured } from '../../metrics/measured.cjs';
import type { IntelligentRouterOptions } from './IntelligentRouter.cjs';

export type BalancingAlgorithm =
  | 'round-robin'
  | 'least-connections'
  | 'least-request'
  | 'random'
  | 'p2c-ewma'
  | 'smooth-weighted-round-robin'
  | 'consistent-hash';

/** As a router's. Failures come from `done` and `recordFailure`; a target's zone stands beside its id. */
export type LoadBalancerOptions = Pick<
  IntelligentRouterOptions,
  'outlier' | 'panicThreshold' | 'slowStartMs' | 'zone' | 'zoneThreshold' | 'hashBound' | 'seed' | 'name' | 'metrics'
>;

export interface ChoiceOptions {
  /** For `consistent-hash`: the same key goes to the same target. */
  key?: string | number;
}

export interface BalancerTarget {
  id: unknown;
  /** Share of the requests, for the algorithms that know weights. @default 1 */
  weight?: number;
  /** Where it is; see the option `zone`. */
  zone?: string;
}

export interface TargetStats {
  requests: number;
  /** Milliseconds, the newest half and half with what was before. */
  latency: number;
}

/** Chooses among targets. */
export declare class LoadBalancer<T extends BalancerTarget = BalancerTarget> {
  /** Any other name takes the first target. */
  constructor(algorithm?: BalancingAlgorithm | (string & {}), options?: LoadBalancerOptions);
  targets: T[];
  algorithm: string;
  roundRobinIndex: number;
  stats: { requestsServed: number; targetStats: Map<unknown, TargetStats> };
  /** Adding an id again resets its statistics. */
  addTarget(target: T): void;
  removeTarget(id: unknown): void;
  /** Nothing new for a target; resolves once nothing is under way there. It stays in the list until it is removed. */
  drainTarget(id: unknown): Promise<void>;
  /** The very object that was added; `null` where no target is available. */
  nextTarget(options?: ChoiceOptions): T | null;
  /**
   * The next target, counted as busy until `done` is called. An error counts as a failure, an `AbortError` as no request
   * at all.
   */
  acquire(options?: ChoiceOptions): { target: T; done(latencyMs?: number, error?: unknown): void } | null;
  recordRequest(id: unknown, latencyMs?: number): void;
  /** A request that `nextTarget` chose a target for has failed. */
  recordFailure(id: unknown): void;
  setAlgorithm(algorithm: BalancingAlgorithm | (string & {})): void;
  /** Begins the round anew. */
  rebalance(): void;
  getStats(): {
    requestsServed: number;
    /** Live; a Map, so JSON shows nothing of it. */
    targetStats: Map<unknown, TargetStats>;
    activeTargets: number;
    /** Those that may be chosen: neither ejected nor draining. */
    availableTargets: number;
    /** The same as a plain object. */
    byTarget: Record<string, TargetStats>;
  };
}
export default LoadBalancer;
