'use strict';
// Work that is told of on a diagnostics channel: `{ …what, within, ends }`. Listeners may leave in `within` a function that the
// work is done by, and in `ends` functions that are called at its end, with the error if there was one, and the result.

const { channel } = require('node:diagnostics_channel');

/** Does the work; `what` describes it to the channel's listeners. */
async function observed(through, what, work) {
  const event = { ...what, within: undefined, ends: [] };
  through.publish(event);
  let [failure, result] = [undefined, undefined];
  try {
    result = await (event.within === undefined ? work(event) : event.within(() => work(event)));
    return result;
  } catch (error) {
    failure = error ?? new Error('failed');
    throw error;
  } finally {
    for (const end of event.ends) end(failure, result);
  }
}

const reads = channel('tooloo-native:cache');

/**
 * Tells of a cache's reads on the channel `tooloo-native:cache`, wherever somebody listens: `{ operation }`, and `loaded` where the
 * value was made for this call. Never the key: it may be somebody's name, or a question.
 */
function observeReads(Cache) {
  const { get, getOrSet } = Cache.prototype;
  const replace = (name, value) => Object.defineProperty(Cache.prototype, name, { value, writable: true, configurable: true });
  replace('get', function (key) {
    return reads.hasSubscribers ? observed(reads, { operation: 'get' }, () => get.call(this, key)) : get.call(this, key);
  });
  replace('getOrSet', function (key, loader, options) {
    if (!reads.hasSubscribers || typeof loader !== 'function') return getOrSet.call(this, key, loader, options);
    return observed(reads, { operation: 'getOrSet', loaded: false }, (event) => {
      const told = (...given) => {
        event.loaded = true;
        return loader(...given);
      };
      return getOrSet.call(this, key, told, options);
    });
  });
  for (const name of ['get', 'getOrSet']) Object.defineProperty(Cache.prototype[name], 'name', { value: name });
}

module.exports = { observed, observeReads };
