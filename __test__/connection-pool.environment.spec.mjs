// PGPORT and the password file, on a real server that wants a password.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { startPostgres } from './support/postgres.mjs';

const FACE = JSON.stringify(new URL('../src/js/lib/connection-pool.mjs', import.meta.url).href);
const PROGRAM = `
  const { ConnectionPool } = await import(${FACE});
  const pool = new ConnectionPool({ connectionString: process.env.WHERE, minConnections: 1, maxConnections: 1, maxRetries: 1 });
  try {
    console.log((await pool.query("select 'in' as done")).rows[0].done);
  } catch (error) {
    console.log(error.code, error.cause?.code, error.stack, JSON.stringify(error));
  }
  await pool.drain();`;

let server;
let home;

before(async () => {
  server = await startPostgres();
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-home-'));
});

after(async () => {
  await server?.stop();
  if (home) fs.rmSync(home, { recursive: true, force: true });
});

function run(where, variables = {}) {
  const { PATH } = process.env;
  const env = { PATH, HOME: home, WHERE: where, ...variables };
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', PROGRAM], { env, encoding: 'utf8' });
  return { said: stdout.trim(), warned: stderr };
}

function write(name, text, mode = 0o600) {
  const file = path.join(home, name);
  fs.writeFileSync(file, text);
  fs.chmodSync(file, mode);
  return file;
}

test('a URL without a port takes PGPORT', () => {
  const { said } = run('postgres://postgres:postgres@127.0.0.1/postgres', { PGPORT: String(server.port) });
  assert.equal(said, 'in');
});

test('a bad PGPORT is named, and matters only when it is needed', () => {
  assert.match(run('postgres://u@127.0.0.1/postgres', { PGPORT: 'many' }).warned, /"port" must be/);
  assert.equal(run(server.url, { PGPORT: 'many' }).said, 'in');
});

test('the password comes from PGPASSFILE, and from .pgpass of the home', { skip: process.platform === 'win32' }, () => {
  const where = `postgres://postgres@127.0.0.1:${server.port}/postgres`;
  assert.match(run(where).said, /ERR_TOOLOO_CONNECT/);
  const line = `# a comment\n127.0.0.1:${server.port}:postgres:postgres:postgres\n`;
  assert.equal(run(where, { PGPASSFILE: write('elsewhere', line) }).said, 'in');
  write('.pgpass', line);
  assert.equal(run(where).said, 'in');
  assert.match(run(where, { PGPASSFILE: path.join(home, 'missing') }).said, /ERR_TOOLOO_CONNECT/);
});

test('a password file that others may read is not used, with a warning', { skip: process.platform === 'win32' }, () => {
  const where = `postgres://postgres@127.0.0.1:${server.port}/postgres`;
  const { said, warned } = run(where, { PGPASSFILE: write('open', '*:*:*:*:postgres\n', 0o644) });
  assert.match(said, /ERR_TOOLOO_CONNECT/);
  assert.match(warned, /PasswordFileWarning: .*0600/);
});

test('a wrong password of the file is in no error', { skip: process.platform === 'win32' }, () => {
  const where = `postgres://postgres@127.0.0.1:${server.port}/postgres`;
  const { said, warned } = run(where, { PGPASSFILE: write('wrong', '*:*:*:*:hunter2-secret\n') });
  assert.match(said, /28P01/);
  assert.ok(!`${said}${warned}`.includes('hunter2'));
});
