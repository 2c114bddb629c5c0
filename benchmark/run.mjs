// npm run bench [name…]: every benchmark/<name>.bench.mjs, or those named, as one table of ratios with medians.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { Table } from './harness.mjs';

const here = path.dirname(fileURLToPath(import.meta.url));
const wanted = process.argv.slice(2);
const files = fs
  .readdirSync(here)
  .filter((file) => file.endsWith('.bench.mjs'))
  .filter((file) => wanted.length === 0 || wanted.includes(file.replace('.bench.mjs', '')))
  .sort();
if (files.length === 0) throw new Error(`no benchmark named ${wanted.join(', ')}`);

console.log(`Node ${process.version}, ${process.platform}-${process.arch}; medians, in turns\n`);
console.log('| operation | baseline | ours | ratio | goal | |\n|---|---|---|---|---|---|');
const table = new Table();
for (const file of files) await (await import(pathToFileURL(path.join(here, file)))).run(table);
const missed = table.rows.filter((row) => !row.met);
console.log(missed.length === 0 ? '\nevery goal met' : `\n${missed.length} of ${table.rows.length} goals missed`);
