import type { IncomingMessage, ServerResponse } from 'node:http';

export type { Measured } from './measured.cjs';

/** The values of a metric's labels. What is `undefined` or missing counts as empty. */
export type Labels<Name extends string = string> = { readonly [name in Name]?: string | number | boolean | bigint };

export interface MetricOptions<Name extends string = never> {
  /** In snake_case and in base units (`_seconds`, `_bytes`); a counter gets `_total` where it is missing. */
  name: string;
  /** What it tells, in a sentence. */
  help: string;
  /** At most 10 names in snake_case, other than `le` and `quantile`. @default [] */
  labelNames?: readonly Name[];
  /** Different label sets, 1 to 10000; further ones share `(other)` and are counted. @default 200 */
  maxLabelSets?: number;
}

export interface GaugeOptions<Name extends string = never> extends MetricOptions<Name> {
  /** Called before each scrape, to set the gauge; must not be asynchronous. An error in it fails the scrape. */
  collect?: (this: Gauge<Name>, gauge: Gauge<Name>) => void;
}

export interface HistogramOptions<Name extends string = never> extends MetricOptions<Name> {
  /**
   * Upper bounds of the buckets, ascending, at most 100.
   * @default [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]
   */
  buckets?: readonly number[];
  /** Native buckets beside those, for scrapers that ask for protobuf. @default true */
  native?: boolean;
}

/** An example of what a bucket counts. */
export interface Exemplar {
  traceId: string;
  spanId?: string;
}

/** One series of a counter. */
export interface CounterSeries {
  /** Adds; RangeError for what is negative or not finite. @default 1 */
  inc(value?: number): void;
}

/** One series of a gauge. */
export interface GaugeSeries {
  set(value: number): void;
  /** @default 1 */
  inc(value?: number): void;
  /** @default 1 */
  dec(value?: number): void;
}

/** One series of a histogram. */
export interface HistogramSeries {
  /** Adds a value, with the trace of the code that runs now (`tracer.run`, `tracer.middleware`) or the one given. */
  observe(value: number, exemplar?: Exemplar | null): void;
  /** Observes the seconds from now to the call of what it returns, and returns them. */
  startTimer(): () => number;
}

/** Only grows. Methods take the labels first where the metric has some. */
export interface Counter<Name extends string = never> extends CounterSeries {
  inc(labels: Labels<Name>, value?: number): void;
  inc(value?: number): void;
  /** The series of these labels, found once. */
  labels(labels: Labels<Name>): CounterSeries;
}

/** Goes up and down. */
export interface Gauge<Name extends string = never> extends GaugeSeries {
  set(labels: Labels<Name>, value: number): void;
  set(value: number): void;
  inc(labels: Labels<Name>, value?: number): void;
  inc(value?: number): void;
  dec(labels: Labels<Name>, value?: number): void;
  dec(value?: number): void;
  labels(labels: Labels<Name>): GaugeSeries;
}

/** Counts by size. */
export interface Histogram<Name extends string = never> extends HistogramSeries {
  observe(labels: Labels<Name>, value: number, exemplar?: Exemplar | null): void;
  observe(value: number, exemplar?: Exemplar | null): void;
  startTimer(labels?: Labels<Name>): () => number;
  labels(labels: Labels<Name>): HistogramSeries;
}

/** An instance of one of the package's classes. */
export interface KnownInstance {
  /** Its class. */
  kind: string;
  /** The label `name` of its metrics. */
  name: string;
  instance: object;
}

/**
 * The registry of this thread: what the package's modules report, and the app's own metrics. Names and labels are
 * checked when a metric is defined; the same definition again gives the same metric.
 */
export declare const metrics: {
  counter<const Name extends string = never>(options: MetricOptions<Name>): Counter<Name>;
  gauge<const Name extends string = never>(options: GaugeOptions<Name>): Gauge<Name>;
  histogram<const Name extends string = never>(options: HistogramOptions<Name>): Histogram<Name>;
  /** Everything in Prometheus' text format 0.0.4. */
  text(): string;
  /** Everything in the format that an `Accept` header asks for; the text format where it asks for none that is known. */
  scrape(accept?: string): { contentType: string; body: Buffer };
  /** The living instances of a class, or of all. */
  instances(kind?: string): KnownInstance[];
};

export interface MetricsHandlerOptions {
  /** Compresses answers for those who take gzip, off the event loop. @default true */
  gzip?: boolean;
}

/**
 * A request handler for `node:http`, Express and Connect that answers every GET and HEAD with the metrics: text 0.0.4,
 * OpenMetrics 1.0 (with exemplars) or protobuf (with native histograms), by `Accept`; 405 for other methods.
 */
export declare function metricsHandler(
  options?: MetricsHandlerOptions,
): (request: IncomingMessage, response: ServerResponse, ...rest: unknown[]) => void;
