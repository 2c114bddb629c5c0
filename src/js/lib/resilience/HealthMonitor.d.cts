import type { Measured } from '../../metrics/measured.cjs';

export type HealthStatus = 'unknown' | 'healthy' | 'degraded' | 'unhealthy';

/** What hears of the health of services: an `IntelligentRouter`. */
export interface HealthRouter {
  updateTargetHealth(serviceName: string, port: number, health: string, place?: { host?: string }): void;
}

export interface HealthMonitorOptions extends Measured {
  /** Milliseconds from the start of a round to the next. @default 10000 */
  checkInterval?: number;
  /** Milliseconds a check may take. @default 5000 */
  timeoutMs?: number;
  /** Share of the interval over which a round's checks are spread, 0 to 1. @default 0.1 */
  jitter?: number;
  /** Successes in a row that bring an unhealthy service back. @default 1 */
  rise?: number;
  /** Told when a service becomes healthy or unhealthy. */
  router?: HealthRouter;
}

export interface HealthServiceOptions {
  /** @default 'localhost', which is asked at 127.0.0.1 first */
  host?: string;
  /** Failures in a row that make the service unhealthy. @default 3 */
  maxFailures?: number;
  /** How it is asked; a function fails by throwing, rejecting or answering false. @default 'http' */
  probe?: 'http' | 'tcp' | (() => unknown);
  /** Answers 200 to 299 when the service is well. @default '/health' */
  path?: string;
  /** Answers 200 to 299 when it may get traffic. @default none: when it is healthy */
  readyPath?: string;
  /** Its name in the router. @default its name here */
  service?: string;
}

export interface HealthChecks {
  readonly liveness: boolean;
  readonly readiness: boolean;
  readonly startup: boolean;
}

export interface ServiceHealth {
  name: string;
  port: number;
  status: HealthStatus;
  lastCheck: Date | null;
  /** Live. */
  checks: HealthChecks;
  consecutiveFailures: number;
}

export interface UnknownHealth {
  status: 'unknown';
  reason: string;
}

export interface MonitoredService {
  readonly name: string;
  readonly port: number;
  readonly host: string;
  readonly health: HealthStatus;
  readonly lastCheck: Date | null;
  readonly consecutiveFailures: number;
  readonly maxFailures: number;
}

export interface HealthMonitorStats {
  /** Checks that have ended. */
  checksRun: number;
  healthyServices: number;
  unhealthyServices: number;
  checkFailures: number;
}

/** Asks services how they are, away from the event loop. */
export declare class HealthMonitor {
  constructor(options?: HealthMonitorOptions);
  services: Map<string, MonitoredService>;
  checks: Map<string, HealthChecks>;
  listeners: Map<string, Set<(name: string, health: HealthStatus) => void>>;
  checkInterval: number;
  readonly stats: HealthMonitorStats;
  registerService(name: string, port: number, options?: HealthServiceOptions): void;
  unregisterService(name: string): void;
  getHealth(name: string): ServiceHealth | UnknownHealth;
  getAllHealth(): Record<string, ServiceHealth>;
  isReadyForTraffic(name: string): boolean;
  onHealthChange(name: string, callback: (name: string, health: HealthStatus) => void): void;
  offHealthChange(name: string, callback: (name: string, health: HealthStatus) => void): void;
  getStats(): HealthMonitorStats & { totalServices: number };
  destroy(): void;
}
export default HealthMonitor;
