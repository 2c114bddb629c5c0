'use strict';
// Who waits for a value that another process loads.

class Waiters {
  /** Name → those who wait for news of it */
  #waiting = new Map();

  /** Resolves when there is news of the name, or after so many milliseconds. */
  wait(name, ms) {
    return new Promise((resolve) => {
      let waiting = this.#waiting.get(name);
      if (waiting === undefined) this.#waiting.set(name, (waiting = new Set()));
      const timer = setTimeout(() => done(), ms);
      const done = () => {
        clearTimeout(timer);
        waiting.delete(done);
        if (waiting.size === 0 && this.#waiting.get(name) === waiting) this.#waiting.delete(name);
        resolve();
      };
      waiting.add(done);
    });
  }

  wake(name) {
    for (const done of [...(this.#waiting.get(name) ?? [])]) done();
  }
}

exports.Waiters = Waiters;
