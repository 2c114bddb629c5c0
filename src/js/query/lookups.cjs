'use strict';
// Queries of one text that wait together: which ask the same, the arrays of a merged statement, and its rows for those
// who asked. The merged statement's first column says to which lookup a row belongs.

const vm = require('node:vm');
const { prepare } = require('../pool/parameters.cjs');

/** Whether a parameter is its own key: equal ones are sent as the same text. */
const isPlain = (value) => typeof value === 'number' || typeof value === 'string' || value === null;

/** A text that is the same for parameters that are sent as the same, and for no others. */
function keyOf(value) {
  if (value === null) return 'n';
  if (typeof value === 'string') return `s${value.length}:${value}`;
  return `b${value.toString('hex')};`;
}

/** Queries of one text. Those with the same parameters are one slot, if they may share its answer. */
class Asked {
  constructor(sharing) {
    this.sharing = sharing;
    /** Slot → the first query's place. */
    this.first = [];
    /** Slot → its parameters, as they are sent. */
    this.parameters = [];
    /** Slot → places of the others that asked the same. */
    this.twins = new Map();
    this.slots = new Map();
  }

  /** Adds the query at a place. May throw what a parameter throws when it is made a text. */
  add(place, parameters) {
    let key;
    let sent;
    // Its caller may change the array before it leaves.
    if (parameters.length === 1 && isPlain(parameters[0])) {
      key = parameters[0];
      sent = [key];
    } else {
      sent = parameters.map((value) => prepare(value));
      key = sent.length === 1 && isPlain(sent[0]) ? sent[0] : sent.map(keyOf);
      if (typeof key === 'object' && key !== null) key = `${key.length}|${key.join('')}`;
    }
    if (this.sharing) {
      const slot = this.slots.get(key);
      if (slot !== undefined) {
        const twins = this.twins.get(slot);
        if (twins === undefined) this.twins.set(slot, [place]);
        else twins.push(place);
        return;
      }
      this.slots.set(key, this.first.length);
    }
    this.first.push(place);
    this.parameters.push(sent);
  }
}

/** An item of an array in the server's text format. Bytes are only there for `bytea`, see `fits`. */
function item(value) {
  if (typeof value === 'number') return String(value);
  if (value === null) return 'NULL';
  if (typeof value === 'string') {
    return value.includes('"') || value.includes('\\') ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
  }
  return `"\\\\x${value.toString('hex')}"`;
}

/** The parameters of a merged statement: for each parameter of the lookup, an array of those of the slots. */
function arraysOf(asked, slots, bytes) {
  return bytes.map((_, column) => `{${slots.map((slot) => item(asked.parameters[slot][column])).join(',')}}`);
}

/** Whether a slot's parameters can stand in arrays. */
function fits(parameters, bytes) {
  return parameters.length === bytes.length && parameters.every((value, column) => bytes[column] || !Buffer.isBuffer(value));
}

/** Fields of a merged statement → `{ fields, build }` of its lookups. */
const likenesses = new WeakMap();

function likenessOf(fields) {
  let likeness = likenesses.get(fields);
  if (likeness === undefined) {
    const own = Object.freeze(fields.slice(1));
    // Computed keys: a column called `__proto__` is just a column.
    const members = own.map(({ name }, index) => `[${JSON.stringify(name)}]: row[${index + 1}]`);
    const build = vm.compileFunction(`return { ${members.join(', ')} };`, ['row'], { filename: 'tooloo-native:lookup' });
    likeness = { fields: own, build };
    likenesses.set(fields, likeness);
  }
  return likeness;
}

/** The results of `count` lookups, from the merged statement's, whose rows are arrays. */
function resultsOf({ command, rows, fields: all }, count) {
  const { fields, build } = likenessOf(all);
  const results = new Array(count);
  for (let index = 0; index < count; index += 1) results[index] = { command, rowCount: 0, rows: [], fields };
  for (let index = 0; index < rows.length; index += 1) {
    const row = rows[index];
    const result = results[row[0] - 1];
    result.rows.push(build(row));
    result.rowCount += 1;
  }
  return results;
}

exports.Asked = Asked;
exports.arraysOf = arraysOf;
exports.fits = fits;
exports.resultsOf = resultsOf;
