// A real PgBouncer in transaction mode, before a server of `postgres.mjs`: on a free loopback port, in a temporary folder,
// stopped by process id. The binary comes from the PATH or, as root on Debian, from its package.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { freePort } from './free-port.mjs';
import { until } from './until.mjs';

const FOLDERS = [...(process.env.PATH ?? '').split(path.delimiter), '/usr/sbin', '/usr/local/sbin'];
const found = () => FOLDERS.map((folder) => path.join(folder, 'pgbouncer')).find((file) => fs.existsSync(file));
const isRoot = process.getuid?.() === 0;

function installed() {
  if (!isRoot || !fs.existsSync('/usr/bin/apt-get')) return undefined;
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  for (const words of [['update', '-qq'], ['install', '-y', '-qq', '--no-install-recommends', 'pgbouncer']]) {
    spawnSync('apt-get', words, { env, stdio: ['ignore', 'ignore', 'inherit'] });
  }
  return found();
}

let known;
/** For `{ skip }` of a test: false, or why there is no PgBouncer (which is a failure in CI). */
export function noPgbouncer() {
  known ??= found() ?? installed();
  if (known !== undefined) return false;
  if (process.env.CI) throw new Error('PgBouncer could not be found or installed');
  return 'NO PGBOUNCER: not on the PATH and it could not be installed';
}

const listens = (port) => new Promise((resolve) => {
  const socket = net.connect(port, '127.0.0.1', () => { socket.destroy(); resolve(true); });
  socket.on('error', () => resolve(false));
});

/** Starts one before a server, with `size` sessions of it: `{ url, stop() }`. */
export async function startPgbouncer(server, { size = 3 } = {}) {
  if (noPgbouncer() !== false) throw new Error('there is no PgBouncer');
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-pgbouncer-'));
  // It refuses to run as root.
  fs.chmodSync(home, 0o777);
  const port = await freePort();
  fs.writeFileSync(path.join(home, 'users.txt'), '"postgres" "postgres"\n');
  fs.writeFileSync(path.join(home, 'pgbouncer.ini'), `
[databases]
postgres = host=127.0.0.1 port=${server.port} dbname=postgres
[pgbouncer]
listen_addr = 127.0.0.1
listen_port = ${port}
unix_socket_dir =
auth_type = plain
auth_file = ${path.join(home, 'users.txt')}
pool_mode = transaction
default_pool_size = ${size}
server_round_robin = 1
max_client_conn = 200
`);
  const words = [...(isRoot ? ['-u', 'nobody'] : []), path.join(home, 'pgbouncer.ini')];
  const log = [];
  const child = spawn(known, words, { stdio: ['ignore', 'pipe', 'pipe'] });
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => log.push(String(bytes)));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  const stop = async () => {
    child.kill('SIGINT');
    if (await Promise.race([ended.then(() => false), new Promise((resolve) => setTimeout(resolve, 5000, true))])) child.kill('SIGKILL');
    await ended;
    fs.rmSync(home, { recursive: true, force: true });
  };
  try {
    await until(() => {
      if (child.exitCode !== null) throw new Error('it ended');
      return listens(port);
    });
  } catch (error) {
    await stop();
    throw new Error(`PgBouncer did not start: ${error.message}\n${log.join('')}`);
  }
  return { url: `postgres://postgres:postgres@127.0.0.1:${port}/postgres`, port, stop };
}
