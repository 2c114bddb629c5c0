// Packages that only one test needs, from npm, kept in node_modules/.cache.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { ROOT } from './app.mjs';

/** The package in this version, or undefined where it is not to be had (which is a failure in CI). */
export function packaged(name, version) {
  const folder = path.join(ROOT, 'node_modules', '.cache', `${name}-${version}`);
  if (!fs.existsSync(path.join(folder, 'node_modules', name))) {
    fs.mkdirSync(folder, { recursive: true });
    const options = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    spawnSync('npm', ['install', '--prefix', folder, ...options, `${name}@${version}`], { stdio: 'inherit' });
  }
  try {
    return createRequire(path.join(folder, 'x.cjs'))(name);
  } catch (error) {
    if (process.env.CI) throw error;
    return undefined;
  }
}
