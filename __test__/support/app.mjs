// Copies of the app in __test__/compat/app, in a temporary folder, with this package and Express in node_modules.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
export const MODULES = ['persistent-cache', 'connection-pool', 'query-optimizer', 'rate-limiter', 'distributed-tracer'];

export function temporaryFolder(t) {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-')));
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  return folder;
}

/** A fresh copy of the app, removed after the test. */
export function makeApp(t) {
  const app = path.join(temporaryFolder(t), 'app');
  fs.cpSync(path.join(ROOT, '__test__', 'compat', 'app'), app, { recursive: true });
  fs.mkdirSync(path.join(app, 'node_modules'));
  fs.symlinkSync(ROOT, path.join(app, 'node_modules', 'tooloo-native'));
  fs.symlinkSync(path.join(ROOT, 'node_modules', 'express'), path.join(app, 'node_modules', 'express'));
  return app;
}

/** Writes files, given by path below the folder. */
export function write(folder, files) {
  for (const [name, text] of Object.entries(files)) {
    fs.mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    fs.writeFileSync(path.join(folder, name), text);
  }
}

/** Runs a program to its end: `{ code, out, err }`. */
export function run(command, args, cwd, env = {}) {
  const clean = { ...process.env };
  for (const name of ['NODE_OPTIONS', 'NODE_TEST_CONTEXT', 'NODE_V8_COVERAGE']) delete clean[name];
  const result = spawnSync(command, args, {
    cwd,
    encoding: 'utf8',
    env: { ...clean, CACHE_DIR: path.join(cwd, 'cache'), ...env },
    timeout: 300_000,
  });
  return { code: result.status, out: result.stdout, err: result.stderr };
}

/** Runs a script with `--import tooloo-native/register`. */
export const registered = (binary, app, script, env) => run(binary, ['--import', 'tooloo-native/register', script], app, env);
