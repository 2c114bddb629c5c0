'use strict';
// Install script of the package. A platform with a prebuilt binary needs nothing done, so nothing is lost where the
// package manager does not run install scripts; elsewhere the addon is built from source.
const { buildAddon } = require('./cargo.cjs');

function loads() {
  try {
    require('../src/js/native.cjs');
    return true;
  } catch {
    return false;
  }
}

async function main() {
  if (loads()) return;
  console.log('tooloo-native: no prebuilt binary for this platform, building from source (a few minutes)…');
  await buildAddon('release');
}

main().catch((error) => {
  console.error(`tooloo-native: ${error.message}`);
  process.exitCode = 1;
});
