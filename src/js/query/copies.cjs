'use strict';
// Results for those who asked the same: each gets its own, which it may change without the others seeing it.

/** A value as its own: what cannot be changed stays, dates, bytes and the like are made again. */
function copyOfValue(value) {
  if (value === null || typeof value !== 'object') return value;
  if (Array.isArray(value)) return value.map(copyOfValue);
  if (value instanceof Date) return new Date(value.getTime());
  if (Buffer.isBuffer(value)) return Buffer.from(value);
  if (typeof value.toPostgres === 'function') return new value.constructor({ ...value });
  return structuredClone(value);
}

function copyOfRow(row) {
  if (Array.isArray(row)) return row.map(copyOfValue);
  // A spread keeps a column called `__proto__` a column.
  const copy = { ...row };
  for (const name of Object.keys(copy)) if (typeof copy[name] === 'object') copy[name] = copyOfValue(copy[name]);
  return copy;
}

/** `{ command, rowCount, rows, fields }` once more. The fields are frozen, so they are the same. */
function copyOfResult(result) {
  return { ...result, rows: result.rows.map(copyOfRow) };
}

exports.copyOfResult = copyOfResult;
