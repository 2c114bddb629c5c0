// node --import tooloo-native/register server.js
//
// Stands in for an app's own lib/<module>.js, for `import` and `require`, without a change in its files:
//   TOOLOO_NATIVE_ROOT    the app's folder (default: the current folder); files outside it are left alone
//   TOOLOO_NATIVE_EXCEPT  modules to leave alone, such as `rate-limiter,connection-pool`
//   TOOLOO_NATIVE_LOG     1 prints one line for each module replaced
import fs from 'node:fs';
import module, { createRequire } from 'node:module';
import path from 'node:path';
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads';
import { answer, appFiles, logger, namesFile, ownFile, readExcept, sharedSeen } from './app-files.cjs';

const warn = (text) => fs.writeSync(2, `tooloo-native: ${text}\n`);

/** An app that was to run on the addon must not start half replaced: one line, and no stack trace. */
function fail(text) {
  warn(text);
  process.exit(1);
}

/** `require` on Node 18 and 20: the resolver of CommonJS, after it has found the app's file. */
function patchCommonJs({ replaced, log }) {
  const Module = module.Module ?? module;
  const original = Module._resolveFilename;
  Module._resolveFilename = function (request, parent, isMain, ...rest) {
    const found = original.call(this, request, parent, isMain, ...rest);
    if (isMain || typeof request !== 'string' || !path.isAbsolute(found) || !namesFile(request)) return found;
    let written = found;
    if (!request.startsWith('#')) {
      written = path.resolve(parent?.filename ? path.dirname(parent.filename) : '.', request);
      if (path.extname(written) !== '.js') written += '.js';
    }
    const name = replaced(found, written);
    if (name === undefined) return found;
    log(name, written);
    return ownFile(name, 'cjs');
  };
}

function register() {
  const { except, unknown } = readExcept(process.env.TOOLOO_NATIVE_EXCEPT);
  if (unknown.length > 0) warn(`TOOLOO_NATIVE_EXCEPT names no module of this package: ${unknown.join(', ')}`);
  const root = path.resolve(process.env.TOOLOO_NATIVE_ROOT || process.cwd());
  if (!fs.existsSync(root)) return fail(`TOOLOO_NATIVE_ROOT is not a folder: ${root}`);

  // Worker threads register anew, and the lines already printed are not printed again.
  const seen = getEnvironmentData('tooloo-native.seen') ?? sharedSeen();
  setEnvironmentData('tooloo-native.seen', seen);
  const data = { root, except, log: process.env.TOOLOO_NATIVE_LOG === '1', seen };
  const settings = { replaced: appFiles(data), log: logger(data.log, data.seen) };
  if (typeof module.registerHooks === 'function') {
    module.registerHooks({
      resolve(specifier, context, nextResolve) {
        const found = nextResolve(specifier, context);
        return answer(settings, specifier, context, found.url) ?? found;
      },
    });
  } else if (typeof module.register === 'function') {
    module.register('./hooks.mjs', { parentURL: import.meta.url, data });
    patchCommonJs(settings);
  } else {
    fail(`register needs Node 18.19, 20.6 or newer, this is ${process.version}`);
  }
}

try {
  createRequire(import.meta.url)('./addon.cjs');
} catch (error) {
  fail(error.message.replace(/^tooloo-native: /, ''));
}
register();
