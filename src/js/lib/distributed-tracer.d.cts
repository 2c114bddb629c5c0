import type { Measured } from '../metrics/measured.cjs';
import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Where traces are exported: OTLP over HTTP with protobuf. What is left out is taken from the `OTEL_*` variables named here,
 * or from the default.
 */
export interface OtlpExporterOptions {
  /**
   * The collector's address; `/v1/traces` is appended. `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT` (as it is) or
   * `OTEL_EXPORTER_OTLP_ENDPOINT`. @default 'http://localhost:4318'
   */
  endpoint?: string;
  /** Headers such as `authorization`. They are never shown. `OTEL_EXPORTER_OTLP_[TRACES_]HEADERS` */
  headers?: Record<string, string>;
  /** Attributes of the service beside its name and process. `OTEL_RESOURCE_ATTRIBUTES` */
  resource?: Record<string, string | number>;
  /** `OTEL_EXPORTER_OTLP_[TRACES_]COMPRESSION` @default 'none' */
  compression?: 'gzip' | 'none';
  /** The only one spoken. @default 'http/protobuf' */
  protocol?: 'http/protobuf';
  /** Milliseconds one request may take. `OTEL_EXPORTER_OTLP_[TRACES_]TIMEOUT` @default 10000 */
  timeoutMs?: number;
  /** Milliseconds for which a batch is sent again and again. `OTEL_BSP_EXPORT_TIMEOUT` @default 30000 */
  retryForMs?: number;
  /** Milliseconds that spans wait for company. `OTEL_BSP_SCHEDULE_DELAY` @default 5000 */
  delayMs?: number;
  /** Spans that may wait; further ones are dropped and counted. `OTEL_BSP_MAX_QUEUE_SIZE` @default 8192 */
  maxQueueSize?: number;
  /** Spans in a request; those of one trace stay together. `OTEL_BSP_MAX_EXPORT_BATCH_SIZE` @default 512 */
  maxBatchSize?: number;
  /** Milliseconds that the end of the process waits for what is pending. @default 2000 */
  exitTimeoutMs?: number;
  /** PEM file of the authorities to trust. `OTEL_EXPORTER_OTLP_[TRACES_]CERTIFICATE` @default the system's */
  certificate?: string;
  /** PEM file of this side's certificate. `OTEL_EXPORTER_OTLP_[TRACES_]CLIENT_CERTIFICATE` */
  clientCertificate?: string;
  /** PEM file of its key. `OTEL_EXPORTER_OTLP_[TRACES_]CLIENT_KEY` */
  clientKey?: string;
}

/** What became of the spans that were to be exported. */
export interface ExporterStats {
  /** Spans waiting, or on their way. */
  queued: number;
  /** Spans that the collector took. */
  exported: number;
  /** Spans dropped because too many waited. */
  droppedQueueFull: number;
  /** Spans dropped because the collector refused them or could not be reached in time. */
  droppedFailed: number;
  /** Spans that the collector rejected one by one. */
  rejected: number;
  /** Spans that their trace had no room for (`maxSpansPerTrace`). */
  spansOverLimit: number;
  /** Traces exported because the sampler took them. */
  tracesSampled: number;
  /** Traces exported although it did not, because they failed. */
  tracesFailed: number;
  /** Likewise, because they were slow (`slowMs`). */
  tracesSlow: number;
  /** Traces that ended and were not to be exported. */
  tracesLeftOut: number;
  /** Traces left out because of `tracesPerSecond`. */
  tracesRateLimited: number;
  /** Traces let go of before they ended (`maxSpans`, `maxOpenMs`). */
  tracesUnfinished: number;
  /** Requests to the collector. */
  requests: number;
  /** Those that did not deliver. */
  failures: number;
  /** Answers of success that were no OTLP: is the address that of a collector? */
  unreadable: number;
  /** What went wrong with the last request, such as `'HTTP 503'` or `'timeout'`; empty when nothing did. */
  lastError: string;
}

/** Options of a {@link DistributedTracer}. Falsy values mean the default, but for `samplingRate: 0`. */
export interface DistributedTracerOptions extends Measured {
  /** Name of the service; trace-level metrics are kept under it. @default 'unknown-service' */
  serviceName?: string;
  /** Share of the traces to be exported, 0 to 1. Metrics count every trace. @default 0.1 */
  samplingRate?: number;
  /** Most traces retained; the oldest goes first. @default 10000 */
  maxSpans?: number;
  /** Milliseconds between two cleanups. @default 5000 */
  flushInterval?: number;
  /** Most spans kept for a trace; the oldest goes first. @default 1000 */
  maxSpansPerTrace?: number;
  /** Most tags kept for a trace; further ones are dropped. @default 128 */
  maxTagsPerTrace?: number;
  /** Most logs kept for a trace; the oldest goes first. @default 256 */
  maxLogsPerTrace?: number;
  /** Most operation names with metrics of their own; the others share `(other)`. @default 512 */
  maxOperations?: number;
  /** Milliseconds that a trace may stay open before the cleanup drops it. @default 900000 */
  maxOpenMs?: number;
  /**
   * Where traces are exported. Without it the environment decides (`OTEL_EXPORTER_OTLP_ENDPOINT`); `false` means nowhere, and
   * so does `OTEL_SDK_DISABLED=true`.
   */
  exporter?: { otlp: OtlpExporterOptions | boolean } | false;
  /** Milliseconds from which on a trace is exported although the sampling left it out; failed ones always are. @default 1000 */
  slowMs?: number;
  /** Most traces exported in a second, beside those that another service decided about. @default no limit */
  tracesPerSecond?: number;
}

/** A link to a span of another trace. */
export interface TraceLink {
  traceId: string;
  spanId: string;
  attributes?: Record<string, unknown>;
}

export interface TraceIds {
  /** 32 hex digits, or the id that was passed in. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
}

export interface TraceLog {
  /** Milliseconds since the Unix epoch. */
  timestamp: number;
  level: string;
  message: unknown;
  /** Of an event: see {@link DistributedTracer.addEvent}. */
  attributes?: Record<string, unknown>;
}

interface Timed {
  spanId: string;
  traceId: string;
  parentSpanId: string | null;
  /** Milliseconds since the Unix epoch. */
  startTime: number;
  /** Milliseconds with fractions, from a monotonic clock; `null` while open. */
  duration: number | null;
  /** `'in-progress'` until the end; `'success'` or any other status, which counts as an error, after it. */
  status: string;
  tags: Record<string, unknown>;
  logs: TraceLog[];
  /** Absent where there are none. */
  links?: TraceLink[];
  /** Milliseconds since the Unix epoch; absent while open. */
  endTime?: number;
  /** What the end was given; absent while open. */
  metadata?: unknown;
}

export interface Span extends Timed {
  operationName: string | undefined;
}

export interface Trace extends Timed {
  service: string;
  /** Oldest first. */
  spans: Span[];
  /** Whether the trace is to be exported. */
  sampled: boolean;
  /** Set by the middleware: method and route. */
  operationName?: string;
  /** `true` for this service's part of a trace that was never started here, or was evicted since. */
  remoteParent?: true;
}

/** Figures of one operation; times in milliseconds, percentiles within 1.6 %. */
export interface OperationMetrics {
  count: number;
  successCount: number;
  errorCount: number;
  totalLatency: number;
  /** Two decimals, as text. */
  avgLatency: string;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
}

export interface TracedError {
  /** ISO 8601. */
  timestamp: string;
  /** Span id. */
  span: string;
  /** Operation name; `undefined` for a trace without one. */
  operation: string | undefined;
  /** `metadata.error`, else `metadata.reason`, else `'unknown'`. */
  error: string | number | boolean;
}

export interface TracerMetricsReport {
  service: string;
  /** Traces retained, ended ones included. */
  activeTraces: number;
  /** Ended spans and traces together. */
  totalRequests: number;
  /** Such as `'0.67ms'`; `'0ms'` before the first. */
  averageLatency: string;
  /** Such as `'33.33%'` of what ended; `'0%'` before the first. */
  errorRate: string;
  /** Such as `'1.50 req/s'`: what ended in the last 60 s, divided by 60. */
  throughput: string;
  requests: Record<string, OperationMetrics>;
  /** The last ten, oldest first. */
  recentErrors: TracedError[];
  /** Traces started. */
  totalTraces: number;
  /** Traces retained. */
  retainedTraces: number;
  avgLatencyMs: number;
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  /** The same as `p99Ms`. */
  p99LatencyMs: number;
  /** Absent where nothing is exported. */
  exporter?: ExporterStats;
}

export interface TracerMiddlewareOptions<Request = any> {
  /** Names a request. @default its method and route pattern */
  name?: (request: Request) => string;
  /** Requests that are not to be traced. */
  ignore?: (request: Request) => boolean;
  /**
   * Whether `active()` answers within the request: an AsyncLocalStorage, which before Node 24 makes every promise of the
   * process a little dearer. @default false
   */
  context?: boolean;
}

/** Headers of any kind: a plain object, a `Headers`, a Map. */
export type TraceHeaders = Record<string, any> | { get(name: string): any };

/** Middleware for Express, Connect and plain `http`; `onRequest` hook for Fastify. Sets `req.trace = { traceId, spanId }`. */
export type TracerMiddleware = (
  request: (IncomingMessage | { raw: IncomingMessage }) & { trace?: TraceIds },
  response: ServerResponse | { raw: ServerResponse },
  next?: (error?: unknown) => void,
) => void;

/** Traces and spans of one service, and metrics over all of them. */
export class DistributedTracer {
  constructor(options?: DistributedTracerOptions);
  serviceName: string;
  /** Share of the traces to be exported; a change holds from the next trace on. */
  samplingRate: number;
  maxSpans: number;
  flushInterval: number;
  /** Trace id → live trace, oldest first. */
  spans: Map<string, Trace>;
  readonly metrics: {
    readonly requests: Map<string, OperationMetrics>;
    /** The last 1,000 durations in milliseconds, oldest first. */
    readonly latencies: number[];
    /** The last 1,000 errors, oldest first. */
    errors: TracedError[];
    /** Per second, over the last 60 s. */
    readonly throughput: number;
  };
  /** `null` after {@link shutdown}. Never keeps the process alive. */
  flushTimer: NodeJS.Timeout | null;
  /**
   * Starts a trace, or goes on with the one that has this id. One that ended already is open again; its clock starts
   * anew. `sampled` overrides the decision, for a trace that another service decided about.
   */
  startTrace(traceId?: string | null, parentSpanId?: string | null, options?: { sampled?: boolean }): TraceIds;
  /** Starts a span and returns its id. The trace may be unknown here: this service's part of it is kept then. */
  startSpan(traceId: string, operationName: string, parentSpanId?: string | null): string;
  /** Ends a span; the first end wins. Any status but `'success'` counts as an error. @default status 'success' */
  endSpan(traceId: string, spanId: string, status?: string, metadata?: unknown): void;
  /** Ends a trace; the first end wins. Any status but `'success'` counts as an error. @default status 'success' */
  endTrace(traceId: string, status?: string, metadata?: unknown): void;
  addTag(traceId: string, key: string, value: unknown): void;
  /** @default level 'info' */
  addLog(traceId: string, message: unknown, level?: string): void;
  /** Tells of a moment in a trace, or in one of its spans. */
  addEvent(traceId: string, name: string, attributes?: Record<string, unknown>, spanId?: string): void;
  /** Links a trace, or one of its spans, to a span of another trace. */
  addLink(traceId: string, link: TraceLink, spanId?: string): void;
  /** Delivers what is to be exported; whether it did in time and nothing was lost since the flush before. @default timeoutMs 10000 */
  flush(options?: { timeoutMs?: number }): Promise<boolean>;
  /** The exporter's figures; `undefined` where nothing is exported. */
  exporterStats(): ExporterStats | undefined;
  /**
   * The live trace. Of the unsampled traces, those open and the 1,024 that ended last are there; of all traces, where they are
   * exported, those open and the 256 that ended last; fewer, where they have more than four spans each.
   */
  getTrace(traceId: string): Trace | null;
  getMetrics(): TracerMetricsReport;
  /** Drops traces that ended more than `maxAge` ms ago, and those open for too long. @default 300000 */
  cleanup(maxAge?: number): void;
  /**
   * Stops the timer and drops the traces; metrics stay, and the tracer still works. What is to be exported is delivered,
   * for as long as `exitTimeoutMs`.
   */
  shutdown(): void;
  /** Hook: 16 hex digits for a span, 32 for a trace. */
  generateId(kind?: 'trace' | 'span'): string;
  /** Hook: counts what ended. */
  recordMetrics(span: Partial<Span> | Partial<Trace>): void;
  /** Hook: called by the constructor. */
  startFlushTimer(): void;
  /** The W3C `traceparent` header for a call made within a trace, `null` when the ids are not of its form. */
  traceparent(traceId: string, spanId?: string): string | null;
  /**
   * Reads `traceparent`, `tracestate` and `baggage`: `tracer.startTrace(...tracer.extract(headers))` goes on with the trace, and
   * with the sender's decision about it. Empty where no valid header came.
   */
  extract(headers: TraceHeaders | null | undefined): [traceId: string, parentSpanId: string] | [];
  /** Sets `traceparent`, and what came with the trace; returns the headers. */
  inject<H extends object = Record<string, string>>(traceId: string, spanId?: string, headers?: H): H;
  /**
   * Runs `fn` as a span of what is active, or as a trace of its own, or going on with what `extract` gave; ends it when `fn`
   * returns, throws or settles. Within it `active()` answers.
   */
  run<T>(name: string, fn: () => T, from?: [traceId: string, parentSpanId: string] | []): T;
  /** The trace and span of the code that runs now. */
  active(): Readonly<TraceIds> | undefined;
  /** `{ trace_id, span_id }` of what is active, for a line of a log; empty outside of it. */
  logFields(): { trace_id?: string; span_id?: string };
  /**
   * Makes spans of outgoing `fetch` and undici requests (of `http` too from Node 22.12 on), with the headers set, and of the
   * pool's queries, wherever something is active. Returns a function that ends it.
   */
  instrument(): () => void;
  /** A trace for each request, continuing the `traceparent` header that came with it. */
  middleware(options?: TracerMiddlewareOptions): TracerMiddleware;
}

export default DistributedTracer;
