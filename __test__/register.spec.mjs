import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { makeApp, MODULES, registered, run, temporaryFolder, write } from './support/app.mjs';
import { node } from './support/nodes.mjs';

const { appFiles, moduleOf, namesFile, readExcept } = createRequire(import.meta.url)('../src/js/app-files.cjs');

const probe = (binary, app, env) => {
  const { code, out, err } = registered(binary, app, 'probe.js', env);
  assert.equal(code, 0, err);
  return { ...JSON.parse(out), err };
};

for (const major of [18, 20, 22, 24]) {
  const binary = node(major);
  test(`Node ${major}`, { skip: binary ? false : 'this version of Node could not be fetched' }, async (t) => {
    await t.test('every way to load a module gives one class of this package, and no original is loaded', (t) => {
      const { modules, workers, originals, unrelated } = probe(binary, makeApp(t));
      assert.deepEqual(originals, []);
      assert.equal(unrelated, 'the app’s own');
      for (const name of MODULES) {
        const expected = name.replace(/(^|-)(.)/g, (_, __, letter) => letter.toUpperCase());
        assert.deepEqual(modules[name], { name: expected, original: false, different: [], instance: true });
      }
      assert.deepEqual(workers, [
        { original: false, originals: [] },
        { original: false, originals: [] },
      ]);
    });

    await t.test('NODE_OPTIONS does the same as the flag', (t) => {
      const app = makeApp(t);
      const { code, out, err } = run(binary, ['probe.js'], app, { NODE_OPTIONS: '--import tooloo-native/register' });
      assert.equal(code, 0, err);
      assert.deepEqual(JSON.parse(out).originals, []);
    });

    await t.test('TOOLOO_NATIVE_LOG prints one line for each module, however often and where it is loaded', (t) => {
      const { err } = probe(binary, makeApp(t), { TOOLOO_NATIVE_LOG: '1' });
      const lines = err.split('\n').filter((line) => line.startsWith('tooloo-native: replaced lib/'));
      assert.equal(lines.length, MODULES.length, err);
      for (const name of MODULES) assert.ok(lines.some((line) => line.includes(`lib/${name}.js`)));
    });

    await t.test('TOOLOO_NATIVE_EXCEPT leaves modules to the app', (t) => {
      const skip = 'rate-limiter,connection-pool';
      const { modules, originals } = probe(binary, makeApp(t), {
        TOOLOO_NATIVE_EXCEPT: 'rate-limiter, lib/connection-pool.js',
        SKIP_REQUIRE: skip,
      });
      assert.equal(modules['rate-limiter'].original, true);
      assert.equal(modules['connection-pool'].original, true);
      assert.equal(modules['persistent-cache'].original, false);
      assert.deepEqual([...new Set(originals)].sort(), ['connection-pool', 'rate-limiter']);
    });

    await t.test('a CommonJS app is served as well, and its main file may be CommonJS', (t) => {
      const app = makeApp(t);
      write(app, {
        'package.json': '{}',
        'lib/rate-limiter.js': 'globalThis.originalLoaded = true; exports.RateLimiter = class {};',
        'main.js': `
          const { RateLimiter } = require('./lib/rate-limiter');
          import('./lib/rate-limiter.js?t=2').then((module) => {
            const same = module.default === RateLimiter && require('./lib/rate-limiter.js').default === RateLimiter;
            console.log(RateLimiter.name, same, globalThis.originalLoaded === undefined);
          });`,
      });
      const { out, err } = registered(binary, app, 'main.js');
      assert.equal(out.trim(), 'RateLimiter true true', err);
    });

    await t.test('files in node_modules, bare specifiers and files outside the root are left alone', (t) => {
      const app = makeApp(t);
      const outside = temporaryFolder(t);
      const foreign = 'export class RateLimiter { static foreign = true; }\nexport default RateLimiter;\n';
      write(app, {
        'node_modules/other/package.json': '{"type":"module"}',
        'node_modules/other/lib/rate-limiter.js': foreign,
        'node_modules/other/index.js': `export { default } from './lib/rate-limiter.js';`,
        'main.js': `
          import inside from 'other/index.js';
          import bare from 'other/lib/rate-limiter.js';
          import relative from './node_modules/other/lib/rate-limiter.js';
          const away = (await import(${JSON.stringify(path.join(outside, 'lib', 'rate-limiter.js'))})).default;
          console.log([inside, bare, relative, away].every(({ foreign }) => foreign));`,
      });
      write(outside, { 'package.json': '{"type":"module"}', 'lib/rate-limiter.js': foreign });
      const { out, err } = registered(binary, app, 'main.js');
      assert.equal(out.trim(), 'true', err);
    });

    await t.test('TOOLOO_NATIVE_ROOT may be a symlink, and so may the lib folder, to a place outside', (t) => {
      const app = makeApp(t);
      const elsewhere = temporaryFolder(t);
      fs.renameSync(path.join(app, 'lib'), path.join(elsewhere, 'lib'));
      write(elsewhere, { 'package.json': '{"type":"module"}' });
      fs.symlinkSync(path.join(elsewhere, 'lib'), path.join(app, 'lib'));
      fs.symlinkSync(app, path.join(elsewhere, 'current'));
      const { originals } = probe(binary, app, { TOOLOO_NATIVE_ROOT: path.join(elsewhere, 'current') });
      assert.deepEqual(originals, []);
    });

    await t.test('the Express service runs on the modules', async (t) => {
      const app = makeApp(t);
      const env = { ...process.env, CACHE_DIR: path.join(app, 'cache') };
      const child = spawn(binary, ['--import', 'tooloo-native/register', 'server.js'], { cwd: app, env });
      t.after(() => child.kill('SIGKILL'));
      let errors = '';
      child.stderr.on('data', (chunk) => (errors += chunk));
      const [line] = await once(createInterface(child.stdout), 'line');
      const url = `http://127.0.0.1:${line.split(' ')[1]}`;
      const first = await fetch(`${url}/api/price/acme`);
      assert.equal(first.status, 200, errors);
      assert.match(first.headers.get('x-trace-id'), /./);
      assert.equal((await first.json()).cached, false);
      assert.equal((await (await fetch(`${url}/api/price/acme`)).json()).cached, true);
      const statuses = [];
      for (let i = 0; i < 4; i += 1) statuses.push((await fetch(`${url}/api/price/acme`)).status);
      assert.ok(statuses.includes(429), 'the limiter denies a burst');
      const stats = await (await fetch(`${url}/stats`)).json();
      assert.deepEqual(stats.originals, []);
      assert.ok(stats.cache.hits >= 1 && stats.pool.created >= 1 && stats.tracer.totalRequests >= 6);
      child.kill('SIGTERM');
      const [code] = await once(child, 'exit');
      assert.equal(code, 0, errors);
    });
  });
}

test('without a binary the app does not start, and one line says why', (t) => {
  const app = makeApp(t);
  const { code, err } = registered(process.execPath, app, 'probe.js', {
    NAPI_RS_NATIVE_LIBRARY_PATH: path.join(app, 'missing.node'),
  });
  assert.equal(code, 1);
  assert.match(err, /^tooloo-native: [^\n]*native binary[^\n]*\n$/);
});

test('a name in TOOLOO_NATIVE_EXCEPT that is no module is said to be none', (t) => {
  const { err } = probe(process.execPath, makeApp(t), { TOOLOO_NATIVE_EXCEPT: 'rate-limitter' });
  assert.match(err, /TOOLOO_NATIVE_EXCEPT names no module of this package: rate-limitter/);
  assert.deepEqual(readExcept(' ./lib/rate-limiter.js ,x,'), { except: ['rate-limiter'], unknown: ['x'] });
});

test('a root that does not exist is one line and exit code 1', (t) => {
  const { code, err } = registered(process.execPath, makeApp(t), 'probe.js', { TOOLOO_NATIVE_ROOT: '/no/such/folder' });
  assert.equal(code, 1);
  assert.match(err, /^tooloo-native: TOOLOO_NATIVE_ROOT is not a folder: [^\n]*\n$/);
});

test('Windows paths are the app’s files too', () => {
  const replaced = appFiles({ root: 'C:\\app', path: path.win32, realpath: (file) => file });
  assert.equal(replaced('C:\\app\\lib\\rate-limiter.js'), 'rate-limiter');
  assert.equal(replaced('c:\\app\\servers\\web\\lib\\rate-limiter.js'), 'rate-limiter');
  assert.equal(replaced('C:\\app\\node_modules\\x\\lib\\rate-limiter.js'), undefined);
  assert.equal(replaced('D:\\app\\lib\\rate-limiter.js'), undefined);
  assert.equal(replaced('C:\\application\\lib\\rate-limiter.js'), undefined);
  assert.equal(moduleOf('C:\\app\\lib\\rate-limiter.js', path.win32), 'rate-limiter');
});

test('only whole names in lib/ are modules', () => {
  for (const file of ['/a/lib/x-rate-limiter.js', '/a/lib/rate-limiter.mjs', '/a/mylib/rate-limiter.js', '/a/lib/constructor.js']) {
    assert.equal(moduleOf(file, path.posix), undefined, file);
  }
  assert.deepEqual(
    ['./a.js', '../a.js', '/a.js', 'file:///a.js', '#a', 'C:\\a.js', 'C:/a.js'].map(namesFile),
    Array(7).fill(true),
  );
  assert.deepEqual(['a/lib/x.js', 'node:fs', '@a/b', 'data:text/javascript,', '.hidden'].map(namesFile), Array(5).fill(false));
});
