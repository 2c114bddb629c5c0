'use strict';

/** What a promise gave last. Asking never waits, and a promise that takes its time is asked once. */
class Latest {
  #value;
  #busy = false;
  #askedAt = -Infinity;

  /** The newest value there is; asks for a newer one when the last question is `everyMs` old. */
  ask(question, now, everyMs = 0) {
    if (!this.#busy && now - this.#askedAt >= everyMs) {
      this.#busy = true;
      this.#askedAt = now;
      const done = (value) => {
        this.#busy = false;
        this.#value = value;
      };
      Promise.resolve()
        .then(question)
        .then(done, () => done(undefined));
    }
    return this.#value;
  }
}

module.exports = { Latest };
