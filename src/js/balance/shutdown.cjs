'use strict';
// Takes a server down without losing a request: not ready any more, a while for the news to spread, no new connections,
// the rest answered, everything else drained, gone.

const { native } = require('../addon.cjs');
const { textOf } = require('../resilience/text.cjs');

const WAYS = ['shutdown', 'drain', 'close', 'destroy'];

/** Ends one thing: a function, or an object by the first of its methods that ends things. */
async function end(thing) {
  if (typeof thing === 'function') return thing();
  const way = WAYS.find((name) => typeof thing?.[name] === 'function');
  if (way === undefined) throw new TypeError(`option "drain" has an item that is no function and has none of ${WAYS.join(', ')}`);
  return thing[way]();
}

/** Stops accepting; done when the last connection has ended. */
function closeServer(server) {
  return new Promise((resolve) => {
    server.close(resolve);
    server.closeIdleConnections?.();
  });
}

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/**
 * Watches for signals. Returns `{ shutdown(), done, dispose() }`: `shutdown` begins by hand, `done` is the promise of
 * the exit code, `dispose` stops watching.
 */
function gracefulShutdown(server, options = {}) {
  const cells = new Float64Array(2);
  native.shutdownConfig(options, cells);
  const [delayMs, deadlineMs] = cells;
  const { readiness, drain = [], signals = ['SIGTERM', 'SIGINT'], exit = (code) => process.exit(code) } = options;
  let begun = false;
  let finish;
  const done = new Promise((resolve) => { finish = resolve; });

  const leave = (code) => {
    finish(code);
    exit(code);
  };

  async function run() {
    const deadline = setTimeout(() => {
      process.emitWarning(`shutdown: not done after ${deadlineMs} ms`);
      server.closeAllConnections?.();
      leave(1);
    }, deadlineMs);
    let failed = 0;
    readiness?.beginShutdown?.();
    // Whoever keeps a connection is told to come back over another one, while there still is another server's.
    server.prependListener?.('request', (request, response) => response.setHeader('Connection', 'close'));
    await pause(delayMs);
    await closeServer(server);
    for (const thing of drain) {
      try {
        await end(thing);
      } catch (error) {
        failed += 1;
        process.emitWarning(`shutdown: draining failed: ${textOf(error)}`);
      }
    }
    readiness?.stopPolling?.();
    clearTimeout(deadline);
    leave(failed > 0 ? 1 : 0);
  }

  function shutdown() {
    if (!begun) {
      begun = true;
      run();
    }
    return done;
  }

  /** Who asks a second time does not want to wait. */
  const onSignal = () => (begun ? leave(1) : shutdown());
  const dispose = () => { for (const signal of signals) process.off(signal, onSignal); };
  for (const signal of signals) process.on(signal, onSignal);
  return { shutdown, done, dispose };
}

exports.gracefulShutdown = gracefulShutdown;
