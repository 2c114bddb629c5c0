'use strict';

/** How fast counters grow. */
class Rates {
  #before;
  #at = 0;

  /** Counter → growth per second since the last call; `null` where that is not known. Times in milliseconds. */
  next(counters, now) {
    const seconds = (now - this.#at) / 1000;
    const rates = {};
    for (const [name, value] of Object.entries(counters)) {
      const grown = value - this.#before?.[name];
      // A counter that was reset says nothing.
      rates[name] = grown >= 0 && seconds > 0 ? grown / seconds : null;
    }
    this.#before = { ...counters };
    this.#at = now;
    return rates;
  }
}

module.exports = { Rates };
