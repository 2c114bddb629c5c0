'use strict';
// Values of PostgreSQL's types in JavaScript, the way `pg` gives them by default.

/** Local time from milliseconds that spell its digits in UTC. Infinities stay numbers. */
function localTime(digits) {
  const utc = new Date(digits);
  if (Number.isNaN(utc.getTime())) return Math.abs(digits) === Infinity ? digits : utc;
  const year = utc.getUTCFullYear();
  const local = new Date(
    year,
    utc.getUTCMonth(),
    utc.getUTCDate(),
    utc.getUTCHours(),
    utc.getUTCMinutes(),
    utc.getUTCSeconds(),
    utc.getUTCMilliseconds(),
  );
  if (year >= 0 && year < 100) local.setFullYear(year);
  return local;
}

/** A moment from milliseconds since 1970. Infinities stay numbers. */
function moment(millis) {
  return Math.abs(millis) === Infinity ? millis : new Date(millis);
}

/** An interval, with the members that are not zero. */
class PostgresInterval {
  constructor(members) {
    Object.assign(this, members);
  }

  #seconds() {
    return ((this.seconds ?? 0) + (this.milliseconds ?? 0) / 1000).toFixed(6).replace(/\.?0+$/, '');
  }

  /** The text that the server reads back. */
  toPostgres() {
    const parts = [];
    for (const name of ['seconds', 'minutes', 'hours', 'days', 'months', 'years']) {
      if (name === 'seconds' && this.milliseconds) parts.push(`${this.#seconds()} seconds`);
      else if (this[name]) parts.push(`${this[name]} ${name}`);
    }
    return parts.length === 0 ? '0' : parts.join(' ');
  }

  /** ISO 8601, all members named. */
  toISOString() {
    const of = (name) => this[name] ?? 0;
    const date = `P${of('years')}Y${of('months')}M${of('days')}D`;
    return `${date}T${of('hours')}H${of('minutes')}M${this.milliseconds ? this.#seconds() : of('seconds')}S`;
  }

  toISO() {
    return this.toISOString();
  }
}

const INTERVAL =
  /^(?:([+-]?\d+) years?)? ?(?:([+-]?\d+) mons?)? ?(?:([+-]?\d+) days?)? ?(?:([+-])?(\d+):(\d\d):(\d\d)(?:\.(\d{1,6}))?)?/;

function interval(text) {
  const [, years, months, days, sign, hours, minutes, seconds, fraction] = INTERVAL.exec(text) ?? [];
  const members = { years, months, days };
  const factor = sign === '-' ? -1 : 1;
  const clock = { hours, minutes, seconds };
  for (const name of Object.keys(members)) members[name] = Number(members[name] ?? 0);
  for (const name of Object.keys(clock)) members[name] = factor * Number(clock[name] ?? 0);
  if (fraction !== undefined) members.milliseconds = (factor * Number(fraction.padEnd(6, '0'))) / 1000;
  return new PostgresInterval(Object.fromEntries(Object.entries(members).filter(([, value]) => value !== 0)));
}

function point(text) {
  const [x, y] = text.slice(1, -1).split(',').map(Number.parseFloat);
  return { x, y };
}

function circle(text) {
  const end = text.indexOf(')');
  return { ...point(text.slice(1, end + 1)), radius: Number.parseFloat(text.slice(end + 2)) };
}

/** The server's text of an array, items as strings or null; `read` makes values of the strings. */
function arrayOf(text, read) {
  let at = text.startsWith('[') ? text.indexOf('=') + 1 : 0;
  function list() {
    const items = [];
    at += 1;
    while (at < text.length && text[at] !== '}') {
      if (text[at] === ',') at += 1;
      else if (text[at] === '{') items.push(list());
      else items.push(item());
    }
    at += 1;
    return items;
  }
  function item() {
    if (text[at] !== '"') {
      const start = at;
      while (at < text.length && text[at] !== ',' && text[at] !== '}') at += 1;
      const bare = text.slice(start, at);
      return bare === 'NULL' ? null : read(bare);
    }
    let quoted = '';
    for (at += 1; at < text.length && text[at] !== '"'; at += 1) {
      if (text[at] === '\\') at += 1;
      quoted += text[at];
    }
    at += 1;
    return read(quoted);
  }
  return list();
}

/** The same function over the items of nested arrays. */
function deep(read) {
  return function map(value) {
    if (value === null) return null;
    return Array.isArray(value) ? value.map(map) : read(value);
  };
}

/** The server's text of a date, from milliseconds that spell its digits in UTC. */
function dateText(digits) {
  if (Math.abs(digits) === Infinity) return digits < 0 ? '-infinity' : 'infinity';
  const date = new Date(digits);
  const year = date.getUTCFullYear();
  const two = (number) => String(number).padStart(2, '0');
  const shown = String(year > 0 ? year : 1 - year).padStart(4, '0');
  return `${shown}-${two(date.getUTCMonth() + 1)}-${two(date.getUTCDate())}${year > 0 ? '' : ' BC'}`;
}

const hex = (text) => Buffer.from(text, 'hex');
const same = (text) => text;

/** What is made of the text of a column, by the rest of its letter. */
exports.OF_TEXT = {
  sp: point,
  sc: circle,
  si: interval,
  sP: (text) => arrayOf(text, point),
  sI: (text) => arrayOf(text, interval),
  sS: (text) => arrayOf(text, same),
};

/** What is made of the parsed JSON of an array column. */
exports.OF_JSON = {
  jf: deep(Number),
  jz: deep((value) => moment(Number(value))),
  jt: deep((value) => localTime(Number(value))),
  jx: deep(hex),
};

exports.dateText = dateText;
exports.deep = deep;
exports.hex = hex;
exports.localTime = localTime;
exports.moment = moment;
