#!/usr/bin/env node
// npx tooloo-native link [app] | unlink [app] | status [app] | doctor
import path from 'node:path';
import { createRequire } from 'node:module';
import { examine } from './doctor.mjs';
import { link, STATES, status, unlink } from './link.mjs';

const USAGE = `usage: tooloo-native <command> [app folder, default: the current one]

  link      put the package's modules in the place of the app's lib/*.js; the originals stay beside them
  unlink    put the originals back
  status    show which modules are linked
  doctor    say whether the native binary loads, and on what`;

function table(rows) {
  const width = (column) => Math.max(...rows.map((row) => row[column].length));
  const widths = rows[0].map((_, column) => width(column));
  for (const row of rows) console.log(row.map((cell, column) => cell.padEnd(widths[column])).join('  ').trimEnd());
}

function report({ changed, unchanged }, verb) {
  for (const { file } of changed) console.log(`${verb}  ${path.relative(process.cwd(), file)}`);
  const rest = unchanged.length > 0 ? `, ${unchanged.length} already so` : '';
  console.log(`${changed.length} ${verb}${rest}`);
}

const commands = {
  link: (app) => report(link(app), 'linked'),
  unlink: (app) => report(unlink(app), 'restored'),
  status(app) {
    const rows = status(app).map(({ name, file, state }) => [name, STATES[state], state === 'absent' ? '' : file]);
    table([['module', 'state', 'file'], ...rows]);
  },
  doctor() {
    const { ok, rows } = examine();
    table([...rows, ['result', ok ? 'ok' : 'NOT WORKING']]);
    if (!ok) process.exitCode = 1;
  },
};

const [command = '', ...rest] = process.argv.slice(2);
if (command === '--version' || command === '-v') {
  console.log(createRequire(import.meta.url)('../../package.json').version);
} else if (command === '--help' || command === '-h' || command === 'help') {
  console.log(USAGE);
} else if (!Object.hasOwn(commands, command) || rest.length > (command === 'doctor' ? 0 : 1) || rest[0]?.startsWith('-')) {
  console.error(USAGE);
  process.exitCode = 2;
} else {
  try {
    commands[command](rest[0] ?? '.');
  } catch (error) {
    console.error(`tooloo-native: ${error.message}`);
    process.exitCode = 1;
  }
}
