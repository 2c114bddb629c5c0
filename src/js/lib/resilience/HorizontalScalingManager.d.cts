import type { EventEmitter } from 'node:events';

export interface HorizontalScalingOptions {
  /** Milliseconds `terminateInstance` may take. @default 5000 */
  shutdownTimeout?: number;
  /** Instances that a scale-down leaves. @default 0 */
  minInstances?: number;
  /** Instances of a service at most. @default 65535 */
  maxInstances?: number;
  /** Is told of new ports and of those that go. */
  router?: { addTarget?(serviceName: string, port: number): unknown; removeTarget?(serviceName: string, port: number): unknown };
}

export interface Instance {
  port: number;
  /** Of no process unless `spawnInstance` says so: never send it a signal. */
  pid: number;
  startTime: number;
  /** `'starting'`, `'stopping'` or what `updateInstanceHealth` said. */
  health: string;
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
 * `scale-error`, `shutdown-error`.
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
  registerService(serviceName: string, basePort: number | string): void;
  /** Override it to start a real instance. */
  spawnInstance(serviceName: string, port: number): { pid?: number; startTime?: number } | undefined | Promise<{ pid?: number; startTime?: number } | undefined>;
  /** Override it to end a real instance. */
  terminateInstance(serviceName: string, instance: Instance): unknown;
  /** Ports from `basePort + 10` upward. */
  scaleUp(serviceName: string, count?: number): Promise<Array<Omit<Instance, 'health'>>>;
  /** Newest first, one after the other. */
  scaleDown(serviceName: string, count?: number): Promise<{ stopped: number; skipped: number }>;
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
