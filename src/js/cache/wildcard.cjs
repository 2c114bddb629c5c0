'use strict';
// Patterns of keys: `*` is any run of characters, everything else is literal.

const escape = (text) => text.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');

/**
 * The pattern as a regular expression. What a lookahead has found is never given back, so that no key takes longer than
 * its length times the number of stars.
 */
exports.wildcard = function wildcard(pattern) {
  if (typeof pattern !== 'string') throw new TypeError('a pattern must be a string');
  const parts = pattern.split(/\*+/).map(escape);
  if (parts.length === 1) return new RegExp(`^${parts[0]}$`, 's');
  const [first, last] = [parts.shift(), parts.pop()];
  const middle = parts.map((part, index) => `(?=([^]*?${part}))\\${index + 1}`).join('');
  return new RegExp(`^${first}${middle}[^]*${last}$`, 's');
};
