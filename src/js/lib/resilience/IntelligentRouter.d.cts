import type { Measured } from '../../metrics/measured.cjs';
import { EventEmitter } from 'node:events';
import { IncomingMessage, ServerResponse } from 'node:http';
import { Duplex } from 'node:stream';

export type RoutingAlgorithm =
  | 'weighted-round-robin'
  | 'least-connections'
  | 'least-request'
  | 'latency-aware'
  | 'random'
  | 'p2c-ewma'
  | 'smooth-weighted-round-robin'
  | 'consistent-hash';

export interface OutlierOptions {
  /** Share of failed requests from which on a target is ejected, 0 to 1. @default 0.5 */
  failureRate?: number;
  /** Requests within the interval below which nobody is judged. @default 20 */
  minimumRequests?: number;
  /** Milliseconds over which requests are counted. @default 10000 */
  intervalMs?: number;
  /** Milliseconds of the first ejection; the second takes twice, the third three times as long. @default 30000 */
  baseEjectionMs?: number;
  /** Milliseconds of the longest ejection. @default 300000 */
  maxEjectionMs?: number;
  /** Share of a service's targets that are ejected at most, in percent; one always may be. @default 50 */
  maxEjectionPercent?: number;
}

export interface IntelligentRouterOptions extends Measured {
  /** An unknown name chooses as the default does, and is reported back. @default 'weighted-round-robin' */
  algorithm?: RoutingAlgorithm | (string & {});
  /** Latencies kept for each target. @default 1000 */
  maxHistorySize?: number;
  /** Ejection of targets that fail too often. @default none */
  outlier?: OutlierOptions;
  /** Share of available targets below which all are asked, 0 to 1. @default 0, never */
  panicThreshold?: number;
  /** Milliseconds in which a target that is new or back gets a growing share. @default 0 */
  slowStartMs?: number;
  /** The zone this process is in: its targets are preferred. */
  zone?: string;
  /** Share of the own zone's targets that have to be available for requests to stay in it, 0 to 1. @default 0.5 */
  zoneThreshold?: number;
  /** How many times the mean load a target may have with `consistent-hash`. @default 1.25 */
  hashBound?: number;
  /** Repeats every random choice. */
  seed?: number;
}

export interface TargetPlace {
  /** @default '127.0.0.1' */
  host?: string;
}

/** A live target: `health`, `weight` and `activeConnections` may be set. */
export interface RouterTarget {
  readonly serviceName: string;
  readonly host: string;
  readonly port: number;
  readonly zone?: string;
  readonly targetId: string;
  weight: number;
  /** Exactly `'healthy'` lets requests through. */
  health: string;
  /** Milliseconds since 1970. */
  lastHealthCheck: number;
  /** Requests under way. */
  activeConnections: number;
  /** Milliseconds, oldest first; a copy. */
  readonly latencies: number[];
}

/** A target's breaker; every field may be set. */
export interface TargetCircuit {
  tripped: boolean;
  failureCount: number;
  successCount: number;
  /** Milliseconds since 1970. */
  lastFailure: number | null;
  /** Failures that trip it. @default 5 */
  threshold: number;
  /** Milliseconds until one request tries the target again. @default 60000 */
  timeout: number;
}

export interface Route {
  host: string;
  port: number;
  weight: number;
  serviceName: string;
  targetId: string;
  /**
   * Reading it counts the request as under way; calling it ends that and reports the outcome. An error counts as a failure,
   * an `AbortError` as neither. `latencyMs` is measured where it is not given.
   */
  readonly done: (error?: unknown, latencyMs?: number) => void;
}

export interface RouteOptions {
  /** For `consistent-hash`: the same key goes to the same target. */
  key?: string | number;
  /** Ids of targets to avoid, such as one that has just failed. */
  exclude?: Iterable<string>;
}

export interface ProxyOptions {
  /** Milliseconds until a connection to the target stands. @default 2000 */
  connectTimeoutMs?: number;
  /** Milliseconds without a byte in either direction. @default 60000 */
  timeoutMs?: number;
  /** Further targets that are asked, where that is safe. @default 2 */
  retries?: number;
  /** For `consistent-hash`: a request's key. */
  key?: (request: IncomingMessage) => string | number | undefined;
}

export interface ProxyHandler {
  (request: IncomingMessage, response: ServerResponse): void;
  /** For the server's `upgrade` event. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /** Closes idle connections to targets. */
  close(): void;
}

export interface RoutingMetrics {
  serviceName: string;
  targetCount: number;
  healthyCount: number;
  targets: {
    host: string;
    port: number;
    weight: number;
    health: string;
    activeConnections: number;
    /** Milliseconds. */
    latencyStats: { count: number; avg: number; p95: number; p99: number };
    circuitBreakerStatus: 'tripped' | 'closed';
  }[];
}

/** Chooses a target for each request. */
export declare class IntelligentRouter extends EventEmitter {
  constructor(options?: IntelligentRouterOptions);
  targets: Map<string, Map<string, RouterTarget>>;
  routingAlgorithm: string;
  circuitBreakers: Map<string, TargetCircuit>;
  maxHistorySize: number;
  stats: { created: number; routeCount: number; readonly healthFilters: number; circuitBreakerTrips: number; errors: number };
  /** Service → how many requests went round; a copy. */
  readonly roundRobinCounters: Map<string, number>;
  /** Target's id → its latencies in milliseconds, oldest first; a copy. */
  readonly latencyHistogram: Map<string, number[]>;
  /** Adding a target again resets its health and latencies; its breaker stays. */
  addTarget(serviceName: string, port: number, weight?: number, place?: TargetPlace & { zone?: string }): void;
  /** Whether there was one. */
  removeTarget(serviceName: string, port: number, place?: TargetPlace): boolean;
  /** No new requests; resolves once none is under way. */
  drainTarget(serviceName: string, port: number, place?: TargetPlace): Promise<void>;
  getHealthyTargets(serviceName: string): RouterTarget[];
  /** Throws where no target is available (`code` `ERR_TOOLOO_NO_TARGET`). */
  routeRequest(serviceName: string, options?: RouteOptions): Route;
  weightedRoundRobin<T extends { weight: number }>(serviceName: string, targets: T[]): T;
  leastConnections<T>(targets: T[]): T;
  latencyAware<T>(targets: T[]): T;
  recordLatency(target: { serviceName: string; port: number; host?: string }, ms: number): void;
  /** Milliseconds; 0 without samples. */
  getAverageLatency(target: { serviceName: string; port: number; host?: string }): number;
  /** Milliseconds by nearest rank; 0 without samples. */
  getLatencyPercentile(target: { serviceName: string; port: number; host?: string }, percentile: number): number;
  setCircuitBreaker(targetId: string, config?: { threshold?: number; timeout?: number }): void;
  recordFailure(targetId: string): void;
  recordSuccess(targetId: string): void;
  resetCircuitBreaker(targetId: string): void;
  updateTargetHealth(serviceName: string, port: number, health: string, place?: TargetPlace): void;
  getRoutingMetrics(serviceName: string): RoutingMetrics | null;
  /** A request handler that sends requests on to the service's targets. */
  proxy(serviceName: string, options?: ProxyOptions): ProxyHandler;
  getStats(): {
    created: number;
    /** Milliseconds. */
    uptime: number;
    routingAlgorithm: string;
    routeCount: number;
    healthFilters: number;
    circuitBreakerTrips: number;
    errors: number;
    serviceCount: number;
  };
}
export default IntelligentRouter;
