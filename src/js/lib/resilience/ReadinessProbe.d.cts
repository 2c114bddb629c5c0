import type { Measured } from '../../metrics/measured.cjs';
import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

export type ProbeType = 'startup' | 'readiness' | 'liveness' | 'resource';
export type ProbeState = 'pending' | 'ready' | 'not-ready' | 'error';

export interface ReadinessProbeOptions extends Measured {
  /** Milliseconds from the end of a round of checks to the next. @default 10000 */
  pollingInterval?: number;
  /** Milliseconds one check may take; more is an error. @default 5000, or the interval where that is shorter */
  checkTimeoutMs?: number;
  /** For how many milliseconds `handler()` answers from what is known while nothing is polled. @default 1000 */
  cacheMs?: number;
}

export interface ProbeStatus {
  name: string;
  type: ProbeType;
  status: ProbeState;
  /** Milliseconds since the epoch. */
  lastCheck: number | null;
  passCount: number;
  failCount: number;
  error?: string;
}

export interface ReadinessStats {
  created: number;
  /** Milliseconds. */
  uptime: number;
  isPolling: boolean;
  pollingInterval: number;
  probeCheckCount: number;
  probePassCount: number;
  probeFailureCount: number;
  totalProbes: number;
  probeStats: Record<string, Omit<ProbeStatus, 'error'> & { failureRate: number }>;
}

type CheckFunction = () => unknown;

/** Checks of the app's own, and what they say about the process. Emits `probe-check`, `probe-error`, `polling-error`. */
export declare class ReadinessProbe extends EventEmitter {
  constructor(options?: ReadinessProbeOptions);
  probes: Record<ProbeType, Map<string, CheckFunction>>;
  probeStatus: Map<string, ProbeStatus>;
  pollingInterval: number;
  pollingTimeout: NodeJS.Timeout | null;
  isPolling: boolean;
  stats: Pick<ReadinessStats, 'created' | 'probeCheckCount' | 'probePassCount' | 'probeFailureCount' | 'totalProbes'>;
  /** Is the process done with its start? Until then it is not ready, and not restarted. */
  registerStartupProbe(name: string, checkFn: CheckFunction): void;
  /** Can it take traffic? */
  registerReadinessProbe(name: string, checkFn: CheckFunction): void;
  /** Does it work at all? Never ask a dependency here: a restart does not repair it. */
  registerLivenessProbe(name: string, checkFn: CheckFunction): void;
  /** Does what it depends on work? Counts for readiness. */
  registerResourceProbe(name: string, checkFn: CheckFunction): void;
  unregisterProbe(name: string, type?: ProbeType): boolean;
  getProbeStatus(name: string, type?: ProbeType): ProbeStatus | null;
  getAllProbeStatus(): ProbeStatus[];
  /** Looks every 100 ms and runs no check itself. `timeout` in milliseconds, 30000 by default. */
  waitForReady(name: string, timeout?: number): Promise<true>;
  runProbeCheck(type: ProbeType, name: string, checkFn: CheckFunction): Promise<void>;
  runAllProbes(): Promise<void>;
  /** Keeps the process alive until `stopPolling`. */
  startPolling(interval?: number | null): void;
  stopPolling(): void;
  /** 0 to 1; `null` for a name that is not known. */
  getProbeFailureRate(name: string, type?: ProbeType): number | null;
  getStats(): ReadinessStats;
  /** From now on the process is not ready. */
  beginShutdown(): void;
  answer(question: 'live' | 'ready' | 'startup'): { ok: boolean; reason: string; checks: Record<string, ProbeState> };
  /** For `http`, Connect and Express: `GET <path>/live`, `/ready`, `/startup`. `path` is `/health` by default. */
  handler(options?: { path?: string }): (
    request: IncomingMessage,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ) => unknown;
}
export default ReadinessProbe;
