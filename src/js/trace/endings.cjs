'use strict';
// The end of a process or a worker: what exporters have pending is delivered before it, for a bounded time. Nothing here
// keeps a process alive.

const { isMainThread } = require('node:worker_threads');

const SIGNALS = ['SIGTERM', 'SIGINT', 'SIGHUP'];
/** Weak: an exporter that nobody holds any more has nothing pending. */
const exporters = new Set();
const gone = new FinalizationRegistry((held) => {
  exporters.delete(held);
  if (exporters.size === 0) leave();
});

function each(visit) {
  for (const held of exporters) {
    const exporter = held.deref();
    try {
      if (exporter !== undefined) visit(exporter);
    } catch {
      // The end of a process is no place for errors.
    }
  }
}

const drain = () => each((exporter) => exporter.drain());

const listeners = new Map(SIGNALS.map((signal) => [signal, () => {
  // As if this listener were not there: others of this kind look whether they are alone.
  process.off(signal, listeners.get(signal));
  if (process.listenerCount(signal) === 0) {
    drain();
    process.kill(process.pid, signal);
    return;
  }
  // The application takes itself down; what comes until then is delivered at its exit.
  each((exporter) => exporter.hand());
  setImmediate(() => {
    if (exporters.size > 0) listen(signal);
  }).unref();
}]));

function listen(signal) {
  process.off(signal, listeners.get(signal));
  // First, so that no listener of the application's that is called once is gone already.
  process.prependListener(signal, listeners.get(signal));
}

function leave() {
  process.off('exit', drain);
  for (const [signal, listener] of listeners) process.off(signal, listener);
}

/** Drains the exporter when the process or worker ends, by itself, by `process.exit` or by a signal. */
function attend(exporter) {
  if (exporters.size === 0) {
    process.on('exit', drain);
    if (isMainThread) SIGNALS.forEach(listen);
  }
  const held = new WeakRef(exporter);
  exporters.add(held);
  gone.register(exporter, held);
}

module.exports = { attend };
