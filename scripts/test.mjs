// Runs tests: node scripts/test.mjs [rust | js [name…] | types | phase6]; without an argument, everything.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..');
/** The modules that the consumer's `test:phase6` covers. */
const PHASE6 = ['persistent-cache', 'connection-pool', 'query-optimizer', 'rate-limiter', 'distributed-tracer', 'phase6'];

function step(title, command, args) {
  console.log(`\n=== ${title}`);
  const result = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
  if (result.error) console.error(`${command}: ${result.error.message}`);
  if (result.status !== 0) failed.push(title);
}

function specs(names) {
  const files = fs
    .readdirSync(path.join(ROOT, '__test__'), { recursive: true })
    .map(String)
    .filter((file) => file.endsWith('.spec.mjs'))
    .filter((file) => names.length === 0 || names.some((name) => path.basename(file).split('.')[0] === name))
    .sort();
  if (files.length === 0) throw new Error(`no test file for: ${names.join(', ')}`);
  return files.map((file) => path.join('__test__', file));
}

const rust = () => step('Rust core, without napi', 'cargo', ['test', '--locked', '--no-default-features']);
// One file at a time: several of them start a database, and two cores time out on each other.
const js = (names) => step('JavaScript', process.execPath, ['--test', '--test-concurrency=1', ...specs(names)]);
const types = () => step('types', process.execPath, ['node_modules/typescript/bin/tsc', '-p', '__test__/types']);

const failed = [];
const [what, ...names] = process.argv.slice(2);
const plans = {
  rust,
  js: () => js(names),
  types,
  phase6: () => js(PHASE6),
  all: () => [rust(), types(), js([])],
};
const plan = plans[what ?? 'all'];
if (!plan) throw new Error(`unknown: ${what}; one of ${Object.keys(plans).join(', ')}`);
plan();
console.log(failed.length === 0 ? '\nall passed' : `\nFAILED: ${failed.join(', ')}`);
process.exitCode = failed.length === 0 ? 0 : 1;
