// Temporary cache folders, and other processes and threads on them.
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Worker } from 'node:worker_threads';

export const MODULE = path.resolve(
  path.dirname(fileURLToPath(import.meta.url)),
  '../../src/js/lib/persistent-cache.mjs',
);
const PRELUDE = `import { PersistentCache } from ${JSON.stringify(pathToFileURL(MODULE).href)};\n`;

const { native } = createRequire(import.meta.url)('../../src/js/addon.cjs');

/** A folder that is gone after the test. */
export function temporary(t) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-cache-'));
  t.after(() => {
    // What is still being written would come back.
    native.cacheDrain();
    // A thread may be making a folder for a cache that nobody waits for.
    for (let left = 1000; fs.existsSync(folder); left -= 1) {
      try {
        fs.rmSync(folder, { recursive: true, force: true });
      } catch (error) {
        if (error.code !== 'ENOTEMPTY' || left === 0) throw error;
      }
    }
  });
  return folder;
}

/** The files of a folder, unfinished ones aside. */
export const files = (folder) => fs.readdirSync(folder).filter((name) => !name.startsWith('.')).sort();

/** Runs a module's text in a fresh Node process; `PersistentCache` and `dir` are in scope. */
export function inProcess(dir, code, { signal } = {}) {
  const text = `${PRELUDE}const dir = ${JSON.stringify(dir)};\n${code}`;
  return new Promise((resolve) => {
    const options = { timeout: 60_000, maxBuffer: 1 << 26, signal };
    const child = execFile(process.execPath, ['--input-type=module', '-e', text], options, (error, stdout, stderr) => {
      resolve({ code: child.exitCode, signal: child.signalCode, stdout, stderr });
    });
  });
}

/** A worker thread running a module's text; `PersistentCache`, `dir`, `parentPort` and `once` are in scope. */
export function inWorker(dir, code) {
  const head =
    `import { parentPort } from 'node:worker_threads';\nimport { once } from 'node:events';\n` +
    `const dir = ${JSON.stringify(dir)};\n`;
  const source = `data:text/javascript,${encodeURIComponent(PRELUDE + head + code)}`;
  return new Worker(new URL(source));
}

/** Waits until `condition` holds, for ten seconds. */
export async function until(condition) {
  for (let waited = 0; waited < 10_000; waited += 10) {
    if (await condition()) return true;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return false;
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Collects what is written to `console.warn` until the test ends. */
export function warnings(t) {
  const lines = [];
  t.mock.method(console, 'warn', (...parts) => lines.push(parts.map(String).join(' ')));
  return lines;
}
