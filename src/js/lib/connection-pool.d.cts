/** What the caller's own connections are made of. */
export interface ConnectionFactory<C> {
  /** Makes a connection. A falsy result or a rejection counts as a failure. */
  create(): C | Promise<C>;
  /** Whether a connection still works; `false` or a rejection means no. Without it, connections are not tested. */
  test?(connection: C): unknown;
  /** Ends a connection. */
  close?(connection: C): unknown;
}

export interface ConnectionPoolOptions<C = unknown> {
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
  /** The caller's own connections. An overridden `createConnection` comes first. */
  factory?: ConnectionFactory<C>;
  /**
   * A PostgreSQL server: `postgres://user:password@host:port/database?sslmode=…` or `key=value` pairs. `sslmode`:
   * `disable`, `prefer` (the default), `require`, `verify-ca`, `verify-full`.
   */
  connectionString?: string;
  /** Take the connection string from the environment variable `DATABASE_URL`. @default false */
  postgres?: boolean;
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
}

/** The outcome of one statement of a batch. */
export type Settled<R = Record<string, unknown>> =
  | { value: QueryResult<R>; error?: undefined }
  | { value?: undefined; error: Error };

/** A connection of a PostgreSQL pool. */
export interface PgConnection {
  /** Runs one statement. Statements of one connection run in the order of the calls. */
  query<R = Record<string, unknown>>(text: string | Statement, params?: readonly unknown[]): Promise<QueryResult<R>>;
  /** As `ConnectionPool.queryBatch`, on this connection. */
  queryBatch<R = Record<string, unknown>>(statements: Iterable<string | Statement>): Promise<Settled<R>[]>;
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
export declare class ConnectionPool<C = any> {
  constructor(options?: ConnectionPoolOptions<C>);

  minConnections: number;
  maxConnections: number;
  connectionTimeout: number;
  idleTimeout: number;
  maxRetries: number;
  validateAfterIdleMs: number;
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
  query<R = Record<string, unknown>>(text: string | Statement, params?: readonly unknown[]): Promise<QueryResult<R>>;
  /**
   * Runs independent statements on one connection in one round trip, and resolves with an outcome for each, in order.
   * A failed statement does not affect the others.
   */
  queryBatch<R = Record<string, unknown>>(statements: Iterable<string | Statement>): Promise<Settled<R>[]>;
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
