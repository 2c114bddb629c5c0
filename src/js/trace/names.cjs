'use strict';
// Texts that come again and again, such as the names of operations and attributes: native code keeps one copy of each, and a
// hand-over tells them by number. What is told by text costs a concatenation, a copy and a string for each span.

const { native } = require('../addon.cjs');

/** A known text; where it is an attribute's name, with the values that were told for it. */
class Name {
  /** Text → number. `null` where an attribute's values are too many to be worth it. */
  values = new Map();

  constructor(number) {
    this.number = number;
  }
}

class Names {
  #handle;
  #most;
  #chars;
  #valuesOfOne;
  #known = new Map();
  #count = 0;

  constructor(handle, { namesKept, namedChars, valuesOfName }) {
    this.#handle = handle;
    this.#most = namesKept;
    this.#chars = namedChars;
    this.#valuesOfOne = valuesOfName;
  }

  /** The name of this text; `undefined` where there are too many already, or it is long. */
  find(text) {
    return this.#known.get(text) ?? this.#add(text);
  }

  #add(text) {
    const number = this.#define(text);
    if (number < 0) return undefined;
    const name = new Name(number);
    this.#known.set(text, name);
    return name;
  }

  /** The number of an attribute's value; -1 where it has none. */
  valueOf(name, text) {
    const { values } = name;
    if (values === null) return -1;
    const known = values.get(text);
    if (known !== undefined) return known;
    // An attribute with so many values has ever new ones, such as an address.
    if (values.size === this.#valuesOfOne) name.values = null;
    const number = name.values === null ? -1 : this.#define(text);
    if (number >= 0) values.set(text, number);
    return number;
  }

  #define(text) {
    if (this.#count === this.#most || text.length > this.#chars) return -1;
    this.#count += 1;
    return native.tracerName(this.#handle, text);
  }
}

module.exports = { Names };
