// Makes a fresh clone ready, then runs what was asked for:
//   node scripts/bootstrap.mjs build [--debug]
//   node scripts/bootstrap.mjs run <script> [args…]
// Finds out by itself what is missing: node_modules, the built addon, a stale build. Node's built-ins only.
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
const { ROOT, buildAddon, checkCargo, isFresh } = require('./cargo.cjs');
const { Interrupted, runChild, runStep } = require('./child.cjs');
const say = (text) => console.log(`tooloo-native: ${text}`);

function checkNode() {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 18) throw new Error(`Node ${process.versions.node} is too old: Node 18 or newer is needed`);
}

async function installPackages() {
  const lock = fs.readFileSync(path.join(ROOT, 'package-lock.json'));
  const hash = createHash('sha256').update(lock).digest('hex');
  const stamp = path.join(ROOT, 'node_modules', '.tooloo.stamp');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === hash) return;
  say('installing npm packages (about a minute)…');
  const windows = process.platform === 'win32';
  // The packages' install scripts are not needed, and the addon is built by the next step.
  const args = ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];
  const options = { cwd: ROOT, stdio: 'inherit', shell: windows };
  await runStep(windows ? 'npm.cmd' : 'npm', args, options, 'npm ci failed: see its message above');
  fs.writeFileSync(stamp, hash);
}

/** The profile that is missing, or undefined when what is there is good enough. */
function missingBuild(profile) {
  // A debug build that is up to date is good enough to run; only `build` insists on its profile.
  const fresh = isFresh(profile ?? 'release') || (profile === undefined && isFresh('debug'));
  return fresh ? undefined : (profile ?? 'release');
}

async function build(profile) {
  say(`building the addon (${profile}; two minutes or so the first time)…`);
  await buildAddon(profile);
}

async function main([command, ...rest]) {
  checkNode();
  if (command === 'build') {
    const missing = missingBuild(rest.includes('--debug') ? 'debug' : 'release');
    if (missing) await build(missing);
  } else if (command === 'run' && rest.length > 0) {
    const missing = missingBuild();
    // Before the packages, so that nobody waits for those to be told about this.
    if (missing) checkCargo();
    await installPackages();
    if (missing) await build(missing);
    const [script, ...args] = rest;
    const { code } = await runChild(process.execPath, [path.join(ROOT, script), ...args], { cwd: ROOT, stdio: 'inherit' });
    process.exitCode = code;
  } else {
    throw new Error('usage: bootstrap.mjs build [--debug] | run <script> [args…]');
  }
}

main(process.argv.slice(2)).catch((error) => {
  if (!(error instanceof Interrupted)) console.error(`tooloo-native: ${error.message}`);
  process.exitCode = error.exitCode ?? 1;
});
