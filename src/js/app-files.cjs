'use strict';
// Which files of an app this package stands in for. Both ways of loading, `import` and `require`, ask here.
const fs = require('node:fs');
const nodePath = require('node:path');
const { fileURLToPath, pathToFileURL } = require('node:url');
const { MODULES } = require('./modules.cjs');

/** `/srv/app/lib/rate-limiter.js` → `rate-limiter`; undefined for everything that is not in the table. */
function moduleOf(file, path = nodePath) {
  const parts = file.split(path.sep).join('/');
  const lib = parts.lastIndexOf('/lib/');
  if (lib === -1 || !parts.endsWith('.js')) return undefined;
  const name = parts.slice(lib + 5, -3);
  return Object.hasOwn(MODULES, name) ? name : undefined;
}

/** Whether a specifier names a file: not `pkg/lib/x.js`, `node:fs` or `data:`, which are never the app's own files. */
function namesFile(specifier) {
  return /^(\.\.?(\/|\\|$)|\/|\\|file:|#|[a-z]:[\\/])/i.test(specifier);
}

const real = (file) => {
  try {
    return fs.realpathSync.native(file);
  } catch {
    return file;
  }
};

/** `rate-limiter, lib/connection-pool.js` → their names in the table, and those that are not in it. */
function readExcept(text = '') {
  const names = text
    .split(',')
    .map((name) => name.trim().replace(/^(\.?\/)?lib\//, '').replace(/\.js$/, ''))
    .filter((name) => name !== '');
  return {
    except: names.filter((name) => Object.hasOwn(MODULES, name)),
    unknown: names.filter((name) => !Object.hasOwn(MODULES, name)),
  };
}

/**
 * Makes the question `replaced(loaded, written)`: the name of the module that stands in for a file, or undefined.
 * `loaded` is the file Node would load (symlinks resolved), `written` the path as the app spelled it.
 *
 * A file below `root`, by either path, is the app's, unless it lies in a node_modules folder below the root.
 */
function appFiles({ root, except = [], path = nodePath, realpath = real }) {
  const roots = [...new Set([path.resolve(root), realpath(path.resolve(root))])];
  const place = (file) => {
    for (const base of roots) {
      const below = path.relative(base, file);
      if (below !== '' && !below.startsWith('..') && !path.isAbsolute(below)) {
        return { inside: true, foreign: below.split(path.sep).includes('node_modules') };
      }
    }
    return { inside: false, foreign: file.split(path.sep).includes('node_modules') };
  };
  return (loaded, written = loaded) => {
    for (const file of [loaded, written]) {
      const name = moduleOf(file, path);
      if (name === undefined || except.includes(name)) continue;
      const at = place(loaded);
      const as = place(written);
      if (!at.foreign && (at.inside || (as.inside && !as.foreign))) return name;
    }
    return undefined;
  };
}

/** The package's own file for a module: `.mjs` for `import`, `.cjs` for `require`; both give the same class. */
const ownFile = (name, extension) => nodePath.join(__dirname, 'lib', `${name}.${extension}`);

/**
 * Prints one line for each module replaced. `seen` is shared by the threads that answer for one process, so that a
 * module that is imported and required is one line; the write is synchronous, so that none is lost at exit.
 */
function logger(enabled, seen) {
  const order = Object.keys(MODULES);
  return (name, file) => {
    if (!enabled || Atomics.exchange(seen, order.indexOf(name), 1) === 1) return;
    fs.writeSync(2, `tooloo-native: replaced lib/${name}.js (${file})\n`);
  };
}

const sharedSeen = () => new Int32Array(new SharedArrayBuffer(4 * Object.keys(MODULES).length));

/** Turns what a resolve hook knows into the answer for it, or undefined when the file is left alone. */
function answer(settings, specifier, context, url) {
  if (context.parentURL === undefined || !namesFile(specifier) || !url.startsWith('file:')) return undefined;
  const loaded = fileURLToPath(url);
  let written = loaded;
  if (!specifier.startsWith('#') && context.parentURL.startsWith('file:')) {
    // `require('C:\\app\\lib\\x.js')` is a path and no URL.
    const base = /^[a-z]:[\\/]/i.test(specifier) ? pathToFileURL(specifier) : new URL(specifier, context.parentURL);
    base.search = base.hash = '';
    written = fileURLToPath(base);
  }
  const name = settings.replaced(loaded, written);
  if (name === undefined) return undefined;
  settings.log(name, written);
  const required = context.conditions?.includes('require') ?? false;
  return {
    url: pathToFileURL(ownFile(name, required ? 'cjs' : 'mjs')).href,
    format: required ? 'commonjs' : 'module',
    shortCircuit: true,
  };
}

module.exports = { answer, appFiles, logger, moduleOf, namesFile, ownFile, readExcept, sharedSeen };
