'use strict';
// The process between a manager and its instances; run with an IPC channel, Node's built-ins only. It starts the
// instances itself, so there is no moment in which one runs that it does not know of. The channel closes when the
// manager's process ends, in whatever way, a `kill -9` included; then this process ends all instances and itself.

const { spawn } = require('node:child_process');

/** Each instance leads a process group where there are any, so that what it has started goes with it. */
const GROUPS = process.platform !== 'win32';

/** Number → child process */
const children = new Map();
let graceMs = 0;
let leaving = false;

const say = (message) => { if (process.connected) process.send(message, () => {}); };

function signal(child, name) {
  try {
    if (GROUPS) process.kill(-child.pid, name);
    else child.kill(name);
  } catch {
    // Nobody is left.
  }
}

function ended(id, answer) {
  children.delete(id);
  say({ id, ended: answer });
  if (leaving && children.size === 0) process.exit(0);
}

function start({ id, file, args, cwd, env }) {
  let child;
  try {
    child = spawn(file, args, { cwd, env, detached: GROUPS, stdio: ['ignore', 'inherit', 'inherit'], windowsHide: true });
  } catch (error) {
    ended(id, error.message);
    return;
  }
  if (child.pid === undefined) {
    child.once('error', (error) => ended(id, error.message));
    return;
  }
  child.on('error', () => {});
  children.set(id, child);
  child.once('exit', (code, name) => {
    signal(child, 'SIGKILL');
    ended(id, name ?? `exit code ${code}`);
  });
  say({ id, pid: child.pid });
}

function leave() {
  leaving = true;
  if (children.size === 0) process.exit(0);
  for (const child of children.values()) signal(child, 'SIGTERM');
  setTimeout(() => { for (const child of children.values()) signal(child, 'SIGKILL'); }, graceMs);
}

process.on('message', (message) => {
  if (message.start !== undefined) start(message.start);
  else if (message.signal !== undefined && children.has(message.id)) signal(children.get(message.id), message.signal);
  else if (message.graceMs !== undefined) graceMs = message.graceMs;
});
process.on('disconnect', leave);
// Whoever signals a whole session or service means the manager; its end is this process's signal.
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, () => {});
