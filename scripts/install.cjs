'use strict';
// Install script of the package. A platform with a prebuilt binary needs nothing done, so nothing is lost where the
// package manager does not run install scripts; elsewhere the addon is built from source.
//   TOOLOO_NATIVE_PROFILE=debug   a quick build for a trial
const fs = require('node:fs');
const path = require('node:path');
const { ROOT, buildAddon } = require('./cargo.cjs');

function loads() {
  try {
    require('../src/js/native.cjs');
    return true;
  } catch {
    return false;
  }
}

async function main() {
  // In a clone, `npm start`, `npm test` and `npm run build` look after the binary themselves.
  if (fs.existsSync(path.join(ROOT, 'scripts', 'bootstrap.mjs')) || loads()) return;
  console.log('tooloo-native: no prebuilt binary for this platform, building from source (a few minutes)…');
  await buildAddon(process.env.TOOLOO_NATIVE_PROFILE === 'debug' ? 'debug' : 'release');
  // Cargo's intermediate files are a hundred times the size of the addon.
  fs.rmSync(path.join(ROOT, 'target'), { recursive: true, force: true });
}

main().catch((error) => {
  console.error(`tooloo-native: no binary for ${process.platform}-${process.arch}, and ${error.message}`);
  process.exitCode = error.exitCode ?? 1;
});
