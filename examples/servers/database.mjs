// The PostgreSQL of the demo: the one DATABASE_URL names, or an embedded one.
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import pg from 'pg';
import { dropLedger } from './ledger.mjs';

async function startEmbedded(fleet, flags) {
  const holder = await fleet.start('PostgreSQL', 'database-holder.mjs', {
    args: [JSON.stringify({ flags })],
    detached: true,
  });
  const { url, folder, problem } = holder.hello;
  if (problem !== undefined) throw new Error(problem);
  return {
    url,
    async stop() {
      await holder.stop();
      // Its holder does this, unless it was killed.
      const pidFile = path.join(folder, 'data', 'postmaster.pid');
      if (fs.existsSync(pidFile)) process.kill(Number.parseInt(fs.readFileSync(pidFile, 'utf8'), 10), 'SIGQUIT');
      fs.rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
    },
  };
}

/**
 * `{ url, schema, client, embedded, close() }`: a schema name that nobody else uses, and one connection for the
 * demo's own work. `close()` drops the schema, or stops the embedded server and removes its folder.
 */
export async function openDatabase({ fleet, url = process.env.DATABASE_URL, flags = [] }) {
  const server = url ? { url } : await startEmbedded(fleet, flags);
  const schema = `tooloo_demo_${randomBytes(4).toString('hex')}`;
  const client = new pg.Client({ connectionString: server.url, application_name: 'tooloo-demo' });
  client.on('error', () => {});
  await client.connect();
  return {
    url: server.url,
    schema,
    client,
    embedded: !url,
    async close() {
      // Of an embedded server nothing is kept, so there is nothing to drop.
      if (url) {
        await client.query('ROLLBACK').catch(() => {});
        await dropLedger(client, schema).catch((error) => {
          console.error(`schema ${schema} could not be dropped: ${error.message}`);
        });
      }
      await client.end().catch(() => {});
      await server.stop?.();
    },
  };
}

/** Adds an application name to a connection string, so that its connections can be counted. */
export function named(url, name) {
  const labelled = new URL(url);
  labelled.searchParams.set('application_name', name);
  return labelled.href;
}

/** How many connections with that application name are open. */
export async function countConnections(client, name) {
  const { rows } = await client.query('SELECT count(*)::int AS n FROM pg_stat_activity WHERE application_name = $1', [name]);
  return rows[0].n;
}
