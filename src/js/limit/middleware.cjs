'use strict';
// Express/Connect middleware. A request is always answered or passed on; nothing is left to reject unhandled.

const { native } = require('../addon.cjs');

const isThenable = (value) => value !== null && typeof value === 'object' && typeof value.then === 'function';
const addressOf = (req) => req?.ip ?? req?.socket?.remoteAddress ?? 'unknown';

function setHeaders(limiter, res, name, key, info) {
  if (res.headersSent) return;
  // With a store the bucket here is a lease, which is not refilled.
  const { refillRate } = (limiter.store === undefined ? limiter.buckets.get(key) : undefined) ?? limiter;
  const lines = native.limitHeaders(name, info.limit, refillRate, info.remaining, info.resetMs, info.retryAfterMs);
  const [policy, current, retryAfter] = lines.split('\n');
  res.setHeader('RateLimit-Policy', policy);
  res.setHeader('RateLimit', current);
  if (!info.allowed && retryAfter !== '') res.setHeader('Retry-After', retryAfter);
}

/** Ends the request with a status and a small JSON body, if it can still be answered. */
function end(res, status, body) {
  if (res.headersSent || res.writableEnded) {
    if (!res.writableEnded) res.end();
    return;
  }
  res.statusCode = status;
  res.setHeader('Content-Type', 'application/json; charset=utf-8');
  res.end(JSON.stringify(body));
}

function tooMany(limiter, res, name, key, info) {
  setHeaders(limiter, res, name, key, info);
  const { retryAfterMs } = info;
  end(res, 429, { error: 'Too Many Requests', retryAfterMs: Number.isFinite(retryAfterMs) ? retryAfterMs : null });
}

/** `next` outside of a framework's call: what it throws has nobody to catch it but us. */
function pass(res, next, error) {
  try {
    if (error === undefined) next();
    else next(error);
  } catch {
    end(res, 500, { error: 'Internal Server Error' });
  }
}

/** Lets the request wait for its tokens, until they come or the client has gone. */
async function waitInLine(limiter, res, key, cost, timeoutMs) {
  const gone = new AbortController();
  const onClose = () => gone.abort();
  res.once?.('close', onClose);
  try {
    const { acquired } = await limiter.acquire(key, cost, { signal: gone.signal, timeoutMs });
    return acquired;
  } catch (error) {
    // A refusal answers 429; everything else is a defect and goes to the error handler.
    if (typeof error?.retryAfterMs === 'number') return false;
    throw error;
  } finally {
    res.removeListener?.('close', onClose);
  }
}

function middleware(limiter, { key = addressOf, cost = 1, name = 'default', wait = false, timeoutMs } = {}) {
  if (typeof key !== 'function') throw new TypeError('option "key" must be a function');
  if (typeof cost !== 'function' && typeof cost !== 'number') {
    throw new TypeError('option "cost" must be a number or a function');
  }
  const label = String(name);

  /** Answers 429 unless allowed; says whether the request goes on. */
  const show = (res, id, price, allowed) => {
    const info = { ...limiter.peek(id, price), allowed };
    if (allowed) setHeaders(limiter, res, label, id, info);
    else tooMany(limiter, res, label, id, info);
    return allowed;
  };
  const decide = (res, id, price) => show(res, id, price, limiter.isAllowed(id, price));

  const decideLater = async (res, next, answers) => {
    try {
      const [id, price] = await Promise.all(answers);
      const goesOn = wait
        ? show(res, id, price, await waitInLine(limiter, res, id, price, timeoutMs))
        : decide(res, id, price);
      if (!goesOn) return;
    } catch (error) {
      pass(res, next, error ?? new Error('rate limiting failed'));
      return;
    }
    pass(res, next);
  };

  return function rateLimit(req, res, next) {
    let goesOn = false;
    try {
      const id = key(req);
      const price = typeof cost === 'function' ? cost(req) : cost;
      if (wait || isThenable(id) || isThenable(price)) decideLater(res, next, [id, price]);
      else goesOn = decide(res, id, price);
    } catch (error) {
      next(error ?? new Error('rate limiting failed'));
      return;
    }
    // Outside of the `try`: what the handlers behind throw is the framework's.
    if (goesOn) next();
  };
}

exports.middleware = middleware;
