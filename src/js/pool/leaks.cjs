'use strict';
// Warns of connections that nobody brings back, with the place where they were borrowed.

/** What watches borrows for longer than `threshold` ms; `undefined` for 0. */
function watchLeaks(threshold) {
  if (threshold === 0) return undefined;
  /** Connection → timer */
  const timers = new Map();
  const forget = (conn) => {
    clearTimeout(timers.get(conn));
    timers.delete(conn);
  };
  async function watch(acquire) {
    const place = {};
    Error.captureStackTrace(place, watch);
    const conn = await acquire();
    forget(conn);
    const timer = setTimeout(() => {
      process.emitWarning(`a connection has not been released for more than ${threshold} ms`, {
        type: 'ConnectionLeakWarning',
        detail: `acquired${place.stack.slice(place.stack.indexOf('\n'))}`,
      });
    }, threshold);
    timer.unref?.();
    timers.set(conn, timer);
    return conn;
  }
  return { watch, forget };
}

exports.watchLeaks = watchLeaks;
