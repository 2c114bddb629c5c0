import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { before, test } from 'node:test';
import { MODULES, ROOT, run, temporaryFolder, write } from './support/app.mjs';

const { addonFile } = createRequire(import.meta.url)('../scripts/cargo.cjs');
const manifest = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8'));
const quiet = ['--no-audit', '--no-fund', '--loglevel=error'];

/** Runs npm by the script beside this Node, so that it is there even where the PATH is not. */
const npm = (args, cwd, env) => run(process.platform === 'win32' ? 'npm.cmd' : 'npm', args, cwd, env);

/** Packs without `prepack`, which would make a release build of a clone that was built for debugging. */
function pack(folder) {
  const { code, out, err } = npm(['pack', '--json', '--ignore-scripts', '--pack-destination', folder], ROOT);
  assert.equal(code, 0, err);
  const parsed = JSON.parse(out);
  return Array.isArray(parsed) ? parsed[0] : Object.values(parsed)[0];
}

let tarball;
let packed;
before(() => {
  const folder = fs.mkdtempSync(path.join(ROOT, 'node_modules', '.cache-pack-'));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  packed = pack(folder);
  tarball = path.join(folder, packed.filename);
});

function consumer(t) {
  const folder = temporaryFolder(t);
  write(folder, { 'package.json': '{"name":"consumer","type":"module"}' });
  const { code, err } = npm(['install', ...quiet, '--ignore-scripts', tarball], folder);
  assert.equal(code, 0, err);
  return folder;
}
const installed = (folder, ...parts) => path.join(folder, 'node_modules', 'tooloo-native', ...parts);
/** A PATH with Node and the system's own programs, without cargo. */
function pathWithoutCargo(t) {
  const folder = temporaryFolder(t);
  fs.symlinkSync(process.execPath, path.join(folder, 'node'));
  return [folder, '/usr/bin', '/bin'].filter((each) => !fs.existsSync(path.join(each, 'cargo'))).join(path.delimiter);
}

test('the tarball has what an app needs and what a build from source needs, and nothing else', () => {
  const files = packed.files.map(({ path: file }) => file);
  for (const name of MODULES) assert.ok(files.includes(`src/js/lib/${name}.cjs`) && files.includes(`src/js/lib/${name}.mjs`));
  const needed = ['index.d.ts', 'Cargo.toml', 'Cargo.lock', 'build.rs', 'src/lib.rs', 'src/js/register.mjs', 'src/js/cli.mjs'];
  for (const file of [...needed, 'scripts/install.cjs', 'scripts/cargo.cjs', 'scripts/child.cjs']) {
    assert.ok(files.includes(file), file);
  }
  assert.ok(files.includes(path.relative(ROOT, addonFile())), 'the binary of this platform');
  assert.deepEqual(files.filter((file) => /\.(stamp|tmp|tgz)$|__test__|benchmark|examples|target\//.test(file)), []);
});

test('packing builds the release profile first', () => {
  assert.equal(manifest.scripts.prepack, 'node scripts/bootstrap.mjs build');
});

test('npm install <tarball> gives an app that works at once, with no install script run', (t) => {
  const folder = consumer(t);
  write(folder, {
    'main.mjs': `
      import * as all from 'tooloo-native';
      import { createRequire } from 'node:module';
      const require = createRequire(import.meta.url);
      const required = require('tooloo-native');
      const modules = ${JSON.stringify(MODULES)};
      const checks = [];
      for (const name of modules) {
        const X = Object.keys(required).find((each) => each.toLowerCase() === name.replace('-', ''));
        const module = await import('tooloo-native/lib/' + name + '.js');
        const cjs = require('tooloo-native/lib/' + name + '.js');
        const same = [module.default, module[X], cjs[X], cjs.default, all[X]].every((each) => each === required[X]);
        checks.push(same && cjs.__esModule === true && typeof cjs === 'object' && required[X].name === X);
        new required[X]();
      }
      console.log(JSON.stringify({ checks, names: Object.keys(required).sort().join() === Object.keys(all).sort().join() }));`,
  });
  const { code, out, err } = run(process.execPath, ['main.mjs'], folder);
  assert.equal(code, 0, err);
  assert.deepEqual(JSON.parse(out), { checks: MODULES.map(() => true), names: true });
  const doctor = npm(['exec', '--offline', '--', 'tooloo-native', 'doctor'], folder);
  assert.equal(doctor.code, 0, doctor.err);
});

test('the dashboard of an installed package has its page, its scripts and its charts', (t) => {
  const folder = consumer(t);
  write(folder, {
    'main.mjs': `
      import http from 'node:http';
      import { dashboard, RateLimiter } from 'tooloo-native';
      const server = http.createServer(dashboard({ limiter: new RateLimiter() })).listen(0, '127.0.0.1', async () => {
        const ask = async (name) => (await fetch('http://127.0.0.1:' + server.address().port + '/' + name)).text();
        const page = await ask('');
        const files = [...page.matchAll(/(?:src|href)="([^"#]+)"/g)].map(([, name]) => name);
        const sizes = await Promise.all(files.map(async (name) => [name, (await ask(name)).length > 200]));
        console.log(JSON.stringify({ sizes, charts: (await ask('uplot.js')).includes('uPlot') }));
        server.close();
        server.closeIdleConnections();
      });`,
  });
  const { code, out, err } = run(process.execPath, ['main.mjs'], folder);
  assert.equal(code, 0, err);
  const { sizes, charts } = JSON.parse(out);
  assert.ok(charts && sizes.length >= 5 && sizes.every(([, there]) => there), out);
});

test('npm install with install scripts allowed does nothing more where there is a binary', (t) => {
  const folder = temporaryFolder(t);
  write(folder, { 'package.json': '{"name":"consumer"}' });
  const PATH = `${path.dirname(process.execPath)}${path.delimiter}${pathWithoutCargo(t)}`;
  const { code, err } = npm(['install', ...quiet, tarball], folder, { PATH });
  assert.equal(code, 0, err);
  assert.ok(!fs.existsSync(installed(folder, 'target')));
});

test('without a binary and without cargo, the install script fails with one line that says what to do', (t) => {
  const folder = consumer(t);
  fs.unlinkSync(installed(folder, path.relative(ROOT, addonFile())));
  const { code, err } = run(process.execPath, [installed(folder, 'scripts', 'install.cjs')], folder, { PATH: pathWithoutCargo(t) });
  assert.equal(code, 1);
  assert.match(err, /^tooloo-native: no binary for [^\n]*cargo was not found[^\n]*rustup\.rs[^\n]*\n$/);
  const use = run(process.execPath, ['-e', `require('tooloo-native').RateLimiter`], folder);
  assert.match(use.err, /Error: tooloo-native: there is no native binary for [^\n]*npm rebuild tooloo-native/);
});

test('without a binary, the install script builds from source in the installed copy', { timeout: 900_000 }, (t) => {
  const folder = consumer(t);
  const binary = installed(folder, path.relative(ROOT, addonFile()));
  fs.unlinkSync(binary);
  const env = { CARGO_TARGET_DIR: path.join(ROOT, 'target'), TOOLOO_NATIVE_PROFILE: 'debug' };
  const { code, err } = run(process.execPath, [installed(folder, 'scripts', 'install.cjs')], folder, env);
  assert.equal(code, 0, err);
  assert.ok(fs.existsSync(binary));
  const doctor = run(process.execPath, [installed(folder, 'src', 'js', 'cli.mjs'), 'doctor'], folder);
  assert.equal(doctor.code, 0, doctor.out);
});

test('the platform packages have the names and files that the loader asks for', () => {
  const loader = fs.readFileSync(path.join(ROOT, 'src', 'js', 'native.cjs'), 'utf8');
  const folders = fs.readdirSync(path.join(ROOT, 'npm'));
  assert.equal(folders.length, manifest.napi.targets.length);
  for (const name of folders) {
    const one = JSON.parse(fs.readFileSync(path.join(ROOT, 'npm', name, 'package.json'), 'utf8'));
    assert.equal(one.version, manifest.version);
    assert.ok(loader.includes(`require('${one.name}')`), one.name);
    assert.ok(loader.includes(`require('./${one.main}')`), one.main);
  }
});

/** A fresh clone: the files that git has, without packages and builds. */
function clone(t) {
  const folder = path.join(temporaryFolder(t), 'clone');
  for (const part of ['scripts', 'src', 'package.json', 'package-lock.json', 'Cargo.toml', 'Cargo.lock', 'build.rs']) {
    fs.cpSync(path.join(ROOT, part), path.join(folder, part), {
      recursive: true,
      filter: (file) => !/\.(node|stamp|tmp)$/.test(file),
    });
  }
  return folder;
}
function fakeCargo(t, script) {
  const folder = temporaryFolder(t);
  fs.writeFileSync(path.join(folder, 'cargo'), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  return [folder, path.dirname(process.execPath), '/usr/bin', '/bin'].join(path.delimiter);
}
const posix = { skip: process.platform === 'win32' ? 'shell scripts' : false };

test('a fresh clone without cargo, or with an old one, says so in one line before anything else', posix, (t) => {
  const folder = clone(t);
  const bootstrap = (PATH) => run(process.execPath, ['scripts/bootstrap.mjs', 'run', 'scripts/test.mjs'], folder, { PATH });
  const missing = bootstrap(pathWithoutCargo(t));
  assert.deepEqual([missing.code, missing.out], [1, '']);
  assert.match(missing.err, /^tooloo-native: cargo was not found: install Rust [^\n]*rustup\.rs[^\n]*\n$/);
  const old = bootstrap(fakeCargo(t, 'echo "cargo 1.70.0 (abc 2023-01-01)"'));
  assert.deepEqual([old.code, old.out], [1, '']);
  assert.match(old.err, /^tooloo-native: cargo 1\.70 is too old: Rust [^\n]*rustup update[^\n]*\n$/);
  const broken = bootstrap(fakeCargo(t, 'exit 1'));
  assert.match(broken.err, /^tooloo-native: cargo is there but does not run[^\n]*\n$/);
});

test('an interrupted build ends without a stack trace, and takes cargo with it', posix, async (t) => {
  const folder = clone(t);
  const PATH = fakeCargo(t, '[ "$1" = --version ] && { echo "cargo 1.99.0 (x)"; exit; }\necho $$ > pid\nexec sleep 60');
  const child = spawn(process.execPath, ['scripts/bootstrap.mjs', 'build'], { cwd: folder, env: { ...process.env, PATH } });
  let text = '';
  child.stderr.on('data', (chunk) => (text += chunk));
  child.stdout.resume();
  while (!fs.existsSync(path.join(folder, 'pid'))) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 200));
  child.kill('SIGINT');
  const [code] = await once(child, 'exit');
  assert.equal(code, 130);
  assert.equal(text, '');
  const pid = Number(fs.readFileSync(path.join(folder, 'pid'), 'utf8'));
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
});

for (const signal of ['SIGINT', 'SIGTERM']) {
  test(`${signal} reaches what runs, which is waited for, and its exit code is passed on`, posix, async (t) => {
    const folder = temporaryFolder(t);
    write(folder, {
      'child.mjs': `
        for (const signal of ['SIGINT', 'SIGTERM']) {
          let count = 0;
          process.on(signal, () => {
            count += 1;
            setTimeout(() => { console.log('drained after ' + count + ' ' + signal); process.exit(7); }, 300);
          });
        }
        setInterval(() => {}, 1000);
        console.log('up');`,
      'bootstrap.cjs': `
        const { runChild } = require(${JSON.stringify(path.join(ROOT, 'scripts', 'child.cjs'))});
        runChild(process.execPath, ['child.mjs'], { stdio: 'inherit' }).then(({ code }) => (process.exitCode = code));`,
    });
    const child = spawn(process.execPath, ['bootstrap.cjs'], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
    let text = '';
    child.stdout.on('data', (chunk) => (text += chunk));
    while (!text.includes('up')) await once(child.stdout, 'data');
    child.kill(signal);
    const [code] = await once(child, 'close');
    assert.equal(code, 7);
    assert.match(text, new RegExp(`drained after 1 ${signal}`));
  });
}
