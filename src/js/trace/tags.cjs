'use strict';
// What a trace is described by: a list, until somebody reads it as an object. Most traces are only exported, and names that
// differ from trace to trace make objects slow to write and to go through.

/** Sets a property of what a caller may have frozen. */
function define(object, key, value) {
  if (key === '__proto__') {
    // By assignment it would set the prototype.
    Reflect.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true });
  } else {
    Reflect.set(object, key, value);
  }
}

class Tag {
  next = null;

  constructor(key, value) {
    this.key = key;
    this.value = value;
  }
}

class Tags {
  /** The oldest one; the others follow through `next`. */
  first = null;
  /** How many there are. */
  count = 0;
  #last = null;
  #object = null;

  set(key, value, most) {
    if (this.#object !== null) {
      const isKnown = Object.prototype.hasOwnProperty.call(this.#object, key);
      if (isKnown || this.#takes(most)) define(this.#object, key, value);
      return;
    }
    let known = this.first;
    while (known !== null && known.key !== key) known = known.next;
    if (known !== null) known.value = value;
    else if (this.#takes(most)) this.#append(new Tag(key, value));
  }

  #takes(most) {
    if (this.count >= most) return false;
    this.count += 1;
    return true;
  }

  #append(tag) {
    if (this.first === null) this.first = tag;
    else this.#last.next = tag;
    this.#last = tag;
  }

  /** The object that callers see. */
  object() {
    if (this.#object === null) {
      this.#object = {};
      for (let tag = this.first; tag !== null; tag = tag.next) define(this.#object, tag.key, tag.value);
      this.first = this.#last = null;
    }
    return this.#object;
  }
}

module.exports = { Tags };
