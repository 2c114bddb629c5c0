import type { Measured } from '../metrics/measured.cjs';

/** What the caller's own connections are made of. */
export interface ConnectionFactory<C> {
  /** Makes a connection. A falsy result or a rejection counts as a failure. */
  create(): C | Promise<C>;
  /** Whether a connection still works; `false` or a rejection means no. Without it, connections are not tested. */
  test?(connection: C): unknown;
  /** Ends a connection. */
  close?(connection: C): unknown;
}

export interface ConnectionPoolOptions<C = unknown> extends Measured {
  /** Connections made by the initialisation and kept when idle. @default 2 */
  minConnections?: number;
  /** Connections beyond which callers wait in line. @default 10 */
  maxConnections?: number;
  /** Limit of a wait for a connection, and of the making of one, in milliseconds. @default 5000 */
  connectionTimeout?: number;
  /** Idle connections above the minimum are closed after this many milliseconds. @default 30000 */
  idleTimeout?: number;
  /** How often making a connection is tried again, with growing waits, while somebody waits for it. @default 3 */
  maxRetries?: number;
  /**
   * A connection idle for longer than this many milliseconds is tested before it is lent.
   * @default 500 with PostgreSQL or a factory that has `test`, else never
   */
  validateAfterIdleMs?: number;
  /**
   * A connection older than this many milliseconds, less up to a tenth that is rolled for each, is closed as soon as
   * nobody has it. @default 1800000 with PostgreSQL or a factory that has `test`, else never
   */
  maxLifetimeMs?: number;
  /** Callers that may wait for others to release; more are refused with `ERR_TOOLOO_QUEUE_FULL`. @default unlimited */
  maxWaiting?: number;
  /** Warn, with the place of the `acquire`, of a connection held for longer than this. @default 0, never */
  leakThresholdMs?: number;
  /** `initialize()` rejects when the first connections cannot be made. @default false */
  failFast?: boolean;
  /** The caller's own connections. An overridden `createConnection` comes first. */
  factory?: ConnectionFactory<C>;
  /**
   * A PostgreSQL server: `postgres://user:password@host:port/database?sslmode=…` or `key=value` pairs. `sslmode`:
   * `disable`, `prefer` (the default), `require`, `verify-ca`, `verify-full`; with `sslrootcert`. Several hosts are
   * tried in their order. What it leaves open, the options below say, then the environment's `PG*`; a password, then libpq's
   * password file (`PGPASSFILE`, `~/.pgpass`), if nobody but its owner can read it.
   */
  connectionString?: string;
  /** One host, or several with commas; a path is a Unix socket's folder. Enough to make it a PostgreSQL pool. */
  host?: string;
  /** One port, or one for each host with commas. @default 5432 */
  port?: number | string;
  user?: string;
  password?: string;
  database?: string;
  /** `true` is `verify-full`, `false` is `disable`; a mode of libpq; or the authorities' certificates. */
  ssl?: boolean | string | { rejectUnauthorized?: boolean; ca?: string | Buffer | (string | Buffer)[] };
  /** Shown by the server in `pg_stat_activity`. */
  applicationName?: string;
  /** Statements that run longer than this many milliseconds are ended by the server. @default 0, never */
  statementTimeoutMs?: number;
  /** A silent connection is probed by the system after this many milliseconds, and given up after twice as many. @default 30000 */
  keepaliveMs?: number;
  /** What kind of server is wanted. @default 'any' */
  targetSessionAttrs?: 'any' | 'read-write' | 'read-only' | 'primary' | 'standby' | 'prefer-standby';
  /** Statements kept prepared on each connection. @default 100 */
  statementCacheSize?: number;
  /**
   * `false` for PgBouncer's transaction mode and other poolers that give each transaction another session of the server:
   * statements have no names and leave with their parameters in one message, batches one statement after the other. Each
   * new text is looked at once on each connection. `pipelineConnections` has no effect then. @default true
   */
  preparedStatements?: boolean;
  /**
   * Send `pool.query` pipelined over this many connections of the pool: queries do not wait for the answers before
   * them. Not for pools behind PgBouncer's transaction mode. @default 0, each query has a connection to itself
   */
  pipelineConnections?: number;
  /**
   * Where connections are driven: on Node's own loop, which is fastest, or on a thread of the package's own, which
   * takes decoding and TLS off the loop and costs each query two changes of thread. Streams and COPY are always
   * decoded on the thread. Where there is no libuv (Bun, Deno, Windows), it is the thread. @default 'loop'
   */
  transport?: 'loop' | 'thread';
  /** How values reach JavaScript that have more than one likeness. */
  types?: ValueTypes;
  /** Take the connection string from the environment variable `DATABASE_URL`. @default false */
  postgres?: boolean;
}

/** How values reach JavaScript that have more than one likeness. */
export interface ValueTypes {
  /** @default 'string' */
  int8?: 'string' | 'number' | 'bigint';
  /** @default 'string' */
  numeric?: 'string' | 'number';
  /** @default 'date', midnight in the local time zone */
  date?: 'date' | 'string';
}

export interface QueryOptions {
  /** Gives the query up: it is cancelled at the server. */
  signal?: AbortSignal;
  /** Limit of the query, the wait for a connection included, in milliseconds. @default none */
  timeoutMs?: number;
  /** Rows as objects or as arrays. @default 'object' */
  rowMode?: 'object' | 'array';
  /** Over those of the pool. */
  types?: ValueTypes;
}

/** What ends a piece of work early. Its caller hears of it at once; what runs for it is cancelled at the server. */
export interface LimitOptions {
  signal?: AbortSignal;
  /** Limit of the whole, the wait for a connection included, in milliseconds. @default none */
  timeoutMs?: number;
}

export interface StreamOptions extends LimitOptions {
  /** Rows that travel together. @default 1000 */
  batchSize?: number;
  rowMode?: 'object' | 'array';
  types?: ValueTypes;
}

/**
 * `signal` and `timeoutMs` are those of the transaction as a whole, all its attempts and waits included: the statement
 * that runs is cancelled, everything is rolled back, and what was handed to the function is of no use any more. When the
 * limit is reached during COMMIT, the transaction may have been committed.
 */
export interface TransactionOptions extends LimitOptions {
  /** @default the server's, usually read committed */
  isolation?: 'read uncommitted' | 'read committed' | 'repeatable read' | 'serializable';
  /** @default false */
  readOnly?: boolean;
  /** @default false */
  deferrable?: boolean;
  /** How often the whole function is run again after a serialization failure or a deadlock. @default 0 */
  retries?: number;
}

/** What COPY … FROM STDIN is fed with. */
export type CopySource = string | Uint8Array | Iterable<string | Uint8Array> | AsyncIterable<string | Uint8Array>;

/** What works the same on a pool, on a connection and in a transaction. */
export interface Queryable {
  /** Runs one statement. */
  query<R = Record<string, unknown>>(
    text: string | Statement,
    params?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<R>>;
  /**
   * Runs independent statements in one round trip; an outcome for each. When a limit is reached the batch rejects; what
   * had been done by then stays done outside a transaction.
   */
  queryBatch<R = Record<string, unknown>>(
    statements: Iterable<string | Statement>,
    options?: LimitOptions,
  ): Promise<Settled<R>[]>;
  /** The rows of a statement, read from the socket as they are wanted. Leaving the loop cancels the statement. */
  stream<R = Record<string, unknown>>(
    text: string | Statement,
    params?: readonly unknown[],
    options?: StreamOptions,
  ): AsyncGenerator<R, void, undefined>;
  /** COPY … FROM STDIN; the number of rows. When the source fails or a limit is reached, nothing is copied. */
  copyFrom(text: string, source: CopySource, options?: LimitOptions): Promise<number>;
  /** COPY … TO STDOUT, in pieces. */
  copyTo(text: string, options?: LimitOptions): AsyncGenerator<Buffer, void, undefined>;
}

/** What the function of a transaction gets; of no use when the transaction has ended. */
export interface Transaction extends Queryable {
  /** A part that can fail alone: a savepoint. */
  transaction<T>(fn: (inner: Transaction) => T | Promise<T>): Promise<T>;
}

export interface Notification {
  channel: string;
  payload: string;
  /** The server process that sent it. */
  processId: number;
}

export interface ListenOptions {
  /** Called when the connection was lost and is there again: notifications in between were not heard. */
  onReconnect?: (event: { channel: string; mayHaveMissed: true }) => void;
}

export interface PreparedStatement {
  readonly text: string;
  /** OIDs of the parameters' types. */
  readonly parameters: readonly number[];
  readonly fields: readonly QueryField[];
  query<R = Record<string, unknown>>(params?: readonly unknown[], options?: QueryOptions): Promise<QueryResult<R>>;
}

export interface AcquireOptions {
  /** Gives the wait up. */
  signal?: AbortSignal;
  /** Limit of this wait, the first filling of the pool included, in milliseconds. @default connectionTimeout */
  timeoutMs?: number;
}

export interface DrainOptions {
  /** Wait this many milliseconds for borrowed connections to come back before closing them. @default 0 */
  timeoutMs?: number;
}

/** A column of a result. */
export interface QueryField {
  readonly name: string;
  readonly tableID: number;
  readonly columnID: number;
  /** OID of the column's type. */
  readonly dataTypeID: number;
  readonly dataTypeModifier: number;
  readonly format: string;
}

/** The result of a statement, with the values that `pg` gives by default. */
export interface QueryResult<R = Record<string, unknown>> {
  rows: R[];
  /** Rows returned or changed; `null` for commands that have no count. */
  rowCount: number | null;
  fields: readonly QueryField[];
  /** The command, such as `SELECT`. */
  command: string;
}

/** An error of the server, with the fields that `pg` gives it. */
export interface DatabaseError extends Error {
  /** SQLSTATE, such as `23505`; or a code of the operating system or of this package. */
  code: string;
  severity?: string;
  detail?: string;
  hint?: string;
  position?: string;
  where?: string;
  schema?: string;
  table?: string;
  column?: string;
  dataType?: string;
  constraint?: string;
  file?: string;
  line?: string;
  routine?: string;
}

export interface Statement {
  text: string;
  params?: readonly unknown[];
  /** Another name for `params`, as in `pg`. */
  values?: readonly unknown[];
  /** Rows as objects or as arrays. @default 'object' */
  rowMode?: 'object' | 'array';
  /** Over those of the pool. */
  types?: ValueTypes;
}

/** The outcome of one statement of a batch. */
export type Settled<R = Record<string, unknown>> =
  | { value: QueryResult<R>; error?: undefined }
  | { value?: undefined; error: Error };

/** A connection of a PostgreSQL pool. */
export interface PgConnection extends Queryable {
  /** Whether the server answers within `timeoutMs`. */
  isAlive(timeoutMs: number): Promise<boolean>;
  /** The connection broke; the pool replaces it when it is released. */
  readonly lost: boolean;
}

export interface PoolCounters {
  /** Connections made. */
  created: number;
  /** Connections lent. */
  acquired: number;
  /** Connections given back. */
  released: number;
  /** Connections that could not be made, after the last attempt. */
  failures: number;
  /** Connections lent at the moment. */
  activeCount: number;
}

export interface PoolStats extends PoolCounters {
  /** Connections that exist. */
  poolSize: number;
  /** Connections free to be lent. */
  availableConnections: number;
  /** Callers waiting in line. */
  waitingRequests: number;
  /** Lent connections of the maximum, such as `'50.00%'`. */
  utilization: string;
  /** Connections being made. */
  creating: number;
  /** Further attempts at making a connection. */
  retries: number;
  /** Connections closed or given up. */
  closed: number;
  /** Of these, closed for being idle. */
  reaped: number;
  /** Of these, closed at the end of their lifetime. */
  expired: number;
  /** Waits that ended by their limit. */
  timeouts: number;
}

export interface HealthCheck {
  healthy: number;
  unhealthy: number;
  /** Connections after the refill. */
  total: number;
}

/**
 * A pool of connections from one of three sources, in this order: overridden hooks, `factory`, a PostgreSQL
 * `connectionString`. With none of them connections are plain objects `{ id }`.
 */
export declare class ConnectionPool<C = any> implements Queryable {
  constructor(options?: ConnectionPoolOptions<C>);

  minConnections: number;
  maxConnections: number;
  connectionTimeout: number;
  idleTimeout: number;
  maxRetries: number;
  validateAfterIdleMs: number;
  maxLifetimeMs: number;
  /** 0: unlimited. */
  maxWaiting: number;
  initialized: boolean;
  /** A snapshot of the connections. */
  readonly connections: { conn: C; acquired: boolean; createdAt: number }[];
  /** A snapshot of the lent connections. */
  readonly activeConnections: Set<C>;
  /** A snapshot of the callers in line, oldest first. */
  readonly waitingQueue: { resolve: Function; reject: Function; timeout: unknown }[];
  readonly stats: PoolCounters;

  /** Makes the minimum of connections; done by the first `acquire`. */
  initialize(): Promise<void>;
  /** Lends a connection, to be given back by `release`. */
  acquire(options?: AcquireOptions): Promise<C>;
  /** Takes a connection back. Ignores what is not lent. */
  release(connection: C): void;
  /** Lends a connection for the time of `fn`, and resolves with what `fn` does. */
  withConnection<T>(fn: (connection: C) => T | Promise<T>): Promise<T>;
  /** Runs one statement on a connection of the pool. */
  query<R = Record<string, unknown>>(
    text: string | Statement,
    params?: readonly unknown[],
    options?: QueryOptions,
  ): Promise<QueryResult<R>>;
  /** Runs `fn` between BEGIN and COMMIT, or ROLLBACK when it fails. */
  transaction<T>(fn: (transaction: Transaction) => T | Promise<T>, options?: TransactionOptions): Promise<T>;
  stream<R = Record<string, unknown>>(
    text: string | Statement,
    params?: readonly unknown[],
    options?: StreamOptions,
  ): AsyncGenerator<R, void, undefined>;
  copyFrom(text: string, source: CopySource, options?: LimitOptions): Promise<number>;
  copyTo(text: string, options?: LimitOptions): AsyncGenerator<Buffer, void, undefined>;
  /** Looks at a statement now, to run it later. */
  prepare(text: string): Promise<PreparedStatement>;
  /**
   * Listens to a channel over a connection beside the pool's, which keeps no process alive, until `unlisten` or the
   * pool's `drain`.
   */
  listen(
    channel: string,
    callback: (notification: Notification) => void,
    options?: ListenOptions,
  ): Promise<{ channel: string; unlisten(): Promise<void> }>;
  /**
   * Runs independent statements on one connection in one round trip, and resolves with an outcome for each, in order.
   * A failed statement does not affect the others.
   */
  queryBatch<R = Record<string, unknown>>(
    statements: Iterable<string | Statement>,
    options?: LimitOptions,
  ): Promise<Settled<R>[]>;
  /** Tests all connections, drops idle ones that fail, and refills to the minimum. */
  healthCheck(): Promise<HealthCheck>;
  getStats(): PoolStats;
  /** Turns waiting callers away and closes all connections; the pool may be used again afterwards. */
  drain(options?: DrainOptions): Promise<void>;

  /** Hook: makes a connection. */
  createConnection(): Promise<C>;
  /** Hook: `false` or a rejection means that the connection is no good. */
  testConnection(connection: C): Promise<unknown>;
  /** Hook: ends a connection. */
  closeConnection(connection: C): Promise<unknown>;
}

export default ConnectionPool;
