// Says whether the native binary loads, which file it is, and on what it runs.
import fs from 'node:fs';
import { createRequire } from 'node:module';
import modules from './modules.cjs';
import { HELP, reasonOf } from './no-binary.cjs';

const require = createRequire(import.meta.url);

/** `{ ok, rows: [[label, text]] }` */
export function examine() {
  const manifest = require('../../package.json');
  const rows = [
    ['package', `${manifest.name} ${manifest.version}`],
    ['node', `${process.version} (Node-API ${process.versions.napi})`],
    ['platform', `${process.platform}-${process.arch}`],
  ];
  let native;
  try {
    native = require('./native.cjs');
  } catch (error) {
    const reason = reasonOf(error);
    rows.push(['binary', reason ? 'does not load' : 'none'], ...(reason ? [['reason', reason]] : []), ['help', HELP]);
    return { ok: false, rows };
  }
  const file = Object.keys(require.cache).find((name) => name.endsWith('.node') && require.cache[name].exports === native);
  const found = file ?? process.env.NAPI_RS_NATIVE_LIBRARY_PATH ?? 'unknown';
  const size = fs.statSync(found, { throwIfNoEntry: false })?.size;
  rows.push(['binary', size ? `${found} (${(size / 1e6).toFixed(1)} MB)` : found]);
  const version = native.version();
  let ok = version === manifest.version;
  rows.push(['version', ok ? `${version}, as the package` : `${version}, but the package is ${manifest.version}: reinstall it`]);
  const broken = Object.entries(modules.MODULES).flatMap(([name, names]) => {
    try {
      const loaded = require(`./lib/${name}.cjs`);
      return names.every((each) => loaded[each] !== undefined) ? [] : [`${name}: exports missing`];
    } catch (error) {
      return [`${name}: ${error.message.split('\n')[0]}`];
    }
  });
  const count = Object.keys(modules.MODULES).length;
  rows.push(['modules', `${count - broken.length} of ${count} load`], ...broken.map((text) => ['broken', text]));
  ok &&= broken.length === 0;
  return { ok, rows };
}
