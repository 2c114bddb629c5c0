'use strict';
// Makes a call again when it failed for a reason that may pass. The verdict and the delay are native; this face calls
// the function, watches its time and waits.

const { native } = require('../addon.cjs');
const { enroll } = require('../metrics/members.cjs');
const { limited } = require('../resilience/attempt.cjs');
const { isThenable, read } = require('../resilience/text.cjs');

const LONGEST_TIMER = 2147483647;
const TIMEOUT = 3;
const MAX_ATTEMPTS = 0;
const CELLS = 6;

/** All calls of the process. */
const counts = { calls: 0, repeats: 0, givenUp: 0 };

function wait(ms, signal) {
  return new Promise((resolve, reject) => {
    const aborted = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', aborted);
      resolve();
    }, Math.min(ms, LONGEST_TIMER));
    signal?.addEventListener('abort', aborted, { once: true });
  });
}

/** Milliseconds that the other side asked to be left alone; 0 where it did not. */
function retryAfterMs(error) {
  const own = read(error, 'retryAfterMs');
  if (typeof own === 'number') return own > 0 ? own : 0;
  const headers = read(error, 'headers') ?? read(read(error, 'response'), 'headers');
  let text = read(headers, 'retry-after');
  if (text === undefined && typeof read(headers, 'get') === 'function') {
    try {
      text = headers.get('retry-after');
    } catch {
      return 0;
    }
  }
  if (typeof text !== 'string' && typeof text !== 'number') return 0;
  const seconds = Number(text);
  const ms = Number.isNaN(seconds) ? Date.parse(text) - Date.now() : seconds * 1000;
  return ms > 0 ? ms : 0;
}

const textAt = (value, name) => {
  const text = read(value, name);
  return typeof text === 'string' ? text : '';
};

/** Milliseconds until the next call; negative: there is none. */
function verdict(cells, attempt, error, shouldRetry) {
  let ruled = false;
  if (shouldRetry) {
    const answer = shouldRetry(error, attempt, cells[MAX_ATTEMPTS]);
    // A promise is a yes; that it may reject must not end the process.
    if (answer && isThenable(answer)) answer.then(undefined, () => {});
    if (!answer) return -1;
    ruled = true;
  }
  const message = typeof error === 'string' ? error : textAt(error, 'message');
  const causeCode = textAt(read(error, 'cause'), 'code');
  const status = read(error, 'statusCode');
  return native.retryVerdict(
    cells, attempt, ruled, status, textAt(error, 'code'), causeCode, textAt(error, 'name'), message,
    retryAfterMs(error), Math.random(),
  );
}

/** Calls `fn` until it succeeds, the error is final or the attempts are used up; rejects with the last error. */
async function retry(fn, options) {
  const { maxAttempts, backoffMs, jitter, timeout, maxDelayMs, signal, budget, onRetry, shouldRetry } = options ?? {};
  const cells = new Float64Array(CELLS);
  const usable = signal === undefined || typeof read(signal, 'addEventListener') === 'function';
  native.retryPlan(cells, maxAttempts, backoffMs, jitter, timeout, maxDelayMs, signal, usable);
  budget?.deposit();
  counts.calls += 1;
  for (let attempt = 1; ; attempt += 1) {
    if (signal?.aborted) throw signal.reason;
    try {
      return await limited(fn, cells[TIMEOUT], signal);
    } catch (error) {
      if (signal?.aborted) throw error;
      const delay = verdict(cells, attempt, error, shouldRetry);
      if (delay < 0 || (budget && !budget.withdraw())) {
        counts.givenUp += 1;
        throw error;
      }
      counts.repeats += 1;
      if (onRetry) onRetry(attempt, error, delay);
      await wait(delay, signal);
    }
  }
}

enroll('retry', retry, { name: '', single: true }, { stats: counts });

exports.retry = retry;
exports.default = retry;
Object.defineProperty(exports, '__esModule', { value: true });
