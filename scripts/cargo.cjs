'use strict';
// Builds the addon with cargo and puts it where the generated loader looks for it. Node's built-ins only: this runs
// on a fresh clone and as the install script of a platform without a prebuilt binary.
const { execFileSync } = require('node:child_process');
const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { runStep } = require('./child.cjs');

const ROOT = path.resolve(__dirname, '..');
const LOADER_DIR = path.join(ROOT, 'src', 'js');

/** The platform's name in the loader's file names, such as `linux-x64-gnu`. */
function platformName() {
  const { platform, arch } = process;
  if (platform === 'linux') {
    process.report.excludeNetwork = true;
    const libc = process.report.getReport().header.glibcVersionRuntime ? 'gnu' : 'musl';
    return `linux-${arch}-${libc}${arch === 'arm' ? 'eabihf' : ''}`;
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
  let output;
  try {
    output = execFileSync('cargo', ['--version'], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  } catch (error) {
    const found = error.code === 'ENOENT' ? 'was not found' : 'is there but does not run';
    throw new Error(
      `cargo ${found}: install Rust ${wanted[1]}.${wanted[2]} or newer from https://rustup.rs, then run this again`,
    );
  }
  const version = /(\d+)\.(\d+)/.exec(output);
  const number = (match) => Number(match[1]) * 1000 + Number(match[2]);
  if (version && number(version) < number(wanted)) {
    throw new Error(
      `cargo ${version[0]} is too old: Rust ${wanted[1]}.${wanted[2]} or newer is needed; run "rustup update", then this again`,
    );
  }
}

/** Collects the path of the built library from cargo's own messages: target folders can be configured anywhere. */
function readLibrary(child) {
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk) => (text += chunk));
  return () => {
    for (const line of text.split('\n')) {
      if (!line.includes('"compiler-artifact"') || !line.includes('tooloo_native')) continue;
      const file = JSON.parse(line).filenames.find((name) => /\.(so|dylib|dll)$/.test(name));
      if (file) return file;
    }
    throw new Error('cargo did not say where the library is');
  };
}

/** Builds and installs the addon. `profile` is `release` or `debug`. */
async function buildAddon(profile) {
  checkCargo();
  const hash = sourceHash(profile);
  const args = ['build', '--lib', '--locked', ...(profile === 'debug' ? [] : ['--release'])];
  const env = { ...process.env };
  // Rust links musl statically unless told otherwise, and then makes no shared library.
  if (platformName().includes('musl')) env.RUSTFLAGS = `${env.RUSTFLAGS ?? ''} -C target-feature=-crt-static`.trim();
  let library;
  await runStep(
    'cargo',
    [...args, '--message-format=json-render-diagnostics'],
    { cwd: ROOT, env, stdio: ['ignore', 'pipe', 'inherit'], onSpawn: (child) => (library = readLibrary(child)) },
    `cargo ${args.join(' ')} failed: see its message above`,
  );
  // By rename, so that a process that has the old file loaded keeps it whole.
  const temporary = `${addonFile()}.${process.pid}.tmp`;
  fs.copyFileSync(library(), temporary);
  fs.renameSync(temporary, addonFile());
  fs.writeFileSync(stampFile(), hash);
}

module.exports = { ROOT, addonFile, buildAddon, checkCargo, isFresh, stampFile };
