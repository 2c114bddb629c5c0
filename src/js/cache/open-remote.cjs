'use strict';
// The options `remote` and `bus`, which several classes take.

const { Remote } = require('./remote.cjs');

/** The remote tier of the options, or null. A bus alone has one too, which keeps no values. `apply`: see remote.cjs. */
exports.openRemote = function openRemote({ remote, bus, encryption }, apply) {
  if (!remote && remote !== '' && remote !== 0 && (bus === undefined || bus === null || bus === false)) return null;
  for (const [name, given] of [['remote', remote], ['bus', bus]]) {
    const fits = given === undefined || given === null || typeof given === 'boolean' || typeof given === 'object';
    if (!fits || (name === 'remote' && given === true)) throw new TypeError(`option "${name}" must be an object`);
  }
  const busOptions = !bus ? undefined : bus === true ? {} : bus;
  return new Remote(remote ? { encryption, ...remote } : busOptions, busOptions, apply, Boolean(remote));
};
