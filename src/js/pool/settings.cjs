'use strict';
// How rows are read: as objects or arrays, and what becomes of types that have more than one likeness.

const CHOICES = {
  int8: ['string', 'number', 'bigint'],
  numeric: ['string', 'number'],
  date: ['date', 'string'],
};

const shown = (value) => (typeof value === 'string' ? JSON.stringify(value) : String(value));

/** Checked `types`: `{ int8, numeric, date }`; what is missing is as in `base`. */
function typesOf(types, base = {}) {
  if (types == null) return base;
  if (typeof types !== 'object') throw new TypeError(`option "types" must be an object, got ${shown(types)}`);
  for (const [name, value] of Object.entries(types)) {
    const choices = CHOICES[name];
    if (choices === undefined) {
      throw new TypeError(`option "types" knows ${Object.keys(CHOICES).join(', ')}, got ${shown(name)}`);
    }
    if (value !== undefined && !choices.includes(value)) {
      throw new TypeError(`option "types.${name}" must be one of ${choices.join(', ')}, got ${shown(value)}`);
    }
  }
  return { ...base, ...types };
}

/** The settings of a query; `base` are its pool's. */
function settingsOf(options, base) {
  if (options === undefined || (options.rowMode == null && options.types == null)) return base;
  const { rowMode } = options;
  if (rowMode != null && rowMode !== 'array' && rowMode !== 'object') {
    throw new TypeError(`option "rowMode" must be "array" or "object", got ${shown(rowMode)}`);
  }
  return settings(rowMode === 'array' || (rowMode == null && base.array), typesOf(options.types, base.types));
}

function settings(array, types) {
  const key = `${array ? 'array' : ''}|${Object.keys(CHOICES).map((name) => types[name] ?? '').join('|')}`;
  return Object.freeze({ key, array, types });
}

/** On a statement of a batch: its first column says to which of so many lookups a row belongs, counted from 1. */
const LOOKUPS = Symbol('lookups');

/** How the rows of a merged statement are read: an array of the rows, without that column, for each lookup. */
function ofLookups(count, { key, types }) {
  return { key: `lookups|${key}`, array: false, types, lookups: count };
}

exports.LOOKUPS = LOOKUPS;
exports.DEFAULT = settings(false, {});
exports.ofLookups = ofLookups;
exports.settings = settings;
exports.settingsOf = settingsOf;
exports.typesOf = typesOf;
