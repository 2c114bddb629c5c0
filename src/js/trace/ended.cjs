'use strict';
// The traces that ended last, of those that need not be carried on: they stay readable for a while, as many as there is room for.
// What lives on costs the collector of garbage more than anything else in tracing does, so room is counted in spans too.

class EndedTraces {
  #traces;
  #weights;
  #first = 0;
  #count = 0;
  #weight = 0;
  #mostWeight;
  #forget;

  /** `forget(trace)` is called with what there is no room for any more. */
  constructor({ endedKept, endedSpansKept }, forget) {
    this.#traces = new Array(endedKept).fill(null);
    this.#weights = new Uint32Array(endedKept);
    this.#mostWeight = endedSpansKept;
    this.#forget = forget;
  }

  add(trace) {
    if (this.#count === this.#traces.length) this.#let();
    const weight = trace.spanCount + 1;
    while (this.#count > 0 && this.#weight + weight > this.#mostWeight) this.#let();
    const at = (this.#first + this.#count) % this.#traces.length;
    this.#traces[at] = trace;
    this.#weights[at] = weight;
    this.#weight += weight;
    this.#count += 1;
  }

  #let() {
    const at = this.#first;
    const trace = this.#traces[at];
    this.#traces[at] = null;
    this.#weight -= this.#weights[at];
    this.#first = (at + 1) % this.#traces.length;
    this.#count -= 1;
    this.#forget(trace);
  }

  clear() {
    this.#traces.fill(null);
    this.#first = this.#count = this.#weight = 0;
  }
}

module.exports = { EndedTraces };
