import type { Measured } from '../../metrics/measured.cjs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { EngineOptions, RemoteStats } from './MultiLayerCacheManager.cjs';

export interface CoordinatorOptions extends Measured {
  /** Milliseconds from one delivery to the next. @default 1000 */
  broadcastInterval?: number;
  /** Whose write wins. @default 'latest-write-wins' */
  conflictResolution?: 'latest-write-wins' | 'local-wins' | 'service-priority';
  /** Milliseconds a value lives that another service published. @default 5000 */
  remoteTtlMs?: number;
  /** Keys that wait for a peer at most; the oldest go first. @default 10000 */
  maxPending?: number;
  /** Deliveries tried before what waits for a peer is given up. @default 10 */
  maxAttempts?: number;
  /** Sent to peers, and asked of them by {@link DistributedCacheCoordinator.handler}. @default none */
  token?: string;
  /**
   * Valkey or Redis that carries what is published to every coordinator on the channel, beside the peers or in their place: at
   * once, at least once, in order. After a gap the cache's memory is emptied. @default none
   */
  engine?: false | (EngineOptions & { channel?: string });
}

export interface CoordinatorStats {
  broadcastsSent: number;
  broadcastsReceived: number;
  conflictsResolved: number;
  peerFailures: number;
}

export interface CoordinatedCache {
  invalidate(key: any): Promise<unknown> | unknown;
  set(key: any, value: any, ttl?: number): Promise<unknown> | unknown;
  writtenAt?(key: any): number | undefined;
}

/** Tells other services which keys have changed, and hears it from them. */
export declare class DistributedCacheCoordinator {
  constructor(cacheManager?: CoordinatedCache, serviceId?: string, options?: CoordinatorOptions);
  cache: CoordinatedCache;
  serviceId: string;
  peers: Map<string, { host: string; port: number }>;
  remoteInvalidationHandlers: Map<string, Set<(key: any, remoteValue: any, sourceServiceId: string) => unknown>>;
  pendingInvalidations: Map<unknown, { timestamp: number; value: unknown; serviceId: string }>;
  broadcastInterval: number;
  conflictResolutionStrategy: string;
  stats: CoordinatorStats;
  registerPeer(serviceId: string, host: string, port: number): void;
  removePeer(serviceId: string): boolean;
  /** Without a value, or with null, the key is removed elsewhere; with one it is set there. */
  publishInvalidation(key: unknown, value?: unknown): Promise<boolean>;
  /** Callbacks are awaited one after another. */
  subscribeToInvalidations(pattern: string, callback: (key: any, remoteValue: any, sourceServiceId: string) => unknown): void;
  onRemoteInvalidation(key: unknown, remoteValue: unknown, sourceServiceId: string, timestamp?: number): Promise<void>;
  getCoordinationStatus(): {
    serviceId: string;
    peers: string[];
    pendingInvalidations: number;
    stats: CoordinatorStats;
    /** Keys that wait for peers. */
    undelivered: number;
    /** Keys given up: too many, or a peer that never took them. */
    dropped: number;
    /** With `engine`; `told`: what it has taken. */
    engine?: RemoteStats & { told: number };
  };
  /** Answers what peers POST to `/api/v1/cache/invalidations`. */
  handler(): (request: IncomingMessage, response: ServerResponse) => void;
  destroy(): void;
}
export default DistributedCacheCoordinator;
