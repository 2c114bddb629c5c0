import type { EventEmitter } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';

/** Options of a {@link Cdn}. */
export interface CdnOptions {
  /** Who keeps the responses: `nginx` is told page by page, `custom` by {@link CdnOptions.purge}. */
  provider: 'varnish' | 'fastly' | 'cloudflare' | 'nginx' | 'custom';
  /** Where purges go. Needed for `varnish` and `nginx`. @default the provider's API */
  url?: string;
  /** What authorises a purge: Fastly's key, Cloudflare's API token, what the VCL or nginx compares. Never shown. */
  token?: string;
  /** Fastly's service. */
  serviceId?: string;
  /** Cloudflare's zone. */
  zoneId?: string;
  /** What is purged may be served stale while it is fetched anew, where the provider can: Varnish and Fastly. @default true */
  soft?: boolean;
  /** Milliseconds that the first purge waits for others to share its request. @default 20 */
  batchMs?: number;
  /** Tags in one request. @default the provider's limit: 256 (Fastly), 32 (Varnish), 30 (Cloudflare), 1000 (custom) */
  maxBatch?: number;
  /** @default 10 */
  requestsPerSecond?: number;
  /** Tags that wait; beyond it everything is purged rather than nothing. @default 10000 */
  maxPending?: number;
  /** How often a purge is sent again when there is no answer, or 408, 425, 429 or 5xx. @default 8 */
  retries?: number;
  /** Milliseconds until a purge without an answer has failed. @default 5000 */
  timeoutMs?: number;
  /** Bytes that the tags of one response may take; a response with more is not kept by the CDN. @default 7000 for Varnish, else 16000 */
  maxTagBytes?: number;
  /** The header that carries the tags. @default `xkey`, `Surrogate-Key` or `Cache-Tag` */
  tagHeader?: string;
  /** What stands between two tags. @default a space; a comma for Cloudflare */
  tagSeparator?: ' ' | ',' | ', ' | ';' | '|';
  /** Provider `custom`: purges; what it rejects with is tried again. Tags come as they stand in the header. */
  purge?: (what: { all: boolean; tags: string[] }) => unknown;
}

/** Options of {@link Cdn.middleware}; milliseconds, sent as whole seconds. */
export interface CdnMiddlewareOptions {
  /** How long browsers may keep the response. @default 0 */
  maxAgeMs?: number;
  /** How long the CDN may. @default maxAgeMs */
  sharedMaxAgeMs?: number;
  /** So much longer while it is fetched anew. @default not said */
  staleWhileRevalidateMs?: number;
  /** So much longer while it cannot be fetched. @default staleWhileRevalidateMs */
  staleIfErrorMs?: number;
  /** The response's tags, beside those of `res.cacheTags` and `res.cacheKeys`. */
  tags?: readonly string[] | ((req: IncomingMessage, res: ServerResponse) => Iterable<string>);
  /** Request headers on which the response depends. */
  vary?: string | readonly string[];
  /** An ETag for bodies that are sent in one piece, and 304 for who has them. @default true */
  etag?: boolean;
  /** Whether responses to requests with `Authorization` may be kept for everybody. @default false */
  authorized?: boolean;
}

/** A response behind {@link Cdn.middleware}. */
export interface CdnResponse extends ServerResponse {
  cacheTags(...tags: (string | readonly string[])[]): this;
  /** Tags by cache key: `MultiLayerCacheManager.invalidate(key)` purges them. */
  cacheKeys(...keys: (string | readonly string[])[]): this;
}

/** What {@link Cdn.getStats} returns; all but `pending` only grow. */
export interface CdnStats {
  provider: string;
  /** Tags that wait. */
  pending: number;
  requests: number;
  /** Tags that the provider let go of. */
  purged: number;
  /** Requests that were sent again. */
  retried: number;
  /** Tags that were given up: each time the event `failed`, or a warning where nobody listens. */
  failed: number;
  /** Times that everything was purged because too much was waiting. */
  escalated: number;
  /** Responses that were not kept because their tags took too much room. */
  oversized: number;
  /** nginx: pairs of tag and page that were forgotten, since only 100,000 are remembered. */
  forgottenPages: number;
}

/**
 * The tier in front: a CDN or a caching proxy that keeps responses. A pending purge keeps the process alive.
 * Event `failed` (error): a purge was given up; the error has a `code` and says nothing of tags or tokens.
 */
export declare class Cdn extends EventEmitter {
  /** @throws TypeError or RangeError that names the option; no error shows `url` or `token` */
  constructor(options: CdnOptions);
  /** For Express, Connect and plain `http`: `Cache-Control`, the provider's own header, tags, `Vary`, `ETag` and 304. */
  middleware(options?: CdnMiddlewareOptions): (req: IncomingMessage, res: ServerResponse, next: (error?: unknown) => void) => void;
  /** Resolves when the provider let go of what bears one of the tags; rejects when that was given up. Need not be awaited. */
  purge(tags: string | readonly string[]): Promise<void>;
  /** The same for what was made from cache keys. */
  purgeKeys(keys: string | readonly string[]): Promise<void>;
  /** Everything. nginx cannot: rejects. */
  purgeAll(): Promise<void>;
  /** As {@link purgeKeys}, for whoever does not wait; keys that are no strings are passed over. */
  forgetKeys(keys: Iterable<unknown>): void;
  /** As {@link close}, for whoever does not wait. */
  release(): void;
  /** The tag of a cache key. */
  keyTag(key: string): string;
  /** Sends what waits without lingering; resolves when nothing waits, however it ended. */
  flush(): Promise<void>;
  /** {@link flush}, then closes the connections. */
  close(): Promise<void>;
  getStats(): CdnStats;
}
