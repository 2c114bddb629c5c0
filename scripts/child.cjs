'use strict';
// Child processes that end with their parent: signals are passed on, and the parent waits. Node's built-ins only.
const { spawn } = require('node:child_process');
const os = require('node:os');
const tty = require('node:tty');

/** Thrown after an interrupt; there is nothing to say, only a code to exit with. */
class Interrupted extends Error {
  constructor(signal) {
    super(`stopped by ${signal}`);
    this.exitCode = 128 + os.constants.signals[signal];
  }
}

/**
 * Runs a program to its end and resolves with its exit code. A SIGINT, SIGTERM or SIGHUP to this process reaches the
 * child exactly once, and this process stays until the child is done.
 */
function runChild(command, args, options) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, options);
    options.onSpawn?.(child);
    // A terminal sends Ctrl-C to the whole group, this process's children included; a second one would look
    // like impatience.
    const atTerminal = [0, 1, 2].some((fd) => tty.isatty(fd));
    let received;
    const listeners = ['SIGINT', 'SIGTERM', 'SIGHUP'].map((signal) => {
      const listener = () => {
        received ??= signal;
        if (signal === 'SIGTERM' || !atTerminal) child.kill(signal);
      };
      process.on(signal, listener);
      return () => process.off(signal, listener);
    });
    // npm passes a SIGTERM to the shell between us, which dies of it without a word to this process.
    const parent = process.ppid;
    const orphaned = () => {
      if (process.ppid === parent || received) return;
      received = 'SIGTERM';
      child.kill('SIGTERM');
    };
    const watch = process.env.npm_lifecycle_event ? setInterval(orphaned, 250) : undefined;
    const settle = (finish) => {
      clearInterval(watch);
      for (const stop of listeners) stop();
      finish();
    };
    child.on('error', (error) => settle(() => reject(error)));
    child.on('close', (code, signal) =>
      settle(() => {
        if (signal !== null) reject(new Interrupted(received ?? signal));
        else resolve({ code, interrupted: received !== undefined });
      }),
    );
  });
}

/** Runs one step of a preparation: throws `message` when it fails, and `Interrupted` when it was stopped. */
async function runStep(command, args, options, message) {
  const { code, interrupted } = await runChild(command, args, options);
  if (code === 0) return;
  throw interrupted ? new Interrupted('SIGINT') : new Error(message);
}

module.exports = { Interrupted, runChild, runStep };
