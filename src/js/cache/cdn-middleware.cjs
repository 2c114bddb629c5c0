'use strict';
// What a response tells a CDN, put on it in the moment its head goes out; and answers without a body to those who have it.

const { createHash } = require('node:crypto');
const { native } = require('../addon.cjs');

/** Responses that may be kept (RFC 9110, section 15.1, without those that nobody sends on purpose). */
const KEPT = new Set([200, 203, 204, 301, 304, 308, 404, 410]);
const PRIVATE = /(?:^|,)\s*(?:private|no-store|no-cache)\b/i;

/** Headers given to `writeHead` itself win over those set before; they are set here, where they can be looked at. */
function takeOver(res, headers) {
  if (Array.isArray(headers)) {
    const pairs = Array.isArray(headers[0]) ? headers : headers.flatMap((name, at) => (at % 2 ? [] : [[name, headers[at + 1]]]));
    const byName = new Map();
    for (const [name, value] of pairs) byName.set(name, byName.has(name) ? [byName.get(name), value].flat() : value);
    for (const [name, value] of byName) res.setHeader(name, value);
  } else if (headers) {
    for (const name of Object.keys(headers)) if (headers[name] !== undefined) res.setHeader(name, headers[name]);
  }
}

function setAll(res, flat, leave) {
  for (let index = 0; index < flat.length; index += 2) if (flat[index] !== leave) res.setHeader(flat[index], flat[index + 1]);
}

function addVary(res, names) {
  if (names.length === 0) return;
  const before = String(res.getHeader('Vary') ?? '').split(',').map((name) => name.trim()).filter(Boolean);
  const seen = new Set(before.map((name) => name.toLowerCase()));
  res.setHeader('Vary', [...before, ...names.filter((name) => !seen.has(name.toLowerCase()))].join(', '));
}

/** Whether `If-None-Match` names the tag; compared weakly, as RFC 9110 (13.1.2) wants it. */
function matches(header, etag) {
  if (header === undefined) return false;
  const strong = (tag) => tag.trim().replace(/^W\//, '');
  return header.trim() === '*' || header.split(',').some((tag) => strong(tag) === strong(etag));
}

const bytesOf = (chunk, encoding) =>
  typeof chunk === 'string' ? Buffer.from(chunk, typeof encoding === 'string' ? encoding : 'utf8') : chunk;

/** A body that is sent in one piece gets an ETag, and who has it already gets no body. True: nothing is left to send. */
function validate(req, res, chunk, encoding) {
  const single = !res.headersSent && res.statusCode === 200 && (typeof chunk === 'string' || chunk instanceof Uint8Array);
  if (!single || req.method !== 'GET' || res.hasHeader('ETag')) return false;
  const etag = `"${createHash('sha1').update(bytesOf(chunk, encoding)).digest('base64url')}"`;
  res.setHeader('ETag', etag);
  if (!matches(req.headers['if-none-match'], etag)) return false;
  res.statusCode = 304;
  for (const name of ['Content-Length', 'Content-Type', 'Content-Encoding', 'Transfer-Encoding']) res.removeHeader(name);
  return true;
}

function readOptions(options) {
  const given = options ?? {};
  if (typeof given !== 'object') throw new TypeError('middleware takes an object of options');
  const { tags, vary = [], etag = true } = given;
  if (tags !== undefined && typeof tags !== 'function' && !Array.isArray(tags)) {
    throw new TypeError('option "tags" must be an array or a function of the request and the response');
  }
  const names = typeof vary === 'string' ? [vary] : vary;
  const token = /^[\w!#$%&'*+.^`|~-]+$/;
  if (!Array.isArray(names) || !names.every((name) => typeof name === 'string' && token.test(name))) {
    throw new TypeError('option "vary" must be the name of a header or an array of them');
  }
  const own = typeof tags === 'function' ? tags : () => tags ?? [];
  return { lifetimes: native.cdnLifetimes(given), tagsOf: own, vary: names, etag: etag !== false, authorized: given.authorized === true };
}

/** Whether the response is for its receiver alone. */
function isPrivate(req, res, authorized) {
  if (res.hasHeader('Set-Cookie')) return true;
  if (req.headers.authorization !== undefined && !authorized) return true;
  return PRIVATE.test(String(res.getHeader('Cache-Control') ?? ''));
}

exports.middleware = function middleware(cdn, options, { kept, notKept }) {
  const { lifetimes, tagsOf, vary, etag, authorized } = readOptions(options);

  function mark(req, res, status, added) {
    if (req.method !== 'GET' && req.method !== 'HEAD') return;
    const said = res.hasHeader('Cache-Control') ? 'Cache-Control' : undefined;
    let headers = null;
    if (KEPT.has(status) && !isPrivate(req, res, authorized)) {
      const tags = [...added, ...tagsOf(req, res)].map(String);
      headers = kept(lifetimes, tags, req.originalUrl ?? req.url);
    }
    if (headers === null) return setAll(res, notKept, said);
    addVary(res, vary);
    setAll(res, headers, said);
  }

  return function cdnHeaders(req, res, next) {
    const added = [];
    res.cacheTags = (...tags) => {
      added.push(...tags.flat());
      return res;
    };
    res.cacheKeys = (...keys) => res.cacheTags(keys.flat().map((key) => cdn.keyTag(key)));
    const { writeHead, end } = res;
    let marked = false;
    res.writeHead = function marking(status, reason, headers) {
      if (!marked) {
        marked = true;
        takeOver(this, typeof reason === 'string' ? headers : (headers ?? reason));
        try {
          mark(req, this, status, added);
        } catch (error) {
          // A response that cannot be told about is not kept; it is sent all the same.
          setAll(this, notKept);
          process.emitWarning(`the tags of a response could not be read (${error?.name ?? typeof error})`);
        }
      }
      return typeof reason === 'string' ? writeHead.call(this, status, reason) : writeHead.call(this, status);
    };
    res.end = function validating(chunk, encoding, callback) {
      if (etag && validate(req, this, chunk, encoding)) {
        return end.call(this, [chunk, encoding, callback].find((one) => typeof one === 'function'));
      }
      return end.call(this, chunk, encoding, callback);
    };
    next();
  };
};
