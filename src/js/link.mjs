// Puts one-line re-exports in the place of an app's lib/<module>.js, and takes them away again.
//
// The original is kept beside the re-export as `<module>.js.tooloo-original`: the very same file under a second name
// (a hard link), so that content, mode, owner and times come back as they were. The steps are ordered so that
// `<module>.js` exists at every instant, and the original under one of the two names:
//   link:   1. second name for the original  2. temporary re-export  3. rename it over `<module>.js`
//   unlink: 1. rename the original over `<module>.js`
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import modules from './modules.cjs';

const MARKER = '// tooloo-native link:';
/** Neither `import` nor a bundler's *.js pattern takes this for a module. */
export const BACKUP = '.tooloo-original';
const TEMPORARY = '.tooloo-new';

export const STATES = {
  absent: 'not in this app',
  original: 'original',
  linked: 'linked',
  stale: 'linked, for another module type',
  interrupted: 'original (an interrupted link)',
  edited: 'edited after it was linked',
  dangling: 'linked, but its original is gone',
  removed: 'removed after it was linked',
  symlink: 'a symlink',
  strange: 'not a file',
};

/** What `link` may change, and what `unlink` may. Everything else is refused. */
const LINKABLE = new Set(['original', 'linked', 'stale', 'interrupted']);
const UNLINKABLE = new Set(['original', 'linked', 'stale', 'interrupted', 'removed']);

const reexport = (name, type) => {
  const from = `'tooloo-native/lib/${name}.js'`;
  const code = type === 'module' ? `export * from ${from}; export { default } from ${from};` : `module.exports = require(${from});`;
  return `${code} ${MARKER} the original is ${path.basename(name)}.js${BACKUP}\n`;
};

const stat = (file) => fs.lstatSync(file, { throwIfNoEntry: false });

/** `module` or `commonjs`, from the nearest package.json, as Node decides it. */
function typeOf(folder) {
  for (let at = folder; ; at = path.dirname(at)) {
    const file = path.join(at, 'package.json');
    if (stat(file)) {
      try {
        return JSON.parse(fs.readFileSync(file, 'utf8')).type === 'module' ? 'module' : 'commonjs';
      } catch (error) {
        throw new Error(`${file} cannot be read: ${error.message}`);
      }
    }
    if (path.dirname(at) === at) return 'commonjs';
  }
}

/** The file of one module in an app, and what is there now. */
function inspect(app, name) {
  const file = path.join(app, 'lib', `${name}.js`);
  const entry = { name, file, backup: `${file}${BACKUP}`, temporary: `${file}${TEMPORARY}` };
  const [now, backup] = [stat(file), stat(entry.backup)];
  for (let folder = path.dirname(file); folder !== app; folder = path.dirname(folder)) {
    if (stat(folder)?.isSymbolicLink()) return { ...entry, state: 'symlink' };
  }
  if (now?.isSymbolicLink() || backup?.isSymbolicLink()) return { ...entry, state: 'symlink' };
  if ((now && !now.isFile()) || (backup && !backup.isFile())) return { ...entry, state: 'strange' };
  if (!now) return { ...entry, state: backup ? 'removed' : 'absent' };

  const type = typeOf(path.dirname(file));
  const content = fs.readFileSync(file);
  const text = content.toString('utf8').replaceAll('\r\n', '\n');
  const forms = { module: reexport(name, 'module'), commonjs: reexport(name, 'commonjs') };
  let state;
  if (text === forms.module || text === forms.commonjs) {
    state = backup ? (text === forms[type] ? 'linked' : 'stale') : 'dangling';
  } else if (backup) {
    state = content.equals(fs.readFileSync(entry.backup)) ? 'interrupted' : 'edited';
  } else {
    state = text.includes(MARKER) ? 'edited' : 'original';
  }
  return { ...entry, state, text: forms[type] };
}

/** The app's folder, with its symlinks resolved. */
function folderOf(app) {
  const folder = path.resolve(app);
  if (!fs.statSync(folder, { throwIfNoEntry: false })?.isDirectory()) throw new Error(`${folder} is not a folder`);
  return fs.realpathSync(folder);
}

/** `[{ name, file, backup, state }]`, one for each module of the table. */
export function status(app) {
  const folder = folderOf(app);
  return Object.keys(modules.MODULES).map((name) => inspect(folder, name));
}

function refuse(entries, what) {
  const reasons = entries.map(({ file, state }) => `\n  ${file}: ${STATES[state]}`);
  throw new Error(`${what}; please look at${reasons.join('')}`);
}

/** The app must find this package from its lib/ folder, or every linked module would fail to load. */
function checkInstalled(entry) {
  try {
    createRequire(entry.file).resolve(`tooloo-native/lib/${entry.name}.js`);
  } catch {
    throw new Error(`the app cannot find the package tooloo-native from ${path.dirname(entry.file)}: npm install it there first`);
  }
}

/** A second name for the original; it never overwrites, and where hard links are not to be had it is a copy. */
function keep({ file, backup, temporary }) {
  try {
    fs.linkSync(file, backup);
  } catch (error) {
    if (error.code === 'EEXIST') throw error;
    const { mode, atime, mtime } = fs.statSync(file);
    fs.copyFileSync(file, temporary);
    fs.chmodSync(temporary, 0o600);
    sync(temporary);
    fs.chmodSync(temporary, mode);
    fs.utimesSync(temporary, atime, mtime);
    fs.renameSync(temporary, backup);
  }
}

function sync(file) {
  const handle = fs.openSync(file, 'r+');
  try {
    fs.fsyncSync(handle);
  } finally {
    fs.closeSync(handle);
  }
}

function replace({ file, temporary, text }) {
  fs.rmSync(temporary, { force: true });
  fs.writeFileSync(temporary, text, { flag: 'wx' });
  sync(temporary);
  fs.chmodSync(temporary, fs.statSync(file).mode);
  fs.renameSync(temporary, file);
}

/** Links every module that the app has. Changes nothing when one of them is not recognised. */
export function link(app) {
  const present = status(app).filter(({ state }) => state !== 'absent');
  if (present.length === 0) throw new Error(`${path.join(path.resolve(app), 'lib')} has none of the modules`);
  const refused = present.filter(({ state }) => !LINKABLE.has(state));
  if (refused.length > 0) refuse(refused, 'nothing was changed');
  checkInstalled(present[0]);
  const changed = present.filter(({ state }) => state !== 'linked');
  for (const entry of changed) {
    if (entry.state === 'original') keep(entry);
    replace(entry);
  }
  return { changed, unchanged: present.filter((entry) => !changed.includes(entry)) };
}

/** Restores every original that can be restored; throws afterwards when one could not. */
export function unlink(app) {
  const present = status(app).filter(({ state }) => state !== 'absent');
  const changed = present.filter(({ state }) => UNLINKABLE.has(state) && state !== 'original');
  for (const { file, backup, temporary, state } of changed) {
    fs.rmSync(temporary, { force: true });
    // A rename of one name of a file over its other name does nothing at all.
    if (state === 'interrupted') fs.unlinkSync(backup);
    else fs.renameSync(backup, file);
  }
  const refused = present.filter(({ state }) => !UNLINKABLE.has(state));
  if (refused.length > 0) refuse(refused, `${changed.length} restored, ${refused.length} left alone`);
  return { changed, unchanged: present.filter((entry) => !changed.includes(entry)) };
}
