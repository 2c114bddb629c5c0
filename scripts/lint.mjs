// Formatting and lints, in both feature modes: node scripts/lint.mjs
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
const steps = [
  ['fmt', '--check'],
  ['clippy', '--locked', '--all-targets', '--', '-D', 'warnings'],
  ['clippy', '--locked', '--all-targets', '--no-default-features', '--', '-D', 'warnings'],
];
for (const args of steps) {
  console.log(`\n=== cargo ${args.join(' ')}`);
  const { status } = spawnSync('cargo', args, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) {
    process.exitCode = 1;
    break;
  }
}
