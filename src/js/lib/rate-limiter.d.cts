/// <reference types="node" />
import type { Measured } from '../metrics/measured.cjs';
import type { IncomingMessage, ServerResponse } from 'node:http';

declare namespace RateLimiter {
  /** Settings of a limiter. Falsy numbers mean the default. */
  interface RateLimiterOptions extends Measured {
    /** Tokens that a client's bucket holds; a new client starts with a full one. `Infinity` is no limit. @default 100 */
    rateLimit?: number;
    /** Tokens a second that a bucket gains. @default 10 */
    refillRate?: number;
    /** Milliseconds between two refills, each of `refillRate × refillInterval / 1000` tokens. @default 1000 */
    refillInterval?: number;
    /** Milliseconds that `acquire` waits for tokens. @default 30000 */
    maxWaitTime?: number;
    /** Whether requests without tokens wait in line; with `false` they resolve `acquired: false` at once. @default true */
    fairQueueing?: boolean;
    /**
     * Clients remembered at a time. Beyond it a new client displaces one of the fullest buckets at hand; clients with
     * waiters, a block or a limit of their own are never displaced. @default 1000000
     */
    maxClients?: number;
    /** Requests of one client that wait at a time; more are refused. @default 10000 */
    maxQueueLength?: number;
    /** Milliseconds after which an unseen client with a full bucket is forgotten. @default 300000 */
    idleMs?: number;
    /** Whether a refused `acquire` (timeout, full line, too high a cost) resolves `acquired: false`. @default false */
    resolveRefused?: boolean;
    /**
     * A limit that all clients share, on top of each one's own. Who waits for shared tokens is served in fair turns
     * (deficit round robin), so one that floods delays another by no more than a turn.
     */
    globalLimit?: GlobalLimit | null | false;
    /**
     * Shares the buckets with other processes: `acquire` asks the shared bucket itself, `isAllowed` spends a share that
     * was leased from it, `reserveStore` reserves. Not together with `globalLimit`.
     */
    store?: StoreOptions | null | false;
    /** Limits by client id: a list, or the path of a JSON file with one, which is read again when it changes. */
    limits?: readonly ClientLimit[] | string | null;
  }

  /** Buckets in Valkey or Redis that several processes share. */
  interface StoreOptions {
    /**
     * `redis://`, `rediss://`, `valkey://`, `unix://`; `redis+cluster://host,host`; `redis+sentinel://host,host/master`.
     * Limiters with the same address share one connection. Never repeated in an error.
     */
    url: string;
    /** What stands before every key. Limiters with the same prefix share their buckets. @default 'tooloo:limit:' */
    prefix?: string;
    /** Milliseconds that a call may take before the insurance decides. @default 250 */
    timeoutMs?: number;
    /** Milliseconds that making a connection may take. @default 2000 */
    connectTimeoutMs?: number;
    /** Certificates of the authority that signed the server's, in PEM. @default the system's */
    ca?: string;
    /** The same, as a file. */
    caFile?: string;
    /**
     * Tokens of one client that this process holds at most for `isAllowed`. All processes together let through at most
     * the limit, its refills, and one lease each. @default a twentieth of `rateLimit`, at least 1
     */
    leaseTokens?: number;
    /** Milliseconds after which a lease that is not used goes back. @default 1000 */
    leaseMs?: number;
    /** What decides while the store is away: buckets of this process, let all pass, or none. @default 'local' */
    insurance?: 'local' | 'allow' | 'deny';
    /** With `insurance: 'local'`: this process's part of limit and rate, above 0 to 1. @default 1 */
    insuranceShare?: number;
    /** Whether client ids stand in the keys as they are, instead of a digest of them. @default false */
    plainKeys?: boolean;
    /**
     * Where the socket is: on Node's own loop, which is fastest, or on a thread of the package's own, which costs a
     * question two changes of thread. TLS, clusters, sentinels, Bun, Deno and Windows have the thread. @default 'loop'
     */
    transport?: 'loop' | 'thread';
  }

  /** A limit for some clients, and their share of `globalLimit`; one of them is needed. */
  type ClientLimit = ClientTerms & ({ rateLimit: number | 'Infinity' } | { weight: number } | { priority: number });

  interface ClientTerms {
    /**
     * Which: an id; a pattern, where `*` stands for anything and `?` for one character; or a regular expression, in a file
     * as `{ "regexp": "^user:", "flags": "i" }`. An id comes before every pattern; then the first in the list holds.
     */
    match: string | RegExp | { regexp: string; flags?: string };
    /** Tokens that a bucket holds. In a file also `"Infinity"`. @default the limiter's */
    rateLimit?: number | 'Infinity';
    /** Tokens a second. @default the limiter's */
    refillRate?: number;
    /** With `globalLimit`: what the client's share weighs, 0.001 to 1000, unless the request says. @default 1 */
    weight?: number;
    /** With `globalLimit`: the class in which it waits, 0 (first) to 9, unless the request says. @default 5 */
    priority?: number;
  }

  /** How it goes with the store. */
  interface StoreStats {
    /** Whether it answers, as far as is known. */
    up: boolean;
    /** Script calls; one may answer many requests. */
    calls: number;
    failures: number;
    /** Why the last failed; without addresses, keys and values. */
    lastError: string | null;
  }

  /** A limit that all clients share. */
  interface GlobalLimit {
    /** Tokens that all clients share at a time; starts full. */
    rateLimit: number;
    /** Tokens a second that are added. */
    refillRate: number;
    /** Milliseconds between two refills. @default 1000 */
    refillInterval?: number;
    /** Tokens that a waiting client of weight 1 may take before it is the next one's turn. @default 1 */
    quantum?: number;
    /** Requests of all clients that wait at a time; more are refused. @default 100000 */
    maxQueueLength?: number;
  }

  /** Tokens promised for a time to come. */
  interface Reservation {
    /** Milliseconds until they are there; 0 when they were there and are taken. */
    readonly waitMs: number;
    /** When to come, ms since the epoch. */
    readonly at: number;
    /** Gives them back, unless their time has come; says whether it did. */
    cancel(): boolean;
  }

  interface ReserveOptions {
    /** How long the caller would wait, ms. @default the limiter's `maxWaitTime` */
    maxWaitMs?: number;
    /** With `globalLimit`: what the client's turn weighs, from 0.001 to 1000. @default 1 */
    weight?: number;
  }

  /** A client's bucket, live. Writing to it takes effect. */
  interface Bucket {
    /** The balance now; 0 denies the next request. Below 0 while a reservation with `globalLimit` is to be paid. */
    tokens: number;
    /** What a refill fills it up to. */
    limit: number;
    /** Tokens a second. */
    refillRate: number;
    /** When the client was last seen, ms since the epoch. */
    lastAccessTime: number;
  }

  /** A request in line. */
  interface QueuedRequest {
    readonly tokens: number;
    readonly resolve: (result: AcquireResult) => void;
    readonly reject: (error: Error) => void;
    /** The limiter's one timer. */
    readonly timeout: NodeJS.Timeout | null;
    /** When it came, ms since the epoch. */
    readonly queuedAt: number;
  }

  interface CombineOptions {
    /** Milliseconds that `acquire` waits. @default the shortest of the limiters' */
    maxWaitTime?: number;
    /** Requests that wait at a time; more are refused. @default 10000 */
    maxQueueLength?: number;
  }

  /** Several limits as one: all let a request through, in one step, or none is touched. */
  interface CombinedLimiter<Name extends string = string> {
    readonly waitingRequests: number;
    /** What all of them say together, without taking anything. A name that is left out stands for everybody at once. */
    peek(ids?: Partial<Record<Name, unknown>>, tokens?: number): { allowed: boolean; remaining: number; retryAfterMs: number; refusedBy: Name[] };
    isAllowed(ids?: Partial<Record<Name, unknown>>, tokens?: number): boolean;
    /** Waits in the order of arrival among those who want the same tokens; rejects as `RateLimiter.acquire` does. */
    acquire(ids?: Partial<Record<Name, unknown>>, tokens?: number, options?: { signal?: AbortSignal; timeoutMs?: number }): Promise<AcquireResult>;
    /** Rejects everybody who waits; the limiters go on. */
    shutdown(): void;
  }

  /** What `acquire` resolves with. */
  interface AcquireResult {
    /** Always `true` with fair queueing, unless `resolveRefused` is set. */
    acquired: boolean;
    /** Milliseconds spent in line. */
    waitTime: number;
    /** Milliseconds until the tokens would be there; `Infinity` for never, 0 when acquired. */
    retryAfterMs: number;
    /** Whole tokens left. */
    remaining: number;
  }

  /** What a refused `acquire` rejects with. */
  interface RateLimitError extends Error {
    code:
      | 'ERR_TOOLOO_TIMEOUT'
      | 'ERR_TOOLOO_COST_EXCEEDS_LIMIT'
      | 'ERR_TOOLOO_QUEUE_FULL'
      | 'ERR_TOOLOO_ABORTED'
      | 'ERR_TOOLOO_CLOSED'
      | 'ERR_TOOLOO_CONNECT'
      | 'ERR_TOOLOO_INVALID_ARGUMENT';
    /** Milliseconds until the tokens would be there; `Infinity` for never. */
    retryAfterMs: number;
    /** Whole tokens left. */
    remaining: number;
    /** `true` when the same call may succeed later. */
    retryable?: boolean;
  }

  /** How a wait may end early. */
  interface AcquireOptions {
    /** Ends the wait; the promise rejects with an `AbortError` whose `cause` is the signal's reason. */
    signal?: AbortSignal | null;
    /** Milliseconds to wait at most. @default the limiter's `maxWaitTime` */
    timeoutMs?: number;
    /** With `globalLimit`: the share of this client's line, relative to others', 0.001 to 1000. @default 1 */
    weight?: number;
    /** With `globalLimit`: 0 (served first) to 9; a request waits until none before it can be served. @default 5 */
    priority?: number;
  }

  /** What the limit looks like for a client. */
  interface RateLimitState {
    /** Whether the cost asked about could be taken now. */
    allowed: boolean;
    limit: number;
    /** Whole tokens left. */
    remaining: number;
    /** Milliseconds until the cost can be taken; `Infinity` for never. */
    retryAfterMs: number;
    /** Milliseconds until the bucket is full; `Infinity` for never. */
    resetMs: number;
  }

  /** One client in the statistics. */
  interface BucketStats {
    /** At most two decimals. */
    tokens: number;
    limit: number;
    /** Used share of the limit, such as `'25.00%'`. */
    utilization: string;
    /** Requests in line. */
    queueSize: number;
  }

  /** What `getStats()` returns. */
  interface RateLimiterStats {
    /** Calls of `acquire`. */
    totalRequests: number;
    /** Requests let through, waiting or not. */
    allowedRequests: number;
    /** Requests finally refused. */
    deniedRequests: number;
    /** Share of the decided requests that was let through, `'0.00%'` to `'100.00%'`. */
    allowRate: string;
    /** Requests that ever had to wait. */
    queuedRequests: number;
    /** Requests that wait now. */
    waitingRequests: number;
    /** Clients remembered. */
    activeBuckets: number;
    buckets: Record<string, BucketStats>;
    /** Only with `globalLimit`: what all clients share. */
    global?: { tokens: number; limit: number; utilization: string };
    /** Only with `store`. `buckets` are then what this process has leased. */
    store?: StoreStats;
  }

  /** One of the busiest clients. */
  interface BusyClient extends BucketStats {
    client: string;
    /** Milliseconds for which it is still blocked. */
    blockedMs: number;
  }

  /** Settings of the middleware. */
  interface MiddlewareOptions<Request = IncomingMessage> {
    /** The client of a request. @default its IP address */
    key?: (request: Request) => unknown;
    /** Tokens that a request takes. @default 1 */
    cost?: number | ((request: Request) => number | Promise<number>);
    /** The policy's name in the headers. @default 'default' */
    name?: string;
    /** Whether requests without tokens wait in line before they are refused. @default false */
    wait?: boolean;
    /** With `wait`, milliseconds to wait at most. @default the limiter's `maxWaitTime` */
    timeoutMs?: number;
  }

  /** Express/Connect middleware. */
  type Middleware<Request = IncomingMessage> = (
    request: Request,
    response: ServerResponse,
    next: (error?: unknown) => void,
  ) => void;
}

/** Token buckets, one for each client, with waiting in line. */
declare class RateLimiter {
  constructor(options?: RateLimiter.RateLimiterOptions);
  /** Several limiters as one: all let a request through, in one step, or none is touched. */
  static combine<L extends Record<string, RateLimiter>>(limiters: L, options?: RateLimiter.CombineOptions): RateLimiter.CombinedLimiter<keyof L & string>;

  rateLimit: number;
  refillRate: number;
  readonly refillInterval: number;
  maxWaitTime: number;
  fairQueueing: boolean;
  readonly maxClients: number;
  readonly maxQueueLength: number;
  /** What all clients share, as it was set; `undefined` without. */
  readonly globalLimit: Required<RateLimiter.GlobalLimit> | undefined;
  /** The store's settings without its address; `undefined` without a store. */
  readonly store: Required<Omit<RateLimiter.StoreOptions, 'url' | 'connectTimeoutMs' | 'ca' | 'caFile'>> | undefined;
  /** Counters as they stand. */
  stats: {
    totalRequests: number;
    allowedRequests: number;
    deniedRequests: number;
    queuedRequests: number;
    buckets: Record<string, unknown>;
  };
  /** `null` once shut down. */
  refillTimer: object | null;
  /** Clients by id, with live buckets. */
  readonly buckets: Map<unknown, RateLimiter.Bucket>;
  /** Who waits, by client; a snapshot. */
  readonly requestQueues: ReadonlyMap<unknown, RateLimiter.QueuedRequest[]>;

  /** Hook: begins refilling. Called once by the constructor; a subclass that replaces it refills by itself. */
  startRefillTimer(): void;
  /** Takes tokens if there are enough. Does not look at who waits. */
  isAllowed(clientId: unknown, tokens?: number): boolean;
  /** Takes tokens, in turn: waits in line for them if need be. Rejects with a {@link RateLimiter.RateLimitError}. */
  acquire(clientId: unknown, tokens?: number, options?: RateLimiter.AcquireOptions): Promise<RateLimiter.AcquireResult>;
  /** Waits in line, without looking first. */
  queueRequest(
    clientId: unknown,
    tokens?: number,
    options?: RateLimiter.AcquireOptions,
  ): Promise<RateLimiter.AcquireResult>;
  /** Serves a client's line while its tokens suffice. */
  processQueue(clientId: unknown): void;
  /** Gives a client its own limit, and rate (default: the one it has), and a full bucket. */
  setLimit(clientId: unknown, limit: number, refillRate?: number): void;
  /**
   * Limits by client id from now on, from a list or a file that is read again when it changes. Known clients get theirs at
   * once, with the same part of it left; not those that `setLimit` gave one. Throws when they cannot be used, and a
   * changed file is refused with a process warning (`TOOLOO_LIMITS_REFUSED`); the old ones stay.
   */
  setLimits(limits: readonly RateLimiter.ClientLimit[] | string): void;
  /** Fills a client's bucket and ends its block. Waiters are served with the next refill. */
  resetBucket(clientId: unknown): void;
  /** A client's live bucket, made on demand. */
  getBucket(clientId: unknown): RateLimiter.Bucket;
  /** What the limit looks like for a client; takes nothing. */
  peek(clientId: unknown, tokens?: number): RateLimiter.RateLimitState;
  /** Takes tokens away without asking, down to zero. */
  penalty(clientId: unknown, tokens?: number): RateLimiter.RateLimitState;
  /** Gives tokens back, up to the limit, and serves who waits. */
  reward(clientId: unknown, tokens?: number): RateLimiter.RateLimitState;
  /** Denies a client everything for so many milliseconds; 0 ends it. */
  block(clientId: unknown, durationMs: number): RateLimiter.RateLimitState;
  /** As `peek`, but as the store says; rejects while it is away. Without a store, what `peek` says. */
  peekStore(clientId: unknown, tokens?: number): Promise<RateLimiter.RateLimitState>;
  /**
   * Resolves when the store has answered all that was sent to it (penalties, rewards, blocks, limits, leases); `false`
   * when it was away for some of it. Without a store, `true`.
   */
  flush(): Promise<boolean>;
  /**
   * Tokens for a time to come, behind those who wait and before those who come later. The promise holds, whatever becomes
   * of the bucket. Throws a {@link RateLimiter.RateLimitError} when they come later than `maxWaitMs` (default: the
   * limiter's `maxWaitTime`), never, or too many wait.
   *
   * With `globalLimit` it is a turn of fair queueing, taken in advance: the tokens are taken from both buckets at once,
   * into debt, and the time is when the refills have paid and all who wait could have had their turns. A client that
   * holds one is given no second beyond `quantum` × `weight` before its time has come (`ERR_TOOLOO_QUEUE_FULL`,
   * retryable); otherwise one that reserves all the time would hold up everybody else. `weight` is for that only.
   *
   * With `store` a TypeError: see `reserveStore`.
   */
  reserve(clientId: unknown, tokens?: number, options?: RateLimiter.ReserveOptions): RateLimiter.Reservation;
  /**
   * As `reserve`, of the bucket that processes share by `store`, in one step of the server. The tokens are taken at once,
   * into debt, so also before those who wait in `acquire`; `maxWaitMs` bounds the debt. While the store is away the
   * insurance says. Without a store, what `reserve` says, as a promise.
   */
  reserveStore(clientId: unknown, tokens?: number, options?: RateLimiter.ReserveOptions): Promise<RateLimiter.Reservation>;
  /** Express/Connect middleware: sets `RateLimit` headers, answers 429 with `Retry-After` when there are no tokens. */
  middleware<Request = IncomingMessage>(
    options?: RateLimiter.MiddlewareOptions<Request>,
  ): RateLimiter.Middleware<Request>;
  /** Without `buckets` no object is made for each client. @default { buckets: true } */
  getStats(options?: { buckets?: boolean }): RateLimiter.RateLimiterStats;
  /**
   * The clients with the longest lines, and then those that have the least of their limit left, or are blocked; not those with full
   * buckets. Without the object for each client that `getStats()` makes, and of more than 32,768 clients so many at a
   * call, in turn, beside those it found before.
   * @default 10
   */
  getBusiest(limit?: number): RateLimiter.BusyClient[];
  /** Forgets clients not seen for longer than this, ms; those with waiters or a block stay. @default 300000 */
  cleanupIdleBuckets(idleTime?: number): void;
  /** Stops refilling, rejects who waits, forgets all clients. The limiter still answers. */
  shutdown(): void;
}

export { RateLimiter };
export default RateLimiter;
