'use strict';
// From an arena of words and a text to result objects. `src/pool/row.rs` says how they are laid out; here is one
// decoder for each shape of columns, compiled when the shape is first seen. `vm.compileFunction` works where code
// generation from strings is switched off, and computed keys make a column called `__proto__` just a column.
const vm = require('node:vm');
const values = require('./values.cjs');
const { native } = require('../addon.cjs');

const HEADER = 8;
const ARENA_BYTES = 256 * 1024;
/** Decoders kept; beyond, they are compiled anew. */
const MAX_SHAPES = 1000;

const arena = new ArrayBuffer(ARENA_BYTES);
const arenaWords = new Int32Array(arena);
const arenaDoubles = new Float64Array(arena);
native.pgArena(arenaWords);

/** Shape number → `{ fields, columns, decode }` */
const shapes = new Map();

const isDouble = (letter) => 'fzt'.includes(letter[0]);
const isJson = (letter) => letter[0] === 'j';

/** The expression that reads a column; `w` is its word, `d` its double, `cut` takes text from the row. */
function expression(column, index, word, double, json) {
  const { letter } = column;
  const nothing = `words[at + MASK + ${index >> 5}] & ${1 << (index & 31)}`;
  if (isJson(letter)) return `json[${json}][row]`;
  const reads = {
    i: word,
    o: `${word} >>> 0`,
    b: `${word} === 1`,
    f: double,
    z: `moment(${double})`,
    t: `localTime(${double})`,
    x: `hex(text.substring(cut, cut += ${word}))`,
    s: `text.substring(cut, cut += ${word})`,
  };
  const read = reads[letter[0]];
  return `${nothing} ? null : ${letter in values.OF_TEXT ? `ofText.${letter}(${read})` : read}`;
}

function compile(columns) {
  const mask = columns.filter(({ letter }) => isDouble(letter)).length * 2;
  let doubleAt = 0;
  let wordAt = mask + Math.ceil(columns.length / 32);
  let json = 0;
  const members = columns.map((column, index) => {
    let place;
    if (isJson(column.letter)) place = expression(column, index, '', '', json++);
    else if (isDouble(column.letter)) place = expression(column, index, '', `doubles[(at >> 1) + ${doubleAt++}]`);
    else place = expression(column, index, `words[at + ${wordAt++}]`, '');
    return `[${JSON.stringify(column.name)}]: ${place.replaceAll('MASK', mask)}`;
  });
  const stride = wordAt + (wordAt % 2);
  const body = `
    const rows = new Array(count);
    for (let row = 0; row < count; row += 1, at += ${stride}) rows[row] = { ${members.join(', ')} };
    return rows;`;
  const names = ['words', 'doubles', 'at', 'count', 'text', 'cut', 'json', 'hex', 'moment', 'localTime', 'ofText'];
  return { stride, read: vm.compileFunction(body, names, { filename: 'tooloo-native:row' }) };
}

function shapeOf(id) {
  let shape = shapes.get(id);
  if (shape !== undefined) return shape;
  const columns = JSON.parse(native.pgShape(id));
  const fields = columns.map(({ name, table, column, type, modifier }) =>
    Object.freeze({
      name,
      tableID: table,
      columnID: column,
      dataTypeID: type,
      dataTypeModifier: modifier,
      format: 'text',
    }),
  );
  const jsonLetters = columns.filter(({ letter }) => isJson(letter)).map(({ letter }) => letter);
  shape = { fields: Object.freeze(fields), jsonLetters, ...compile(columns) };
  if (shapes.size >= MAX_SHAPES) shapes.clear();
  shapes.set(id, shape);
  return shape;
}

function errorOf(description) {
  const { message, ...fields } = JSON.parse(description);
  return Object.assign(new Error(message), fields);
}

/**
 * All results of a delivery, in order: `{ value }` or `{ error }`. To be called at once, before the next delivery
 * uses the arena.
 */
function decode(delivery, expected) {
  const own = typeof delivery !== 'string';
  const text = own ? delivery[0] : delivery;
  const words = own ? new Int32Array(delivery[1]) : arenaWords;
  const doubles = own ? new Float64Array(delivery[1]) : arenaDoubles;
  if (typeof text !== 'string' || (own && delivery[1] === undefined)) throw new RangeError('the result is too large');
  const results = new Array(expected);
  let at = 0;
  let cut = 0;
  for (let index = 0; index < expected; index += 1) {
    const status = words[at];
    const id = words[at + 1];
    const count = words[at + 2];
    const commandLength = words[at + 3];
    const rowCount = doubles[(at >> 1) + 2];
    const textLength = words[at + 6];
    const command = text.substring(cut, (cut += commandLength));
    at += HEADER;
    if (status === 1) {
      results[index] = { error: errorOf(command) };
      continue;
    }
    const value = { command, rowCount: rowCount < 0 ? null : rowCount, rows: [], fields: [] };
    if (id !== 0) {
      const shape = shapeOf(id >>> 0);
      const { jsonLetters } = shape;
      const json = new Array(jsonLetters.length);
      let jsonCut = cut + textLength;
      for (let column = 0; column < json.length; column += 1) {
        const parsed = JSON.parse(text.substring(jsonCut, (jsonCut += words[at + column])));
        const read = values.OF_JSON[jsonLetters[column]];
        json[column] = read === undefined ? parsed : parsed.map(read);
      }
      at += json.length + (json.length % 2);
      const { hex, moment, localTime, OF_TEXT } = values;
      value.fields = shape.fields;
      value.rows = shape.read(words, doubles, at, count, text, cut, json, hex, moment, localTime, OF_TEXT);
      at += count * shape.stride;
      cut = jsonCut;
    }
    results[index] = { value };
  }
  return results;
}

exports.decode = decode;
exports.errorOf = errorOf;
