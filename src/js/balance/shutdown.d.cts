import type { Server } from 'node:net';
import type { ReadinessProbe } from '../lib/resilience/ReadinessProbe.cjs';

/** Something that is ended: a function, or an object by the first it has of these methods. */
export type Drainable =
  | (() => unknown)
  | { shutdown(...args: never[]): unknown }
  | { drain(...args: never[]): unknown }
  | { close(...args: never[]): unknown }
  | { destroy(...args: never[]): unknown };

export interface ShutdownOptions {
  /** Is not ready from the signal on. */
  readiness?: Pick<ReadinessProbe, 'beginShutdown' | 'stopPolling'>;
  /** Milliseconds between failing readiness and refusing connections; one period of the readiness probe. @default 5000 */
  delayMs?: number;
  /** Ended one after the other when the last request has been answered: pools, caches, tracers. */
  drain?: Drainable[];
  /** Milliseconds from the signal to a hard end with exit code 1. @default 30000 */
  deadlineMs?: number;
  /** @default ['SIGTERM', 'SIGINT'] */
  signals?: NodeJS.Signals[];
  /** @default process.exit */
  exit?: (code: number) => void;
}

/**
 * Takes a server down without losing a request. A second signal ends the process at once with exit code 1; so does the
 * deadline. A drain that fails makes the exit code 1.
 */
export declare function gracefulShutdown(server: Server, options?: ShutdownOptions): {
  /** Begins by hand. */
  shutdown(): Promise<number>;
  /** The exit code, once it is decided. */
  done: Promise<number>;
  /** Stops watching for signals. */
  dispose(): void;
};
