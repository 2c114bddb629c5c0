// A PostgreSQL with the extension hypopg: the server of the system's packages, and the extension of the same version.
// Where only the extension is missing, its package is unpacked beside links to the server, under node_modules/.cache;
// nothing is installed, except in CI, which has neither.
import { execFileSync, spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { freePort } from './free-port.mjs';
import { until } from './until.mjs';

const CACHE = fileURLToPath(new URL('../../node_modules/.cache', import.meta.url));
const SYSTEM = '/usr/lib/postgresql';
/** A user of every system, for a server does not run as root. */
const NOBODY = 65_534;

const run = (command, args, options = {}) => execFileSync(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: 300_000, ...options });
const works = (fn) => {
  try {
    return fn();
  } catch {
    return undefined;
  }
};

/** The versions of the system's servers, the newest first. */
function versions() {
  const found = fs.existsSync(SYSTEM) ? fs.readdirSync(SYSTEM) : [];
  return found.filter((version) => fs.existsSync(path.join(SYSTEM, version, 'bin', 'initdb'))).sort((a, b) => b - a);
}

const hasHypopg = (home) => fs.existsSync(path.join(home, 'lib', 'hypopg.so'));

/** Links to a version's server with the extension among them: a server looks for its files from where it stands. */
function unpacked(version) {
  const root = path.join(CACHE, `hypopg-${version}`);
  const home = path.join(root, 'usr', 'lib', 'postgresql', version);
  if (hasHypopg(home)) return home;
  fs.mkdirSync(CACHE, { recursive: true });
  const making = fs.mkdtempSync(path.join(CACHE, 'making-hypopg-'));
  fs.chmodSync(making, 0o755);
  run('apt-get', ['download', `postgresql-${version}-hypopg`], { cwd: making });
  const [deb] = fs.readdirSync(making).filter((file) => file.endsWith('.deb'));
  for (const folder of [`usr/lib/postgresql/${version}/lib`, `usr/share/postgresql/${version}`]) {
    fs.mkdirSync(path.join(making, path.dirname(folder)), { recursive: true });
    run('cp', ['-rs', `/${folder}`, path.join(making, folder)]);
  }
  const bin = `usr/lib/postgresql/${version}/bin`;
  fs.mkdirSync(path.join(making, bin));
  for (const program of ['postgres', 'initdb']) fs.copyFileSync(`/${bin}/${program}`, path.join(making, bin, program));
  run('dpkg-deb', ['-x', path.join(making, deb), making]);
  // Another process may have been first.
  works(() => fs.renameSync(making, root));
  fs.rmSync(making, { recursive: true, force: true });
  return hasHypopg(home) ? home : undefined;
}

/** In CI, where it is root's to do: the server without a cluster of its own, and the extension. */
function installed() {
  const environment = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  run('apt-get', ['update'], environment);
  const [, version] = /^postgresql-(\d+)-hypopg\b/m.exec(String(run('apt-cache', ['search', '--names-only', '^postgresql-[0-9]+-hypopg$'])));
  fs.mkdirSync('/etc/postgresql-common', { recursive: true });
  fs.writeFileSync('/etc/postgresql-common/createcluster.conf', 'create_main_cluster = false\n');
  const quiet = ['-y', '--no-install-recommends', '-o', 'Dpkg::Options::=--force-confold'];
  run('apt-get', ['install', ...quiet, `postgresql-${version}`, `postgresql-${version}-hypopg`], environment);
  return path.join(SYSTEM, version);
}

function find() {
  const ready = versions().map((version) => path.join(SYSTEM, version)).find(hasHypopg);
  if (ready !== undefined) return ready;
  for (const version of versions()) {
    const home = works(() => unpacked(version));
    if (home !== undefined) return home;
  }
  return process.env.CI ? installed() : undefined;
}

/**
 * Starts a server that has the extension: `{ url, stop() }`. `undefined`, and says so, where there is none; in CI that
 * is an error.
 */
export async function startWithHypopg() {
  const home = find();
  if (home === undefined) {
    console.warn('SKIPPED: no PostgreSQL with the extension hypopg (Debian: postgresql-15 and postgresql-15-hypopg)');
    return undefined;
  }
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-hypopg-'));
  const user = process.getuid() === 0 ? { uid: NOBODY, gid: NOBODY } : {};
  if (user.uid !== undefined) fs.chownSync(folder, NOBODY, NOBODY);
  const data = path.join(folder, 'data');
  const options = { ...user, cwd: folder, env: { PATH: process.env.PATH, LC_ALL: 'C' } };
  run(path.join(home, 'bin', 'initdb'), ['-D', data, '-U', 'postgres', '-A', 'trust', '--no-sync', '-E', 'UTF8'], options);
  const port = await freePort();
  const flags = ['-c', 'fsync=off', '-c', 'listen_addresses=127.0.0.1', '-k', folder];
  const server = spawn(path.join(home, 'bin', 'postgres'), ['-D', data, '-p', String(port), ...flags], { ...options, stdio: 'ignore' });
  const ended = new Promise((resolve) => server.once('exit', resolve));
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const stop = async () => {
    server.kill('SIGINT');
    await ended;
    fs.rmSync(folder, { recursive: true, force: true });
  };
  try {
    await until(async () => {
      const client = new pg.Client({ connectionString: url });
      client.on('error', () => {});
      try {
        await client.connect();
        await client.query('create extension if not exists hypopg');
        return true;
      } catch {
        return false;
      } finally {
        await client.end().catch(() => {});
      }
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { url, stop };
}
