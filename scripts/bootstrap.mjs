// Makes a fresh clone ready, then runs what was asked for:
//   node scripts/bootstrap.mjs build [--debug]
//   node scripts/bootstrap.mjs run <script> [args…]
// Finds out by itself what is missing: node_modules, the built addon, a stale build. Node's built-ins only.
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';

const { ROOT, buildAddon, isFresh } = createRequire(import.meta.url)('./cargo.cjs');
const say = (text) => console.log(`tooloo-native: ${text}`);

function installPackages() {
  const lock = fs.readFileSync(path.join(ROOT, 'package-lock.json'));
  const hash = createHash('sha256').update(lock).digest('hex');
  const stamp = path.join(ROOT, 'node_modules', '.tooloo.stamp');
  if (fs.existsSync(stamp) && fs.readFileSync(stamp, 'utf8') === hash) return;
  say('installing npm packages (about a minute)…');
  const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm';
  // The package's own install script would build the addon a second time.
  const result = spawnSync(npm, ['ci', '--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: ROOT,
    stdio: 'inherit',
    shell: process.platform === 'win32',
  });
  if (result.status !== 0) throw new Error('npm ci failed: see its message above');
  fs.writeFileSync(stamp, hash);
}

async function ensureAddon(profile) {
  // A debug build that is up to date is good enough to run; only `build` insists on its profile.
  if (isFresh(profile ?? 'release') || (profile === undefined && isFresh('debug'))) return;
  say(`building the addon (${profile ?? 'release'}; two minutes or so the first time)…`);
  await buildAddon(profile ?? 'release');
}

function run(script, args) {
  const child = spawn(process.execPath, [path.join(ROOT, script), ...args], { cwd: ROOT, stdio: 'inherit' });
  // Ctrl-C reaches the child through the terminal; a signal sent to this process alone is passed on.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => process.stdin.isTTY || child.kill(signal));
  child.on('exit', (code, signal) => {
    process.exitCode = signal ? 1 : code;
  });
}

try {
  const [command, ...rest] = process.argv.slice(2);
  if (command === 'build') {
    await ensureAddon(rest.includes('--debug') ? 'debug' : 'release');
  } else if (command === 'run' && rest.length > 0) {
    installPackages();
    await ensureAddon();
    run(rest[0], rest.slice(1));
  } else {
    throw new Error('usage: bootstrap.mjs build [--debug] | run <script> [args…]');
  }
} catch (error) {
  say(error.message);
  process.exitCode = 1;
}
