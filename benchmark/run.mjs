// npm run bench [name…]: every benchmark/<name>.bench.mjs, or those named, as one table of ratios with medians. Each has
// a process of its own: what one leaves in the heap would be carried by the garbage collector of the next.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Table } from './harness.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));

/** Runs one in this process, which was forked for it, and tells the parent how many goals it missed. */
async function runOne(file) {
  const table = new Table();
  await (await import(pathToFileURL(path.join(here, file)))).run(table);
  process.send({ missed: table.rows.filter((row) => !row.met).length, total: table.rows.length });
  process.disconnect();
}

/** The counts of one, run in a process of its own. */
async function inOwnProcess(file) {
  const child = fork(fileURLToPath(import.meta.url), ['--one', file]);
  let counts;
  child.on('message', (message) => {
    counts = message;
  });
  const [code, signal] = await once(child, 'exit');
  if (counts === undefined || code !== 0) throw new Error(`${file} ended with ${signal ?? code}`);
  return counts;
}

async function runAll(wanted) {
  const files = fs
    .readdirSync(here)
    .filter((file) => file.endsWith('.bench.mjs'))
    .filter((file) => wanted.length === 0 || wanted.includes(file.replace('.bench.mjs', '')))
    .sort();
  if (files.length === 0) throw new Error(`no benchmark named ${wanted.join(', ')}`);
  console.log(`Node ${process.version}, ${process.platform}-${process.arch}; medians, in turns\n`);
  console.log('| operation | baseline | ours | ratio | goal | |\n|---|---|---|---|---|---|');
  let [missed, total] = [0, 0];
  for (const file of files) {
    const counts = await inOwnProcess(file);
    missed += counts.missed;
    total += counts.total;
  }
  console.log(missed === 0 ? '\nevery goal met' : `\n${missed} of ${total} goals missed`);
}

const [first, ...rest] = process.argv.slice(2);
if (first === '--one') await runOne(rest[0]);
else await runAll(first === undefined ? [] : [first, ...rest]);
