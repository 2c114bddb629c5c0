'use strict';
// Rows one by one, out of batches. What is here already is handed out without a generator's turns: three nested
// `yield*` cost more for a row than reading it.

const AsyncIteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf(async function* none() {}).prototype);

/** Batches out of any iterable of rows. */
async function* singly(rows) {
  for await (const row of rows) yield { rows: [row] };
}

/** An async iterator over the rows of `batches`, an async generator of `{ rows, limit }`; as a generator of rows. */
class Rows {
  #batches;
  #rows = [];
  #at = 0;
  #limit;
  #begun = false;
  #line = Promise.resolve();
  /** Calls that have not been answered. */
  #waiting = 0;

  constructor(batches) {
    this.#batches = batches;
  }

  /** The batches of what is left of any iterable of rows. */
  static batchesOf(rows) {
    return rows instanceof Rows && !rows.#begun ? rows.#batches : singly(rows);
  }

  next() {
    if (this.#waiting === 0 && this.#at < this.#rows.length && this.#limit?.error === undefined) {
      return Promise.resolve({ value: this.#rows[this.#at++], done: false });
    }
    return this.#inTurn(() => this.#advance());
  }

  /** Ends the statement. */
  return(value) {
    return this.#inTurn(() => {
      this.#rows = [];
      return this.#batches.return(value);
    });
  }

  throw(error) {
    return this.#inTurn(() => this.#fail(error));
  }

  async #advance() {
    while (this.#at >= this.#rows.length) {
      const { value, done } = await this.#batches.next();
      if (done) return { value: undefined, done: true };
      ({ rows: this.#rows, limit: this.#limit } = value);
      this.#at = 0;
    }
    if (this.#limit?.error !== undefined) return this.#fail(this.#limit.error);
    return { value: this.#rows[this.#at++], done: false };
  }

  #fail(error) {
    this.#rows = [];
    return this.#batches.throw(error);
  }

  /** Calls are answered in their order. */
  #inTurn(step) {
    this.#begun = true;
    this.#waiting += 1;
    const answer = this.#line.then(step).finally(() => {
      this.#waiting -= 1;
    });
    this.#line = answer.catch(() => {});
    return answer;
  }
}
Object.setPrototypeOf(Rows.prototype, AsyncIteratorPrototype);

exports.Rows = Rows;
