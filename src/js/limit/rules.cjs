'use strict';
// Limits by client id, from a list or a file. The native room reads and orders them; regular expressions are tested here.

const fs = require('node:fs');
const { native } = require('../addon.cjs');
const { textOf } = require('../resilience/text.cjs');

/** How often a file is looked at, ms. */
const LOOK_MS = 1000;

/** A list as JSON: regular expressions as objects, numbers that JSON lacks as text. */
function asJson(list) {
  return JSON.stringify(list, (_key, value) => {
    if (value instanceof RegExp) return { regexp: value.source, flags: value.flags };
    return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value;
  });
}

/** The regular expressions of a list, with their places. */
function expressionsOf(list) {
  return list.flatMap(({ match }, place) => {
    if (match === null || typeof match !== 'object') return [];
    if (typeof match.regexp !== 'string') throw new TypeError(`option "limits[${place}].match" must be a client id, a pattern or a RegExp`);
    try {
      // Without the flags that make a test depend on the one before.
      return [{ place, expression: new RegExp(match.regexp, (match.flags ?? '').replace(/[gy]/g, '')) }];
    } catch {
      throw new TypeError(`option "limits[${place}].match" is no regular expression`);
    }
  });
}

function shapeOf({ mtimeMs, size, ino }) {
  return `${mtimeMs} ${size} ${ino}`;
}

class Rules {
  constructor(handle) {
    this.handle = handle;
    this.expressions = [];
    this.numbers = new Float64Array(5);
    /** Whether some clients have a weight or a priority of their own. */
    this.weighs = false;
    this.timer = null;
    /** What the file looked like before it was read: a change while it is being read is seen, too. */
    this.shape = null;
    /** Slots whose client was given a limit by `setLimit`. */
    this.own = new Set();
  }

  /** These hold from now on; throws, and keeps the old ones, when they cannot be used. */
  set(limits) {
    if (typeof limits === 'string') this.shape = shapeOf(fs.statSync(limits));
    const text = typeof limits === 'string' ? fs.readFileSync(limits, 'utf8') : asJson(limits);
    if (text === undefined) throw new TypeError('option "limits" must be a list or the path of a JSON file');
    this.use(text);
  }

  use(text) {
    let list;
    try {
      list = JSON.parse(text);
    } catch {
      list = [];
    }
    const expressions = Array.isArray(list) ? expressionsOf(list.map((one) => one ?? {})) : [];
    native.limitRules(this.handle, text);
    this.expressions = expressions;
    this.weighs = list.some(({ weight, priority }) => (weight ?? priority ?? null) !== null);
  }

  /** Reads the file again whenever it changes; a file that cannot be used is refused loudly. Keeps no process alive. */
  watch(file, changed) {
    this.unwatch();
    const timer = setInterval(() => {
      fs.stat(file, (error, now) => {
        const shape = error ? 'missing' : shapeOf(now);
        if (this.timer !== timer || shape === this.shape) return;
        this.shape = shape;
        try {
          this.set(file);
        } catch (refused) {
          process.emitWarning(`the limits in ${file} cannot be used, the old ones stay: ${refused.message}`, { code: 'TOOLOO_LIMITS_REFUSED' });
          return;
        }
        changed();
      });
    }, LOOK_MS);
    timer.unref?.();
    this.timer = timer;
  }

  unwatch() {
    if (this.timer !== null) clearInterval(this.timer);
    this.timer = null;
  }

  /** What a client's share of a limit weighs that all share, and its class; `undefined` for the usual. */
  shareOf(id) {
    if (!this.weighs || this.find(id) === undefined) return undefined;
    return { weight: this.numbers[3], priority: this.numbers[4] };
  }

  /** `[limit, rate]` of a client, or `undefined`: its own id before all, then the first in the list that matches. */
  find(id) {
    const { handle, numbers } = this;
    const text = textOf(id);
    let place = native.limitRule(handle, text, -1, numbers);
    if (place < 0 || numbers[2] === 0) {
      const first = this.expressions.find((one) => (place < 0 || one.place < place) && one.expression.test(text));
      if (first !== undefined) place = native.limitRule(handle, text, first.place, numbers);
    }
    return place < 0 ? undefined : [numbers[0], numbers[1]];
  }
}

exports.Rules = Rules;
