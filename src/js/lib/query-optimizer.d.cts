import type { Measured } from '../metrics/measured.cjs';

/** A query that waits for its batch, as {@link QueryOptimizer.executeBatchQueries} receives it. */
export interface QueuedQuery {
  /** The text as it was given. */
  readonly query: string;
  /** The normal form; all queries of a batch have the same. */
  readonly queryKey: string;
  /** The parameters as they were given. */
  readonly params: any;
  /** Fulfils the promise of this query. */
  readonly resolve: (value: any) => void;
  /** Rejects the promise of this query. */
  readonly reject: (reason: unknown) => void;
  /** When it was queued, in milliseconds since the Unix epoch. */
  readonly queuedAt: number;
}

/** One statement of a batch on its way to a pool. */
export interface BatchStatement {
  text: string;
  params: readonly unknown[];
}

/** What became of one statement of a batch. */
export type BatchOutcome = { value: unknown } | { error: unknown };

/**
 * What can send queries: a `ConnectionPool` of this package (one round trip a batch), anything with `query(text,
 * params)` such as a `pg.Pool`, or anything with `acquire()` and `release()` whose connections have `query`. Methods
 * are looked for in this order.
 */
export interface QueryPool {
  /** Sends statements in one round trip; outcomes by index. */
  queryBatch?(statements: BatchStatement[]): Promise<readonly BatchOutcome[]>;
  query?(text: string, params?: any): Promise<unknown>;
  acquire?(): Promise<any>;
  release?(connection: any): unknown;
}

/**
 * Runs a batch and resolves to its results by index. A missing or `undefined` result is `null` for the caller; a
 * rejected promise in a result's place rejects that caller alone; a rejection of the whole rejects all callers with
 * the same error.
 */
export type QueryExecutor = (queries: QueuedQuery[]) => Promise<readonly unknown[]> | readonly unknown[];

/** Falsy numbers (`0`, `NaN`, `null`, `''`, `false`) mean the default. */
export interface QueryOptimizerOptions extends Measured {
  /** Queries of one normal form that make a full batch. @default 10 */
  batchSize?: number | null;
  /** How long the first query of a batch waits for others, in milliseconds; at most 2147483647. @default 100 */
  batchTimeout?: number | null;
  /** A batch that takes longer counts as slow, in milliseconds. @default 1000 */
  slowQueryThreshold?: number | null;
  /**
   * From this many round trips of one SELECT within one trace on, it runs in a loop; at least 2. `Infinity`: never.
   * @default 5
   */
  nPlusOneThreshold?: number | null;
  /** Slow entries keep the parameters of their queries. They may hold secrets. @default false */
  recordParameters?: boolean;
  /** Stored only. @default true */
  enablePreparedStatements?: boolean;
  /**
   * Runs the batches. An overridden `executeBatchQueries` wins.
   * @default none: every query resolves to `{ success: true }`
   */
  executor?: QueryExecutor | null;
  /** Where batches are sent when there is no `executor`. @default none */
  pool?: QueryPool | null;
  /**
   * Whether lookups of a batch, `SELECT columns FROM one_table WHERE key = $1` with different keys, go out as one
   * statement, of up to 1,000 lookups. Each caller gets what it would have got alone; what is not certain to be the
   * same is not merged, see {@link QueryOptimizer.batchPlan}. Only with a `ConnectionPool` of this package that is
   * connected to PostgreSQL, never in a transaction.
   * @default true
   */
  mergeLookups?: boolean;
  /**
   * Whether identical reads of a batch (same text, same parameters) run once. Each caller gets a result of its own.
   * Statements that write, lock or call a volatile function run for each caller; functions that are stable within a
   * transaction, such as `now()`, run once. Only with a `ConnectionPool` as with {@link mergeLookups}.
   * @default true
   */
  deduplicate?: boolean;
}

/** What becomes of queries of one text that wait together. */
export interface BatchPlan {
  /** Whether those with the same parameters run once. */
  deduplicates: boolean;
  /** Whether those with different parameters go out as one statement. */
  merges: boolean;
  /** That statement; its first column is the number of the lookup, from 1. */
  statement?: string;
  /** Why they are not merged, in words. */
  reason?: string;
}

/** The rules of {@link QueryOptimizer.analyze}; each is explained in docs/query-analysis.md. */
export type QueryRule =
  | 'select-star'
  | 'missing-limit'
  | 'update-without-where'
  | 'delete-without-where'
  | 'leading-wildcard'
  | 'function-on-column'
  | 'cast-on-column'
  | 'implicit-cast'
  | 'deep-offset'
  | 'not-in-subquery'
  | 'huge-in-list'
  | 'order-by-random'
  | 'cartesian-join'
  | 'many-joins'
  | 'distinct-over-join'
  | 'or-across-columns'
  | 'n-plus-one'
  | 'unused-cte'
  | 'null-comparison'
  | 'count-for-existence'
  | 'concatenated-literals'
  | 'insert-without-columns';

/** Something that could be better about a statement. */
export interface QueryFinding {
  rule: QueryRule;
  /**
   * `error`: it does not do what it seems to, or does it to every row; `warning`: it gets slow as tables grow; `info`:
   * worth a look.
   */
  severity: 'error' | 'warning' | 'info';
  /** What is wrong and what to do, in words. */
  message: string;
  /** Where the offending part starts: `query.slice(start, end)` is that part. */
  start: number;
  end: number;
  /** What to write in place of that part; `null` where that takes more than the text. */
  fix: string | null;
}

/** The answer of {@link QueryOptimizer.analyze}. */
export interface QueryAnalysis {
  /** A short name of the text without its values; the same as in `getTopQueries`. */
  fingerprint: string;
  /** The kind of the first statement, such as `'select'`; its first word where it is none of the common ones. */
  statement: string | null;
  /** The tables, in the order of the text, in lower case unless quoted. Empty where the text cannot be parsed. */
  tables: string[];
  /** In the order of the text, at most 100. */
  findings: QueryFinding[];
}

export interface ExplainOptions {
  /**
   * Run the statement to measure it, inside a transaction that is rolled back. What a rollback does not take back, such
   * as sequences and effects of functions outside the database, stays. Needs a pool that can hold a connection:
   * `withConnection()`, `connect()` or `acquire()`.
   * @default false
   */
  analyze?: boolean;
  /** From this many rows on, a table is large. @default 10000 */
  largeTableRows?: number | null;
  /** Try proposals where the server has the extension `hypopg`. @default true */
  hypothetical?: boolean;
}

/** A scan that reads a whole large table. */
export interface SequentialScan {
  /** With its schema. */
  table: string;
  /** Rows of the table, as far as the server has counted. */
  tableRows: number;
  /** Rows that the filter is expected to leave. */
  rows: number;
  /** In the server's units. */
  cost: number;
  /** As the server writes it; it shows parameters' values. */
  filter: string | null;
}

/** An index that would spare a scan. */
export interface IndexProposal {
  /** With its schema, quoted where need be. */
  table: string;
  /** The keys in their order: equality first, then one range or the order. */
  columns: string[];
  /** The statement that makes it. */
  sql: string;
  /** What the keys are for, such as `'equality, then range'`. */
  reason: string;
  /** What it gains by `hypopg`; `null` where it was not tried. */
  tried: {
    /** The plan's cost with the index. */
    cost: number;
    /** The share of the cost that it spares, from 0 to 1; 0 when the plan does not use it. */
    gain: number;
    /** Whether the plan uses it. */
    used: boolean;
  } | null;
}

/** The answer of {@link QueryOptimizer.explain}. */
export interface QueryPlan {
  /** As in `analyze` and `getTopQueries`. */
  fingerprint: string;
  /** The plan as `EXPLAIN (VERBOSE, FORMAT JSON)` gives it; it shows parameters' values. */
  plan: Record<string, any>;
  /** What the plan costs, in the server's units. */
  totalCost: number;
  /** Rows expected. */
  rows: number;
  /** Milliseconds, when the statement ran; else `null`. */
  executionMs: number | null;
  /** Scans that read a whole large table. */
  sequentialScans: SequentialScan[];
  /** Indexes that would spare these scans, at most 5, and none that are there already. */
  indexProposals: IndexProposal[];
  /** Columns of large tables that are cast in every row, so that their index is of no use. */
  casts: { table: string; column: string; to: string }[];
}

/** The answer of {@link QueryOptimizer.optimizeQuery}. */
export interface QueryAdvice {
  /** The text as it was given. */
  original: string;
  /** Its normal form. */
  normalized: string;
  /** Advice in words; empty when there is none. */
  suggestions: string[];
  /**
   * What the last plan of a text of this normal form cost, from {@link QueryOptimizer.explain} of the same optimizer, in
   * the server's units; 0 when there was none, for `optimizeQuery` does not wait for a server.
   */
  estimatedCost: number;
}

/** A batch that took longer than the threshold. */
export interface SlowQuery {
  /** Milliseconds. */
  latency: number;
  /** Queries in the batch. */
  batchSize: number;
  /** When it ended, ISO 8601. */
  timestamp: string;
  /**
   * The normal form of the batch's text, literals included, cut at 4 KB; never a parameter. Missing, as the two below,
   * when recorded without one.
   */
  queryKey?: string;
  /** As in `analyze` and `getTopQueries`. */
  fingerprint?: string;
  /** The normal form with `?` for literals and numbers, cut at 4 KB; never a value. */
  query?: string;
  /** The parameters of the batch's queries; only with the option `recordParameters`. */
  parameters?: any[];
}

export interface TopQueriesOptions {
  /** @default 'totalMs' */
  by?: 'totalMs' | 'calls' | 'meanMs' | 'maxMs';
  /** @default 10 */
  limit?: number;
}

/** What the queries of one fingerprint cost. A query took as long as its batch. */
export interface QueryCost {
  /** A short name of `query`. */
  fingerprint: string;
  /** The normal form with `?` for literals and numbers, cut at 4 KB; never a value. */
  query: string;
  calls: number;
  /** Milliseconds of all calls. */
  totalMs: number;
  meanMs: number;
  maxMs: number;
  /** Of the batches, within 1.6 %. */
  p50Ms: number;
  p95Ms: number;
  p99Ms: number;
  /** Rows returned to all calls, where results have `rows`. */
  rows: number;
  /** Traces in which it ran in a loop. */
  loops: number;
}

/** A SELECT that ran in a loop: the N+1 pattern. */
export interface QueryLoop {
  /** As in `analyze` and `getTopQueries`. */
  fingerprint: string;
  /** The text without its values. */
  query: string;
  /** The trace, of a `DistributedTracer` of this package. */
  traceId: string;
  /** Round trips so far: the threshold. */
  count: number;
}

export interface QueryOptimizerStats {
  /** Queries answered with a result. */
  queriesBatched: number;
  /** Calls of `optimizeQuery` that had no advice to give. */
  queriesOptimized: number;
  /** Mean over the last 1000 batches, such as `'21.00ms'`; `'0ms'` before the first. */
  averageLatency: string;
  /** Slow batches that are kept, at most 100. */
  slowQueriesCount: number;
  /** Queries that wait now. */
  queueSize: number;
  /** Batches that are being collected now. */
  activeBatches: number;
  /** Lookups that were answered by a statement for several of them. */
  merged: number;
  /** Queries that were answered by the statement of an identical one. */
  deduplicated: number;
  /** Statements that went to the pool; what its catalog is asked, once a minute for each text, does not count. */
  statementsSent: number;
}

/**
 * Collects queries of the same form into batches, and gives advice about queries.
 *
 * @example
 * const optimizer = new QueryOptimizer({ pool, batchTimeout: 5 });
 * const { rows } = await optimizer.queueQuery('SELECT name FROM users WHERE id = $1', [7]);
 */
export class QueryOptimizer {
  constructor(options?: QueryOptimizerOptions);

  batchSize: number;
  /** Milliseconds. */
  batchTimeout: number;
  /** Milliseconds. */
  slowQueryThreshold: number;
  enablePreparedStatements: boolean;
  executor: QueryExecutor | null;
  pool: QueryPool | null;
  mergeLookups: boolean;
  deduplicate: boolean;
  /** The waiting queries in order of arrival: a copy, made when it is read. */
  queryQueue: QueuedQuery[];
  /** Normal form → timer, of the batches that are being collected: a copy, made when it is read. */
  batchTimers: Map<string, ReturnType<typeof setTimeout>>;
  /** Raw figures: a copy, made when it is read. */
  stats: {
    queriesBatched: number;
    queriesOptimized: number;
    averageLatency: number;
    latencyHistory: number[];
    slowQueries: SlowQuery[];
  };

  /**
   * Queues a query; resolves to its result. The batch goes out when it is full or its time is over.
   * @throws {TypeError} at once, when the query is not a string
   */
  queueQuery<T = any>(query: string, params?: any): Promise<T>;
  /** Sends the waiting queries of a normal form now. Never rejects: failures go to the queries' own promises. */
  executeBatch(queryKey: string): Promise<void>;
  /** Hook: runs a batch, results by index. By default the executor, the pool, or `{ success: true }` for each. */
  executeBatchQueries(queries: QueuedQuery[]): Promise<readonly unknown[]>;
  /**
   * Looks at a query: selecting all columns, three or more joins, WHERE without LIMIT, WHERE without mention of an
   * index (a comment that says `index …` counts), then the findings of {@link analyze}, in words.
   */
  optimizeQuery(query: string): QueryAdvice;
  /**
   * What could be better about a statement, from its text: a syntax tree's findings with their places; the most
   * important rules also for texts that no parser takes. What is known about a text is remembered.
   * @throws {TypeError} when the query is not a string
   */
  analyze(query: string): QueryAnalysis;
  /**
   * Asks the pool's server what it would do with a statement, and which index would spare it the reading of whole
   * tables. Nothing runs unless `analyze` says so. A text with several statements is refused.
   */
  explain(query: string, params?: readonly unknown[], options?: ExplainOptions): Promise<QueryPlan>;
  /** The last 20 slow batches, oldest first. */
  getSlowQueries(): SlowQuery[];
  /** What queries cost, by fingerprint, the most expensive first; at most 500 fingerprints are kept. */
  getTopQueries(options?: TopQueriesOptions): QueryCost[];
  /**
   * Told, once for a fingerprint in a trace, when a SELECT has gone out in `nPlusOneThreshold` batches of one trace:
   * those of `tracer.run()` and its middleware.
   */
  on(event: 'n-plus-one', listener: (loop: QueryLoop) => void): this;
  once(event: 'n-plus-one', listener: (loop: QueryLoop) => void): this;
  off(event: 'n-plus-one', listener: (loop: QueryLoop) => void): this;
  getStats(): QueryOptimizerStats;
  clearStats(): void;
  /**
   * Trimmed, runs of white space as one space, lower-cased; string literals, dollar quotes, quoted names and comments
   * as they are.
   */
  normalizeQuery(query: string): string;
  /** Records the time of a batch; what is not a finite number is ignored. */
  recordQueryLatency(latency: number, batchSize: number, queryKey?: string): void;
  /**
   * Says what becomes of queries of this text that wait together, and why they are not merged if they are not. The
   * pool's server may be asked.
   * @throws {TypeError} when the query is not a string
   */
  batchPlan(query: string): Promise<BatchPlan>;
  /** Sends everything that waits, and resolves when all batches that are out are settled. Never rejects. */
  flush(): Promise<void>;
  /** As {@link flush}; later queries are rejected with `ERR_TOOLOO_CLOSED`. The pool stays open. */
  close(): Promise<void>;
  [Symbol.asyncDispose](): Promise<void>;
}

export default QueryOptimizer;
