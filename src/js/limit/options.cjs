'use strict';
// What one request may be told, checked.

const { native } = require('../addon.cjs');

/** The class of a request that names no priority. */
const USUAL_CLASS = 5;

/** The client's own weight and class, where clients share a limit. */
function shareOf(state, id) {
  return state.shared ? state.clients.rules?.shareOf(id) : undefined;
}

/** `{ signal, timeoutMs, weight, priority }`, checked; -1 where no time is given. */
function waitOptions(options, maxWaitTime, share) {
  const { signal, timeoutMs, weight, priority } = options ?? {};
  if (signal !== undefined && signal !== null && typeof signal.addEventListener !== 'function') {
    throw new TypeError('option "signal" must be an AbortSignal');
  }
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs >= 0)) {
    throw new TypeError('option "timeoutMs" must be a number of milliseconds');
  }
  const usual = typeof maxWaitTime === 'number' && maxWaitTime > 0 ? maxWaitTime : -1;
  if (weight !== undefined || priority !== undefined) native.limitShare(weight, priority);
  const { weight: ownWeight = 1, priority: ownClass = USUAL_CLASS } = share ?? {};
  return { signal: signal ?? undefined, timeoutMs: timeoutMs ?? usual, weight: weight ?? ownWeight, priority: priority ?? ownClass };
}

/** `{ maxWaitMs, weight }`, checked. */
function reserveOptions({ maxWaitMs, weight }, maxWaitTime, share) {
  const most = maxWaitMs ?? maxWaitTime;
  if (!(typeof most === 'number' && most >= 0)) throw new TypeError('option "maxWaitMs" must be a number of milliseconds');
  if (weight !== undefined) native.limitShare(weight, undefined);
  return { maxWaitMs: most, weight: weight ?? share?.weight ?? 1 };
}

module.exports = { reserveOptions, shareOf, waitOptions, USUAL_CLASS };
