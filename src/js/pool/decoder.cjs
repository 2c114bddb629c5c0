'use strict';
// From an arena of words and a text to result objects. `src/pool/row.rs` says how they are laid out; here is one
// decoder for each shape of columns, compiled when the shape is first seen. `vm.compileFunction` works where code
// generation from strings is switched off, and computed keys make a column called `__proto__` just a column.
const vm = require('node:vm');
const values = require('./values.cjs');
const { native, once } = require('../addon.cjs');
const { DEFAULT } = require('./settings.cjs');

const HEADER = 8;
const ARENA_BYTES = 256 * 1024;
/** Decoders kept; beyond, they are compiled anew. */
const MAX_SHAPES = 1000;

const arenaWords = once('pgArena', () => {
  const words = new Int32Array(ARENA_BYTES / Int32Array.BYTES_PER_ELEMENT);
  native.pgArena(words);
  return words;
});
const arenaDoubles = new Float64Array(arenaWords.buffer);

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

/** What a caller's `types` make of a column that is read otherwise by default; see `settings.cjs`. */
function converted(column, read, types) {
  if (column.type === 20 && types.int8 === 'bigint') return `(${read.replace(/ : (.*)$/, ' : BigInt($1)')})`;
  if (column.type === 20 && types.int8 === 'number') return `(${read.replace(/ : (.*)$/, ' : Number($1)')})`;
  if (column.type === 1700 && types.numeric === 'number') return `(${read.replace(/ : (.*)$/, ' : Number($1)')})`;
  if (column.type === 1082 && types.date === 'string') return `(${read.replace('localTime(', 'dateText(')})`;
  return read;
}

/** Reads the rows into `lists`, by the number of the lookup in the first column. */
const BY_LOOKUP = (number, row, stride) => `
    for (let row = 0; row < count; row += 1, at += ${stride}) {
      const place = ${number} - 1;
      const found = ${row};
      if (lists[place] === undefined) lists[place] = [found];
      else lists[place].push(found);
    }
    return lists;`;

/** How rows of these columns are read: `read`, and the words of a row. */
function compile(columns, { array, types, lookups }) {
  const mask = columns.filter(({ letter }) => isDouble(letter)).length * 2;
  let doubleAt = 0;
  const firstWord = mask + Math.ceil(columns.length / 32);
  let wordAt = firstWord;
  let json = 0;
  const members = columns.map((column, index) => {
    let place;
    if (isJson(column.letter)) place = expression(column, index, '', '', json++);
    else if (isDouble(column.letter)) place = expression(column, index, '', `doubles[(at >> 1) + ${doubleAt++}]`);
    else place = expression(column, index, `words[at + ${wordAt++}]`, '');
    const value = converted(column, place.replaceAll('MASK', mask), types);
    return array ? value : `[${JSON.stringify(column.name)}]: ${value}`;
  });
  const stride = wordAt + (wordAt % 2);
  const names = ['words', 'doubles', 'at', 'count', 'text', 'cut', 'json', 'hex', 'moment', 'localTime', 'ofText', 'dateText'];
  if (lookups !== undefined) {
    const body = BY_LOOKUP(`words[at + ${firstWord}]`, `{ ${members.slice(1).join(', ')} }`, stride);
    return { stride, read: vm.compileFunction(body, [...names, 'lists'], { filename: 'tooloo-native:lookups' }) };
  }
  const row = array ? `[${members.join(', ')}]` : `{ ${members.join(', ')} }`;
  const body = `
    const rows = new Array(count);
    for (let row = 0; row < count; row += 1, at += ${stride}) rows[row] = ${row};
    return rows;`;
  return { stride, read: vm.compileFunction(body, names, { filename: 'tooloo-native:row' }) };
}

/** Columns as `pg` describes them. */
function fieldsOf(columns) {
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
  return Object.freeze(fields);
}

function readerOf(shape, settings) {
  let reader = shape.readers.get(settings.key);
  if (reader === undefined) {
    reader = compile(shape.columns, settings);
    shape.readers.set(settings.key, reader);
  }
  return reader;
}

/** What is made of an array column's parsed JSON. */
function ofJson({ letter, type }, { types }) {
  if (type === 1016 && types.int8 === 'bigint') return values.deep(BigInt);
  if (type === 1016 && types.int8 === 'number') return values.deep(Number);
  if (type === 1182 && types.date === 'string') return values.deep((value) => values.dateText(Number(value)));
  return values.OF_JSON[letter];
}

function shapeOf(id) {
  let shape = shapes.get(id);
  if (shape !== undefined) return shape;
  const columns = JSON.parse(native.pgShape(id));
  const jsonColumns = columns.filter(({ letter }) => isJson(letter));
  shape = { columns, fields: fieldsOf(columns), jsonColumns, readers: new Map() };
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
 * uses the arena. `settings` say how rows are read, for all or, as a function, for each result.
 */
function decode(delivery, expected, settings = DEFAULT) {
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
    let value = { command, rowCount: rowCount < 0 ? null : rowCount, rows: [], fields: [] };
    if (id !== 0) {
      const shape = shapeOf(id >>> 0);
      const { jsonColumns } = shape;
      const how = typeof settings === 'function' ? settings(index) : settings;
      const json = new Array(jsonColumns.length);
      let jsonCut = cut + textLength;
      for (let column = 0; column < json.length; column += 1) {
        const parsed = JSON.parse(text.substring(jsonCut, (jsonCut += words[at + column])));
        const read = ofJson(jsonColumns[column], how);
        json[column] = read === undefined ? parsed : parsed.map(read);
      }
      at += json.length + (json.length % 2);
      const { hex, moment, localTime, OF_TEXT, dateText } = values;
      const reader = readerOf(shape, how);
      const lists = how.lookups === undefined ? undefined : new Array(how.lookups).fill(undefined);
      const rows = reader.read(words, doubles, at, count, text, cut, json, hex, moment, localTime, OF_TEXT, dateText, lists);
      if (lists === undefined) {
        value.fields = shape.fields;
        value.rows = rows;
      } else {
        shape.ofLookups ??= Object.freeze(shape.fields.slice(1));
        value = { command, fields: shape.ofLookups, lists };
      }
      at += count * reader.stride;
      cut = jsonCut;
    }
    results[index] = { value };
  }
  return results;
}

exports.decode = decode;
exports.errorOf = errorOf;
exports.fieldsOf = fieldsOf;
