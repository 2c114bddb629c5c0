// A PostgreSQL of a test file's own, and a pool to it.
import { ConnectionPool } from '../../src/js/lib/connection-pool.mjs';
import { startPostgres } from './postgres.mjs';

/** `{ server, pool, stop() }`; `options` are the pool's. */
export async function startPool(options) {
  const server = await startPostgres();
  const pool = new ConnectionPool({ connectionString: server.url, minConnections: 1, ...options });
  return {
    server,
    pool,
    async stop() {
      await pool.drain();
      await server.stop();
    },
  };
}
