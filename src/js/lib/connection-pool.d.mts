export * from './connection-pool.cjs';
export { ConnectionPool as default } from './connection-pool.cjs';
