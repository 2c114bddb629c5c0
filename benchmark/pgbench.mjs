// The limit beside our figures: what PostgreSQL's own pgbench needs for a statement in its prepared mode.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** Debian keeps it out of the PATH, a folder for each version. */
function candidates() {
  const debian = '/usr/lib/postgresql';
  const versions = fs.existsSync(debian) ? fs.readdirSync(debian).sort((a, b) => Number(b) - Number(a)) : [];
  return ['pgbench', ...versions.map((version) => path.join(debian, version, 'bin', 'pgbench'))];
}

/** Microseconds a statement of `script` with so many clients; `undefined` after a line that says how to get pgbench. */
export async function pgbench(server, via, script, clients) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-pgbench-'));
  const file = path.join(folder, 'script.sql');
  fs.writeFileSync(file, script);
  const host = via === 'TCP' ? '127.0.0.1' : server.socketDir;
  const args = ['-n', '-M', 'prepared', '-f', file, '-c', String(clients), '-j', String(Math.min(clients, 2)), '-T', '2'];
  const address = ['-h', host, '-p', String(server.port), '-U', 'postgres', 'postgres'];
  try {
    for (const program of candidates()) {
      try {
        const { stdout } = await run(program, [...args, ...address], { env: { ...process.env, PGPASSWORD: 'postgres' } });
        return 1e6 / Number(/^tps = ([\d.]+)/m.exec(stdout)[1]);
      } catch (error) {
        if (error.code !== 'ENOENT') throw error;
      }
    }
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
  console.log('(no limit by pgbench: Debian has it in postgresql-contrib or postgresql-15)');
  return undefined;
}
