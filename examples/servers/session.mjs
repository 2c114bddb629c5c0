// The frame of everything that starts processes here: whatever happens inside (a failure, a service that dies, Ctrl-C
// at any moment), afterwards the services have drained, the database is closed and the folders are gone.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { openDatabase } from './database.mjs';
import { Fleet } from './fleet.mjs';

/**
 * Runs `work({ fleet, folder, signal, open, atEnd })`, where `open({ flags })` opens the database and `atEnd(end)` adds what
 * is ended before that is closed. Answers with the exit code:
 * 0, or 1 after a failure, which is printed, or `interruptedCode` after a signal.
 */
export async function inSession(work, { interruptedCode = 0 } = {}) {
  const stopped = new AbortController();
  const { signal } = stopped;
  let interrupted = false;
  const interrupt = () => {
    if (!interrupted) console.log('\nStopping…');
    interrupted = true;
    stopped.abort(new Error('stopped'));
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, interrupt);
  const aborted = new Promise((_, reject) => {
    signal.addEventListener('abort', () => reject(signal.reason));
  });

  const onDeath = (error) => stopped.abort(error);
  const [keeper, fleet] = [new Fleet({ onDeath }), new Fleet({ onDeath })];
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-demo-'));
  let database;
  const ends = [];
  const atEnd = (end) => ends.push(end);
  const open = async (options) => {
    database = await openDatabase({ fleet: keeper, ...options });
    signal.throwIfAborted();
    return database;
  };
  try {
    await Promise.race([work({ fleet, folder, signal, open, atEnd }), aborted]);
    return 0;
  } catch (error) {
    if (!interrupted) console.error(`\n${error.message}`);
    return interrupted ? interruptedCode : 1;
  } finally {
    // Load, web, budget, and only then the database they use.
    await fleet.stop();
    for (const end of ends.reverse()) await end();
    await database?.close();
    await keeper.stop();
    fs.rmSync(folder, { recursive: true, force: true });
  }
}
