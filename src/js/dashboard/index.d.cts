import type { IncomingMessage, ServerResponse } from 'node:http';

/** One module, or several of a kind: an array, a Map or a plain object by name. They are looked at anew each time. */
export type OneOrMore<T> = T | readonly T[] | ReadonlyMap<string, T> | Readonly<Record<string, T>>;

/**
 * What `dashboard()` shows and to whom. Each module may be left out, and its panel is not there then; one is needed. In place
 * of this package's classes anything does that has the method.
 */
export interface DashboardOptions {
  /** PersistentCache, MemoryCacheLayer, DiskCacheLayer, MultiLayerCacheManager. */
  cache?: OneOrMore<{ getStats(): object | Promise<object> }>;
  /** ConnectionPool. */
  pool?: OneOrMore<{ getStats(): object }>;
  /** QueryOptimizer. Texts of queries are shown without their literals, parameters never. */
  optimizer?: OneOrMore<{ getStats(): object }>;
  /** RateLimiter. Ids of clients are shown. */
  limiter?: OneOrMore<{ getStats(): object }>;
  /** DistributedTracer. Tags, logs and metadata of traces are shown as they are: keep secrets out of them. */
  tracer?: OneOrMore<{ getMetrics(): object; getTrace(traceId: string): object | null }>;
  /** CircuitBreaker. */
  breakers?: OneOrMore<{ getState(): object }>;
  /** HealthMonitor, ReadinessProbe. */
  health?: OneOrMore<{ getAllHealth(): object } | { getAllProbeStatus(): object[] }>;
  /** IntelligentRouter. */
  router?: OneOrMore<{ getRoutingMetrics(serviceName: string): object | null }>;
  /** LoadBalancer. */
  balancer?: OneOrMore<{ getStats(): object }>;
  /** HorizontalScalingManager. */
  instances?: OneOrMore<{ getAllInstances(): object }>;
  /**
   * Lets in whoever has it, from anywhere: as `Authorization: Bearer …`, or once as `?token=…`, which is taken out of the
   * address at once and becomes a cookie. At least 16 visible ASCII characters. Behind a proxy it is needed, as there
   * every connection comes from this machine.
   * @default none: only connections from loopback are answered
   */
  token?: string;
  /** Host names under which the page may be asked for, beside IP addresses and `localhost`. @default none */
  hosts?: readonly string[];
  /** Heading of the page. @default 'tooloo-native' */
  title?: string;
  /** Where the page is, when no framework takes that off the request's address. @default '', the root or the mount point */
  path?: string;
  /** Milliseconds between two looks at the modules, 250 to 60000; they are looked at only while somebody watches. @default 1000 */
  intervalMs?: number;
  /** Pages that may be open at once, 1 to 1000. @default 10 */
  maxViewers?: number;
}

/** For `http.createServer`, Express and Connect. What is none of its own addresses goes to `next`, or is answered 404. */
export interface DashboardHandler {
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void;
  /** Ends what viewers have open, and takes no new ones. A server that stops listening ends them by itself. */
  close(): void;
}

/** A page with live figures of the modules: read-only, from one handler, without a request to anywhere else. */
export declare function dashboard(options: DashboardOptions): DashboardHandler;
