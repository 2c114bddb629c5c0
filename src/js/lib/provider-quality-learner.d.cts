import type { Measured } from '../metrics/measured.cjs';

export interface ProviderQualityLearnerOptions extends Measured {
  /** Observations kept of one prompt. @default 100 */
  maxHistoryPerPrompt?: number;
  /** Hours after which an observation counts 1/e. @default 24 */
  decayHours?: number;
  /** Prompts remembered; the ones not heard of for longest go first. @default 10000 */
  maxPrompts?: number;
  /** `'thompson'`: what is little known is tried now and then. @default none */
  exploration?: 'thompson';
  /** Repeats the choices of an exploration. @default random */
  seed?: number | string;
}

export interface ProviderObservation {
  provider: string;
  /** 0 to 1 */
  score: number;
  /** Milliseconds. */
  latency: number;
  cost: number;
  timestamp: number;
}

export interface RecommendOptions {
  /** Milliseconds. @default 5000 */
  maxLatency?: number;
  /** @default 1 */
  maxCost?: number;
  /** @default 0.5 */
  minScore?: number;
  /** @default { score: 0.6, latency: 0.2, cost: 0.2 } */
  weights?: { score?: number; latency?: number; cost?: number };
}

export interface ProviderStats {
  count: number;
  /** Three decimals. */
  avgScore: string;
  /** Milliseconds, whole. */
  avgLatency: number;
  /** Four decimals. */
  avgCost: string;
  minScore: number;
  maxScore: number;
}

export interface ProviderRecommendation {
  provider: string;
  /** Decayed average, 0 to 1. */
  score: number;
  callCount: number;
  /** 0 to 1; grows with what was seen lately. */
  confidence: number;
}

export interface LearnerState {
  learnedPrompts: number;
  totalRecords: number;
  recommendations: number;
  learningSinceMs: number;
  outcomeCount: number;
  providerScores: Record<string, { score: number; callCount: number }>;
  topPerformer: string | null;
  confidenceThreshold: number;
  /** The last 100. */
  recentOutcomes: Array<{ category: string } & Record<string, unknown>>;
}

/** Learns which provider does well for which prompt. */
export declare class ProviderQualityLearner {
  constructor(options?: ProviderQualityLearnerOptions);
  history: Map<string, ProviderObservation[]>;
  maxHistoryPerPrompt: number;
  decayHours: number;
  metrics: { totalRecords: number; recommendations: number; learningStartTime: number };
  record(prompt: unknown, provider: string, score: number, latency: number, cost: number): void;
  /** The provider's name in lower case; `null` when none keeps to the limits. */
  recommend(prompt: unknown, options?: RecommendOptions): string | null;
  getStats(prompt: unknown): Record<string, ProviderStats> | null;
  /** 12 hexadecimal digits. */
  hash(prompt: unknown): string;
  recordOutcome(category: string, outcome: { success?: boolean; score?: number } & Record<string, unknown>): void;
  /** Best first. */
  getRecommendations(): ProviderRecommendation[];
  getState(): LearnerState;
}
export default ProviderQualityLearner;
