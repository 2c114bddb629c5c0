'use strict';
// Builds the addon with cargo and puts it where the generated loader looks for it. Node's built-ins only: this runs
// on a fresh clone and as the install script of a platform without a prebuilt binary.
const { execFileSync, spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.resolve(__dirname, '..');
const LOADER_DIR = path.join(ROOT, 'src', 'js');

/** The platform's name in the loader's file names, such as `linux-x64-gnu`. */
function platformName() {
  const { platform, arch } = process;
  if (platform === 'linux') {
    const glibc = process.report?.getReport().header.glibcVersionRuntime;
    return `linux-${arch}-${glibc ? 'gnu' : 'musl'}`;
  }
  return platform === 'win32' ? `win32-${arch}-msvc` : `${platform}-${arch}`;
}

/** The addon's file beside the loader. */
const addonFile = () => path.join(LOADER_DIR, `tooloo-native.${platformName()}.node`);

function sources() {
  const files = ['Cargo.toml', 'Cargo.lock', 'build.rs'].map((file) => path.join(ROOT, file));
  const walk = (dir) => {
    for (const entry of fs.readdirSync(dir, { withFileTypes: true })) {
      const file = path.join(dir, entry.name);
      if (entry.isDirectory()) walk(file);
      else if (entry.name.endsWith('.rs')) files.push(file);
    }
  };
  walk(path.join(ROOT, 'src'));
  return files.sort();
}

/** A hash over everything the addon is made from; a build is stale when it was made from another one. */
function sourceHash(profile) {
  const hash = createHash('sha256').update(profile);
  for (const file of sources()) hash.update(path.relative(ROOT, file)).update(fs.readFileSync(file));
  return hash.digest('hex');
}

const stampFile = () => path.join(LOADER_DIR, `tooloo-native.${platformName()}.stamp`);

/** Whether the addon is there and was made from the sources as they are, in the given profile. */
function isFresh(profile) {
  try {
    return fs.existsSync(addonFile()) && fs.readFileSync(stampFile(), 'utf8') === sourceHash(profile);
  } catch {
    return false;
  }
}

/** Throws one clear line when cargo is missing or older than Cargo.toml asks for. */
function checkCargo() {
  const wanted = /rust-version = "(\d+)\.(\d+)/.exec(fs.readFileSync(path.join(ROOT, 'Cargo.toml'), 'utf8'));
  let version;
  try {
    version = /(\d+)\.(\d+)/.exec(execFileSync('cargo', ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }));
  } catch {
    throw new Error('cargo was not found: install Rust from https://rustup.rs, then run this again');
  }
  const [have, need] = [version, wanted].map((match) => Number(match[1]) * 1000 + Number(match[2]));
  if (have < need) {
    throw new Error(`cargo ${version[0]} is too old: Rust ${wanted[1]}.${wanted[2]} or newer is needed (rustup update)`);
  }
}

function libraryFile(targetDir, profile) {
  const name = { darwin: 'libtooloo_native.dylib', win32: 'tooloo_native.dll' }[process.platform] ?? 'libtooloo_native.so';
  return path.join(targetDir, profile === 'debug' ? 'debug' : 'release', name);
}

/** Builds and installs the addon. `profile` is `release` or `debug`. */
async function buildAddon(profile) {
  checkCargo();
  const hash = sourceHash(profile);
  const args = ['build', '--lib', '--locked', ...(profile === 'debug' ? [] : ['--release'])];
  await new Promise((resolve, reject) => {
    const child = spawn('cargo', args, { cwd: ROOT, stdio: 'inherit' });
    child.on('error', reject);
    child.on('exit', (code) => (code === 0 ? resolve() : reject(new Error(`cargo ${args.join(' ')} failed`))));
  });
  const targetDir = process.env.CARGO_TARGET_DIR ? path.resolve(ROOT, process.env.CARGO_TARGET_DIR) : path.join(ROOT, 'target');
  // By rename, so that a process that has the old file loaded keeps it whole.
  const temporary = `${addonFile()}.${process.pid}.tmp`;
  fs.copyFileSync(libraryFile(targetDir, profile), temporary);
  fs.renameSync(temporary, addonFile());
  fs.writeFileSync(stampFile(), hash);
}

module.exports = { ROOT, addonFile, buildAddon, checkCargo, isFresh };
