import type { Measured } from '../../metrics/measured.cjs';
import type { EventEmitter } from 'node:events';

export type ScalingDecision = 'SCALE_UP' | 'SCALE_DOWN' | 'HOLD';

/** A value for each metric. */
export interface ScalingThresholds {
  /** Percent. */
  cpuPercent?: number;
  /** Percent. */
  memoryPercent?: number;
  /** Milliseconds. */
  latencyP95?: number;
  queueDepth?: number;
  /** Percent. */
  errorRate?: number;
}

/** How fast one direction may go, as in Kubernetes' `autoscaling/v2`. */
export interface ScalingBehavior {
  /** How far back recommendations count. @default 0 up, 300 down */
  stabilizationWindowSeconds?: number;
  /** @default 'Max' */
  selectPolicy?: 'Max' | 'Min' | 'Disabled';
  /** @default up +100 % or +4 in 15 s, down 100 % in 15 s */
  policies?: Array<{ type: 'Pods' | 'Percent'; value: number; periodSeconds: number }>;
}

export interface ScalingPolicy {
  /** @default { cpuPercent: 70, memoryPercent: 80, latencyP95: 200, queueDepth: 100, errorRate: 5 } */
  scaleUpThreshold?: ScalingThresholds;
  /** @default { cpuPercent: 30, memoryPercent: 50, latencyP95: 50, queueDepth: 10, errorRate: 1 } */
  scaleDownThreshold?: ScalingThresholds;
  /** @default 1 */
  minInstances?: number;
  /** @default 10 */
  maxInstances?: number;
  /** How long after a scale-up nothing is taken away. @default 300 */
  cooldownSeconds?: number;
  /** How long after a scale-up there is no further one. @default 0 */
  scaleUpCooldownSeconds?: number;
  /** How long after a scale-down there is no further one. @default 0 */
  scaleDownCooldownSeconds?: number;
  /** How many of the latest samples are averaged. @default 1 */
  smoothingSamples?: number;
  /** @default 'rules' */
  algorithm?: 'rules' | 'hpa';
  /** For `algorithm: 'hpa'`. */
  hpa?: {
    /** What each metric is to be on average. @default { cpuPercent: 70 } */
    targets?: ScalingThresholds;
    /** @default 0.1 */
    tolerance?: number;
    scaleUp?: ScalingBehavior;
    scaleDown?: ScalingBehavior;
  };
}

export interface ScalingMetrics extends Required<ScalingThresholds> {
  timestamp: number;
  instanceCount: number;
  requestsPerSecond: number;
}

export interface ScalingEvent {
  timestamp: number;
  decision: 'SCALE_UP' | 'SCALE_DOWN';
  metrics: ScalingMetrics;
  reason: string;
  /** How many instances there are to be. */
  desired: number;
}

export interface ScalingStats {
  created: number;
  /** Milliseconds. */
  uptime: number;
  scaleUpDecisions: number;
  scaleDownDecisions: number;
  holdDecisions: number;
  totalDecisions: number;
  policiesConfigured: number;
}

/** Decides when a service needs more or fewer instances. Emits `scaling-decision`. */
export declare class AutoScalingDecisionEngine extends EventEmitter {
  constructor(options?: { defaultPolicy?: ScalingPolicy } & Measured);
  policies: Map<string, ScalingPolicy>;
  metrics: Map<string, Array<Partial<ScalingMetrics>>>;
  scalingHistory: Map<string, ScalingEvent[]>;
  defaultPolicy: ScalingPolicy;
  stats: { created: number; scaleUpDecisions: number; scaleDownDecisions: number; holdDecisions: number };
  /** What `policy` leaves out, at any depth, has the default. */
  setScalingPolicy(serviceName: string, policy: ScalingPolicy): void;
  /** Live where one was set, else a copy of the default. */
  getScalingPolicy(serviceName: string): ScalingPolicy;
  recordMetrics(serviceName: string, metrics: Partial<ScalingMetrics>): void;
  getScalingMetrics(serviceName: string): ScalingMetrics | null;
  evaluateScaling(serviceName: string, currentInstanceCount?: number): ScalingDecision;
  getScaleUpReason(metrics: ScalingThresholds, policy: ScalingPolicy): string;
  /** How many instances the load of the window would have needed, within the policy's limits. */
  predictLoadNeeded(serviceName: string, windowSeconds?: number): number;
  /** Live. */
  getScalingHistory(serviceName: string): ScalingEvent[];
  getLastScalingEvent(serviceName: string): ScalingEvent | null;
  /** The last decision of any kind and its reason; `null` before the first. */
  getLastDecision(serviceName: string): { timestamp: number; decision: ScalingDecision; desired: number; reason: string } | null;
  getStats(): ScalingStats;
}
export default AutoScalingDecisionEngine;
