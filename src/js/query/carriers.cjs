'use strict';
// The statements of a batch, each with whose results it carries and what is done with its outcome.

const { copyOfResult } = require('./copies.cjs');
const { disown } = require('./knowledge.cjs');

const NONE = Object.freeze([]);
const ignore = () => {};

/** A result that rejects its own caller only. */
function refused(error) {
  const promise = Promise.reject(error);
  // Its caller hears of it; until then it must not count as unhandled.
  promise.catch(ignore);
  return promise;
}

/** A statement that carries one query's result, and that of its twins. */
class Alone {
  constructor(batch, statement, place, twins) {
    this.batch = batch;
    this.statement = statement;
    this.place = place;
    this.twins = twins;
  }

  take(outcome) {
    const error = outcome?.error;
    const { results, counts } = this.batch;
    counts.deduplicated += this.twins.length;
    if (error !== undefined) {
      this.refuse(error);
      return;
    }
    results[this.place] = outcome?.value;
    for (const twin of this.twins) results[twin] = copyOfResult(outcome.value);
  }

  refuse(error) {
    const { results } = this.batch;
    results[this.place] = refused(error);
    for (const twin of this.twins) results[twin] = refused(error);
  }
}

/** A statement that carries the rows of many lookups. */
class Together {
  constructor(batch, statement, text, asked, slots) {
    this.batch = batch;
    this.statement = statement;
    this.text = text;
    this.asked = asked;
    this.slots = slots;
  }

  take({ value, error }) {
    // Somebody may stand between this and the pool, and not have passed on how the rows are to be read.
    if (error !== undefined || value?.lists === undefined) {
      this.apart(error);
      return;
    }
    const { asked, slots } = this;
    const { results, counts } = this.batch;
    const { command, fields, lists } = value;
    for (let index = 0; index < slots.length; index += 1) {
      const slot = slots[index];
      const rows = lists[index] ?? [];
      const result = { command, rowCount: rows.length, rows, fields };
      results[asked.first[slot]] = result;
      const twins = asked.twins.get(slot) ?? NONE;
      for (const twin of twins) results[twin] = copyOfResult(result);
      counts.deduplicated += twins.length;
    }
    counts.merged += slots.length;
  }

  /** The statement failed: one of its lookups may be at fault, or the merging. */
  apart(error) {
    if (error?.lost === true) {
      this.refuse(error);
      return;
    }
    // What is wrong with the statement and not with a value would be wrong again.
    if (String(error?.code).startsWith('42')) disown(this.batch.pool, this.text);
    for (const slot of this.slots) this.batch.slotAlone(this.text, this.asked, slot);
  }

  refuse(error) {
    const { batch, asked } = this;
    for (const slot of this.slots) {
      for (const place of [asked.first[slot], ...(asked.twins.get(slot) ?? NONE)]) batch.results[place] = refused(error);
    }
  }
}

exports.Alone = Alone;
exports.Together = Together;
exports.refused = refused;
