// Every runnable example of the documents runs: each ```js block that imports from 'tooloo-native', as a module of its
// own, ends by itself with exit code 0 and writes nothing to stderr.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { startPostgres } from './support/postgres.mjs';
import { startValkey, valkeyBinary } from './support/valkey.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
/** A line that does nothing by itself. A block of such lines shows how to import; it is no program. */
const IDLE_LINE = /^\s*(import\b.*|export \* from .*|\/\/.*)?$/;
const BLOCK = /^```js[^\n]*\n([\s\S]*?)^```/gm;

function blocksOf(file) {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(BLOCK)]
    .filter(([, code]) => !code.split('\n').every((line) => IDLE_LINE.test(line)) && /\bfrom\s+['"]tooloo-native['"/]/.test(code))
    .map((match) => ({ file, line: text.slice(0, match.index).split('\n').length, code: match[1] }));
}

const documents = fs.existsSync(path.join(ROOT, 'docs')) ? fs.readdirSync(path.join(ROOT, 'docs'), { recursive: true }) : [];
const files = ['README.md', ...documents.map((file) => `docs/${String(file).replaceAll(path.sep, '/')}`)]
  .filter((file) => file.endsWith('.md') && fs.existsSync(path.join(ROOT, file)));
const blocks = files.flatMap(blocksOf);

// Inside the package, so that it finds itself by its name, and not below node_modules, where it would not.
const folder = path.join(ROOT, '.tooloo', `guide-${process.pid}`);
let server;
let valkey;

before(async () => {
  fs.mkdirSync(folder, { recursive: true });
  if (blocks.length > 0) server = await startPostgres();
  if (blocks.length > 0 && valkeyBinary() !== undefined) valkey = await startValkey();
});

after(async () => {
  await server?.stop();
  await valkey?.stop();
  fs.rmSync(folder, { recursive: true, force: true });
});

function runModule(file) {
  const options = { cwd: folder, timeout: 60_000, env: { ...process.env, DATABASE_URL: server.url, ...(valkey && { REDIS_URL: valkey.url }) } };
  return new Promise((resolve) => {
    execFile(process.execPath, [file], options, (error, stdout, stderr) => resolve({ error, stdout, stderr }));
  });
}

for (const { file, line, code } of blocks) {
  test(`the example at ${file}:${line} runs`, async () => {
    const module = path.join(folder, `${file.replace(/\W/g, '-')}-${line}.mjs`);
    fs.writeFileSync(module, code);
    const { error, stderr } = await runModule(module);
    assert.equal(stderr, '');
    assert.equal(error, null);
  });
}

test('the guide has examples to run', () => {
  assert.ok(blocks.some(({ file }) => file === 'docs/guide.md'));
});
