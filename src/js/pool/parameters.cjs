'use strict';
// Query parameters, turned into what the server reads: a string, a Buffer or null, by the rules of `pg`.

const { isDate, isAnyArrayBuffer } = require('node:util/types');

const two = (number) => String(number).padStart(2, '0');

/** A date with the offset of the local time zone. */
function dateText(date) {
  let offset = -date.getTimezoneOffset();
  let year = date.getFullYear();
  const before = year < 1;
  if (before) year = 1 - year;
  const sign = offset < 0 ? '-' : '+';
  offset = Math.abs(offset);
  const day = `${String(year).padStart(4, '0')}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
  const time = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const fraction = String(date.getMilliseconds()).padStart(3, '0');
  const zone = `${sign}${two(Math.floor(offset / 60))}:${two(offset % 60)}`;
  return `${day}T${time}.${fraction}${zone}${before ? ' BC' : ''}`;
}

function arrayText(array) {
  const items = Array.from(array, (item) => {
    if (item == null) return 'NULL';
    if (Array.isArray(item)) return arrayText(item);
    if (ArrayBuffer.isView(item)) return `\\\\x${bytes(item).toString('hex')}`;
    return `"${String(prepare(item)).replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`;
  });
  return `{${items.join(',')}}`;
}

function bytes(view) {
  return Buffer.isBuffer(view) ? view : Buffer.from(view.buffer, view.byteOffset, view.byteLength);
}

/** One value, as the server is to read it. */
function prepare(value, seen) {
  if (value == null) return null;
  if (typeof value === 'string') return value;
  if (typeof value !== 'object') return value.toString();
  if (ArrayBuffer.isView(value)) return bytes(value);
  if (isAnyArrayBuffer(value)) return Buffer.from(value);
  if (isDate(value)) return dateText(value);
  if (Array.isArray(value)) return arrayText(value);
  if (typeof value.toPostgres === 'function') {
    const met = seen ?? new Set();
    if (met.has(value)) throw new Error('circular reference detected while preparing a query parameter');
    met.add(value);
    return prepare(value.toPostgres(prepare), met);
  }
  const text = JSON.stringify(value);
  return text === undefined ? null : text;
}

/** All of them; `undefined` means none. */
function prepareAll(values) {
  const prepared = new Array(values.length);
  for (let index = 0; index < values.length; index += 1) prepared[index] = prepare(values[index]);
  return prepared;
}

exports.prepare = prepare;
exports.prepareAll = prepareAll;
