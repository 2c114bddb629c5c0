'use strict';
// Promises with a limit, for the pool's waits.

/**
 * What `start` gives or promises, within `ms`; afterwards the promise rejects with what `late` makes. A value that
 * comes too late goes to `unwanted`. `started` gets the timer.
 */
function within(start, ms, late, unwanted = () => {}, started = () => {}) {
  return new Promise((resolve, reject) => {
    let over = false;
    const timer = setTimeout(() => {
      over = true;
      reject(late());
    }, ms);
    started(timer);
    const settle = (how) => (value) => {
      clearTimeout(timer);
      how(value);
    };
    new Promise((begin) => begin(start())).then(
      (value) => (over ? unwanted(value) : settle(resolve)(value)),
      (error) => over || settle(reject)(error),
    );
  });
}

/** Calls `listener` once when the signal fires; returns how to stop listening. */
function onAbort(signal, listener) {
  if (signal === undefined) return () => {};
  signal.addEventListener('abort', listener, { once: true });
  return () => signal.removeEventListener('abort', listener);
}

/** The promise, unless the signal fires or the time is up before; it goes on unobserved then. */
async function interruptible(promise, ms, signal, late, aborted) {
  let forget;
  const gone = new Promise((_, reject) => {
    forget = onAbort(signal, () => reject(aborted()));
  });
  try {
    return await within(() => Promise.race([promise, gone]), ms, late);
  } finally {
    forget();
  }
}

exports.interruptible = interruptible;
exports.onAbort = onAbort;
exports.within = within;
