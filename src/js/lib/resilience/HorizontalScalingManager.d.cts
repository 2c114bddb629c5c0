import type { Measured } from '../../metrics/measured.cjs';
import type { EventEmitter } from 'node:events';

/** What an instance is started with. Give `command` or `fork`; without either nothing is really started. */
export interface InstanceProgram {
  /** A file and its arguments. */
  command?: readonly [file: string, ...args: string[]];
  /** A module that Node runs, with this process's own options. */
  fork?: string;
  /** Answers 200 to 299 once the process can take requests. @default '/health/ready' */
  readyPath?: string;
  /** Added to this process's environment; `PORT` says where to listen, on 127.0.0.1. */
  env?: Record<string, string>;
  /** @default this process's own */
  cwd?: string;
}

export interface HorizontalScalingOptions extends InstanceProgram, Measured {
  /** Milliseconds `terminateInstance` may take; a process gets SIGKILL so long after SIGTERM. @default 5000 */
  shutdownTimeout?: number;
  /** Instances that a scale-down leaves. @default 0 */
  minInstances?: number;
  /** Instances of a service at most. @default 65535 */
  maxInstances?: number;
  /** Milliseconds until a process has to be ready. @default 30000 */
  startTimeoutMs?: number;
  /** Milliseconds before a process that died is started again; doubles each time. @default 200 */
  restartDelayMs?: number;
  /** Milliseconds of the longest such wait. @default 30000 */
  maxRestartDelayMs?: number;
  /** Is told of new ports and of those that go; waited for until a port's last request is done. */
  router?: {
    addTarget?(serviceName: string, port: number): unknown;
    removeTarget?(serviceName: string, port: number): unknown;
    drainTarget?(serviceName: string, port: number): Promise<unknown>;
  };
}

export interface Instance {
  port: number;
  /** Of no process unless `spawnInstance` says so: never send it a signal. */
  pid: number;
  startTime: number;
  /** `'starting'`, `'healthy'`, `'restarting'`, `'stopping'` or what `updateInstanceHealth` said. */
  health: string;
}

export interface SpawnedInstance {
  pid?: number;
  startTime?: number;
  health?: string;
}

export interface InstanceDetails extends Instance {
  /** Milliseconds. */
  uptime: number;
}

export type ScalingAction =
  | {
      timestamp: number;
      action: 'SCALE_UP';
      serviceName: string;
      count: number;
      oldInstanceCount: number;
      newInstanceCount: number;
      instances: Array<Omit<Instance, 'health'>>;
    }
  | {
      timestamp: number;
      action: 'SCALE_DOWN';
      serviceName: string;
      count: number;
      skipped: number;
      oldInstanceCount: number;
      newInstanceCount: number;
    };

export interface HorizontalScalingStats {
  created: number;
  /** Milliseconds. */
  uptime: number;
  totalInstancesSpawned: number;
  totalInstancesTerminated: number;
  failedScaleAttempts: number;
  scalingHistoryCount: number;
  serviceStats: Record<string, { currentInstanceCount: number; totalSpawned: number; totalTerminated: number }>;
}

/**
 * Keeps the books of services' instances. Emits `instance-spawned`, `instance-terminated`, `instance-health-updated`,
 * `instance-died`, `instance-restarted`, `scale-error`, `shutdown-error`.
 */
export declare class HorizontalScalingManager extends EventEmitter {
  constructor(options?: HorizontalScalingOptions);
  instances: Map<string, Map<string, Instance>>;
  serviceBasePorts: Map<string, number>;
  runningInstances: Map<string, number>;
  scalingHistory: ScalingAction[];
  shutdownTimeout: number;
  stats: Pick<HorizontalScalingStats, 'created' | 'totalInstancesSpawned' | 'totalInstancesTerminated' | 'failedScaleAttempts'>;
  /** Registering again forgets the service's instances. */
  registerService(serviceName: string, basePort: number | string, program?: InstanceProgram): void;
  /** Starts a process where there is a program; override it to start something else. */
  spawnInstance(serviceName: string, port: number): SpawnedInstance | undefined | Promise<SpawnedInstance | undefined>;
  /** Override it to end a real instance. */
  terminateInstance(serviceName: string, instance: Instance): unknown;
  /** Ports from `basePort + 10` upward. */
  scaleUp(serviceName: string, count?: number): Promise<Array<Omit<Instance, 'health'>>>;
  /** Newest first, one after the other. */
  scaleDown(serviceName: string, count?: number): Promise<{ stopped: number; skipped: number }>;
  /** Ends every instance, for a shutdown. */
  shutdown(): Promise<void>;
  getInstanceCount(serviceName: string): number;
  getInstanceDetails(serviceName: string): InstanceDetails[];
  getInstance(serviceName: string, index: number): InstanceDetails | null;
  updateInstanceHealth(serviceName: string, port: number, health: string): void;
  /** A copy for one service, the live array without a name. */
  getScalingHistory(serviceName?: string | null): ScalingAction[];
  /** Whether one of the instances has it. */
  isPortInUse(port: number): boolean;
  getAllInstances(): Record<string, Instance[]>;
  getStats(): HorizontalScalingStats;
}
export default HorizontalScalingManager;
