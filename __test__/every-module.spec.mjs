// Every module of the table stands in for the app's own file, whichever way the app is switched over.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { pathToFileURL } from 'node:url';
import { link, unlink } from '../src/js/link.mjs';
import table from '../src/js/modules.cjs';
import { ROOT, run, temporaryFolder, write } from './support/app.mjs';

const NAMES = Object.keys(table.MODULES);
/** Says of each module whether the default export is the package's, and the same for `import` and `require`. */
const PROBE = `
  import { createRequire } from 'node:module';
  const require = createRequire(import.meta.url);
  const answers = {};
  for (const name of ${JSON.stringify(NAMES)}) {
    const imported = await import('./lib/' + name + '.js?t=1');
    const own = require('tooloo-native/lib/' + name + '.js').default;
    let required = own;
    if (process.env.REQUIRE) required = require('./lib/' + name + '.js').default;
    answers[name] = [imported.default === own, required === own];
  }
  console.log(JSON.stringify(answers));`;

function app(t) {
  const folder = temporaryFolder(t);
  write(folder, {
    'package.json': '{"type":"module"}',
    'probe.js': PROBE,
    ...Object.fromEntries(NAMES.map((name) => [`lib/${name}.js`, "export default 'original';\n"])),
  });
  fs.mkdirSync(path.join(folder, 'node_modules'));
  fs.symlinkSync(ROOT, path.join(folder, 'node_modules', 'tooloo-native'));
  return folder;
}

const expected = Object.fromEntries(NAMES.map((name) => [name, [true, true]]));

test('registered, each is the package’s for import and require, and one object', (t) => {
  const register = pathToFileURL(path.join(ROOT, 'src/js/register.mjs')).href;
  const { code, out, err } = run(process.execPath, ['--import', register, 'probe.js'], app(t), { REQUIRE: '1' });
  assert.equal(code, 0, err);
  assert.deepEqual(JSON.parse(out), expected);
});

test('linked, each is the package’s, and unlinked the app’s own again', (t) => {
  const folder = app(t);
  link(folder);
  const linked = run(process.execPath, ['probe.js'], folder);
  assert.equal(linked.code, 0, linked.err);
  assert.deepEqual(JSON.parse(linked.out), expected);
  unlink(folder);
  for (const name of NAMES) assert.equal(fs.readFileSync(path.join(folder, 'lib', `${name}.js`), 'utf8'), "export default 'original';\n");
});
