'use strict';
// Queries of one text that wait together: which ask the same, and the arrays of a merged statement.

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
    /** Slot → its parameters, as they are sent: an array, or the only one as it is. */
    this.sent = [];
    /** Slot → places of the others that asked the same. */
    this.twins = new Map();
    this.slots = new Map();
  }

  /** Adds the query at a place. May throw what a parameter throws when it is made a text. */
  add(place, parameters) {
    let sent = parameters.length === 1 ? parameters[0] : parameters;
    let key = sent;
    if (!isPlain(sent)) {
      sent = parameters.map((value) => prepare(value));
      key = sent[0];
      if (sent.length === 1 && isPlain(key)) sent = key;
      else key = `${sent.length}|${sent.map(keyOf).join('')}`;
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
    this.sent.push(sent);
  }

  /** The parameters of a slot that is sent alone. */
  parameters(slot) {
    const sent = this.sent[slot];
    return Array.isArray(sent) ? sent : [sent];
  }

  /** Whether a slot's parameters can stand in arrays; bytes are bytes only where the type is `bytea`. */
  fits(slot, bytes) {
    const sent = this.sent[slot];
    if (!Array.isArray(sent)) return bytes.length === 1;
    return sent.length === bytes.length && sent.every((value, column) => bytes[column] || !Buffer.isBuffer(value));
  }

  /** The parameters of a merged statement: for each parameter of the lookup, an array of those of the slots. */
  arrays(slots, bytes) {
    return bytes.map((_, column) => {
      const items = slots.map((slot) => {
        const sent = this.sent[slot];
        return item(Array.isArray(sent) ? sent[column] : sent);
      });
      return `{${items.join(',')}}`;
    });
  }
}

/** An item of an array in the server's text format. */
function item(value) {
  if (typeof value === 'number') return value;
  if (value === null) return 'NULL';
  if (typeof value === 'string') {
    return value.includes('"') || value.includes('\\') ? `"${value.replace(/["\\]/g, '\\$&')}"` : `"${value}"`;
  }
  return `"\\\\x${value.toString('hex')}"`;
}

exports.Asked = Asked;
