import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { BACKUP } from '../src/js/link.mjs';
import { makeApp, MODULES, ROOT, run, temporaryFolder, write } from './support/app.mjs';
import table from '../src/js/modules.cjs';

const COUNT = Object.keys(table.MODULES).length;

const CLI = path.join(ROOT, 'src', 'js', 'cli.mjs');
const cli = (app, ...args) => run(process.execPath, [CLI, ...args], app);
const fileOf = (app, name) => path.join(app, 'lib', `${name}.js`);
const ok = (result) => {
  assert.equal(result.code, 0, result.err);
  return result.out;
};
const refused = (result, reason) => {
  assert.equal(result.code, 1);
  assert.match(result.err, reason);
  assert.doesNotMatch(result.err, /\n\s+at /, 'no stack trace');
};
/** Everything about a folder that an unlink must bring back. */
const snapshot = (folder) =>
  fs.readdirSync(folder).map((name) => {
    const file = path.join(folder, name);
    const { mode, mtimeMs } = fs.statSync(file);
    return { name, mode, mtimeMs, content: fs.readFileSync(file).toString('hex') };
  });

test('link puts a one-line re-export in the place of each module, and the app runs on it', (t) => {
  const app = makeApp(t);
  ok(cli(app, 'link'));
  for (const name of MODULES) {
    const text = fs.readFileSync(fileOf(app, name), 'utf8');
    assert.match(text, /^export \* from 'tooloo-native\/lib\/[a-z-]+\.js';[^\n]*\/\/ tooloo-native link: [^\n]*\n$/);
  }
  const { modules, originals } = JSON.parse(ok(run(process.execPath, ['probe.js'], app, { SKIP_REQUIRE: MODULES.join() })));
  assert.deepEqual(originals, []);
  for (const name of MODULES) assert.deepEqual([modules[name].original, modules[name].different], [false, []]);
});

test('a CommonJS app gets a CommonJS re-export, which can be required and imported', (t) => {
  const app = makeApp(t);
  write(app, {
    'package.json': '{}',
    'lib/rate-limiter.js': 'exports.RateLimiter = class {};',
    'main.mjs': `
      import { createRequire } from 'node:module';
      import own, { RateLimiter } from './lib/rate-limiter.js';
      const required = createRequire(import.meta.url)('./lib/rate-limiter.js');
      console.log(own === required, required.RateLimiter === RateLimiter, required.default === RateLimiter, required.__esModule);`,
  });
  for (const name of MODULES.filter((each) => each !== 'rate-limiter')) fs.unlinkSync(fileOf(app, name));
  ok(cli(app, 'link', app));
  assert.match(fs.readFileSync(fileOf(app, 'rate-limiter'), 'utf8'), /^module\.exports = require\('tooloo-native\/lib\//);
  assert.equal(ok(run(process.execPath, ['main.mjs'], app)).trim(), 'true true true true');
  write(app, { 'package.json': '{"type":"module"}' });
  assert.match(ok(cli(app, 'status')), /rate-limiter +linked, for another module type/);
  ok(cli(app, 'link'));
  assert.match(fs.readFileSync(fileOf(app, 'rate-limiter'), 'utf8'), /^export \* from/);
});

test('unlink brings back every byte, the mode and the time, and leaves nothing behind', (t) => {
  const app = makeApp(t);
  const lib = path.join(app, 'lib');
  fs.writeFileSync(fileOf(app, 'rate-limiter'), Buffer.from([0xef, 0xbb, 0xbf, 0x2f, 0x2f, 0xff, 0x0d, 0x0a]));
  fs.chmodSync(fileOf(app, 'rate-limiter'), 0o640);
  fs.chmodSync(fileOf(app, 'connection-pool'), 0o444);
  const before = snapshot(lib);
  ok(cli(app, 'link'));
  assert.equal(fs.statSync(fileOf(app, 'rate-limiter')).mode & 0o777, 0o640);
  assert.equal(fs.readdirSync(lib).filter((name) => name.endsWith(BACKUP)).length, MODULES.length);
  ok(cli(app, 'unlink'));
  assert.deepEqual(snapshot(lib), before);
});

test('link and unlink may be run again', (t) => {
  const app = makeApp(t);
  ok(cli(app, 'link'));
  const linked = snapshot(path.join(app, 'lib'));
  assert.match(ok(cli(app, 'link')), /0 linked, 5 already so/);
  assert.deepEqual(snapshot(path.join(app, 'lib')), linked);
  ok(cli(app, 'unlink'));
  assert.match(ok(cli(app, 'unlink')), /0 restored, 5 already so/);
});

test('only modules that the app has are linked', (t) => {
  const app = makeApp(t);
  fs.unlinkSync(fileOf(app, 'rate-limiter'));
  assert.match(ok(cli(app, 'link')), /4 linked/);
  assert.ok(!fs.existsSync(fileOf(app, 'rate-limiter')));
  assert.match(ok(cli(app, 'status')), /rate-limiter +not in this app/);
});

test('the original cannot be imported by accident', async (t) => {
  const app = makeApp(t);
  ok(cli(app, 'link'));
  await assert.rejects(import(`${fileOf(app, 'rate-limiter')}${BACKUP}`), { code: 'ERR_UNKNOWN_FILE_EXTENSION' });
});

const refusals = {
  'a file that was edited after linking': (app, file) => {
    cli(app, 'link');
    fs.appendFileSync(file, '// mine\n');
  },
  'a re-export whose original is gone': (app, file) => {
    cli(app, 'link');
    fs.unlinkSync(`${file}${BACKUP}`);
  },
  'a symlink': (app, file) => {
    fs.renameSync(file, `${file}.elsewhere`);
    fs.symlinkSync(`${file}.elsewhere`, file);
  },
  'a dangling symlink': (app, file) => {
    fs.unlinkSync(file);
    fs.symlinkSync('/no/such/file.js', file);
  },
  'a folder': (app, file) => {
    fs.unlinkSync(file);
    fs.mkdirSync(file);
  },
};
for (const [what, arrange] of Object.entries(refusals)) {
  test(`refused by link and unlink: ${what}`, (t) => {
    const app = makeApp(t);
    const file = fileOf(app, 'rate-limiter');
    arrange(app, file);
    const listing = () => fs.readdirSync(path.join(app, 'lib'));
    const before = listing();
    refused(cli(app, 'link'), /nothing was changed[^]*rate-limiter\.js/);
    assert.deepEqual(listing(), before);
    const entry = fs.lstatSync(file);
    refused(cli(app, 'unlink'), /1 left alone[^]*rate-limiter\.js/);
    assert.equal(fs.lstatSync(file).ino, entry.ino, 'untouched');
  });
}

test('a re-export that was removed is not linked again by itself, and unlink restores its original', (t) => {
  const app = makeApp(t);
  const file = fileOf(app, 'rate-limiter');
  const original = fs.readFileSync(file);
  ok(cli(app, 'link'));
  fs.unlinkSync(file);
  refused(cli(app, 'link'), /removed after it was linked/);
  ok(cli(app, 'unlink'));
  assert.deepEqual(fs.readFileSync(file), original);
});

test('refused: a lib folder that is a symlink, no modules, no such folder, no package', (t) => {
  const app = makeApp(t);
  fs.renameSync(path.join(app, 'lib'), path.join(app, 'shared'));
  refused(cli(app, 'link'), /has none of the modules/);
  fs.symlinkSync('shared', path.join(app, 'lib'));
  refused(cli(app, 'link'), /symlink/);
  refused(cli(app, 'link', '/no/such/app'), /is not a folder/);
  fs.unlinkSync(path.join(app, 'lib'));
  fs.renameSync(path.join(app, 'shared'), path.join(app, 'lib'));
  fs.unlinkSync(path.join(app, 'node_modules', 'tooloo-native'));
  refused(cli(app, 'link'), /cannot find the package tooloo-native/);
});

// The file system calls of link, one after another: stopping after any of them must lose nothing.
test('interrupted after any step, the original is there, the module loads, and a second run repairs', (t) => {
  const name = 'rate-limiter';
  for (let step = 0; step < 8; step += 1) {
    const app = makeApp(t);
    const original = fs.readFileSync(fileOf(app, name));
    for (const other of MODULES) if (other !== name) fs.unlinkSync(fileOf(app, other));
    write(app, {
      'stop.mjs': `
        import fs from 'node:fs';
        let left = ${step};
        for (const call of ['linkSync', 'writeFileSync', 'chmodSync', 'fsyncSync', 'renameSync', 'rmSync', 'unlinkSync']) {
          const real = fs[call];
          fs[call] = (...args) => {
            if (left-- === 0) process.kill(process.pid, 'SIGKILL');
            return real(...args);
          };
        }
        const { link, unlink } = await import(${JSON.stringify(path.join(ROOT, 'src', 'js', 'link.mjs'))});
        (process.argv[2] === 'link' ? link : unlink)(${JSON.stringify(app)});`,
    });
    const kept = () => [fileOf(app, name), `${fileOf(app, name)}${BACKUP}`].some((file) => fs.existsSync(file) && fs.readFileSync(file).equals(original));
    for (const [command, repair] of [['link', 'link'], ['unlink', 'unlink']]) {
      run(process.execPath, ['stop.mjs', command], app);
      assert.ok(fs.existsSync(fileOf(app, name)), `${command} stopped at ${step}: the module's file is there`);
      assert.ok(kept(), `${command} stopped at ${step}: the original is there`);
      ok(cli(app, repair));
      assert.ok(kept());
    }
    assert.deepEqual(fs.readFileSync(fileOf(app, name)), original);
    assert.deepEqual(fs.readdirSync(path.join(app, 'lib')).sort(), [`${name}.js`, 'unrelated.js'], `nothing left, step ${step}`);
  }
});

test('where hard links are not to be had, the original is a copy', (t) => {
  const app = makeApp(t);
  const before = snapshot(path.join(app, 'lib'));
  write(app, {
    'copy.mjs': `
      import fs from 'node:fs';
      fs.linkSync = () => { throw Object.assign(new Error('no links here'), { code: 'EPERM' }); };
      const { link } = await import(${JSON.stringify(path.join(ROOT, 'src', 'js', 'link.mjs'))});
      link('.');`,
  });
  ok(run(process.execPath, ['copy.mjs'], app));
  ok(cli(app, 'unlink'));
  const whole = (entries) => entries.map(({ name, mode, content }) => ({ name, mode, content }));
  assert.deepEqual(whole(snapshot(path.join(app, 'lib'))), whole(before));
});

test('status is a table', (t) => {
  const out = ok(cli(makeApp(t), 'status'));
  assert.match(out, /^module +state +file\n/);
  assert.equal(out.trim().split('\n').length, COUNT + 1);
});

test('doctor names the binary, its version, Node and the platform, and fails when it does not load', (t) => {
  const folder = temporaryFolder(t);
  const good = ok(cli(folder, 'doctor'));
  for (const text of [process.version, `${process.platform}-${process.arch}`, '.node', `${COUNT} of ${COUNT} load`, 'as the package']) {
    assert.ok(good.includes(text), good);
  }
  const bad = run(process.execPath, [CLI, 'doctor'], folder, { NAPI_RS_NATIVE_LIBRARY_PATH: path.join(folder, 'x.node') });
  assert.equal(bad.code, 1);
  assert.match(bad.out, /NOT WORKING/);
  assert.equal(bad.err, '');
});

test('an unknown command shows the usage and fails', (t) => {
  const { code, err } = cli(temporaryFolder(t), 'lnik');
  assert.equal(code, 2);
  assert.match(err, /^usage: /);
});
