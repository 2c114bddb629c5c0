'use strict';
// The answer to a scrape over HTTP.

const zlib = require('node:zlib');
const { native } = require('../addon.cjs');
const { scrape } = require('./scrape.cjs');

/** Answers smaller than this are not worth compressing. */
const COMPRESSED_FROM = 1024;
const METHODS = 'GET, HEAD';

const headerOf = (value) => (typeof value === 'string' ? value : '');

function answer(req, res, status, headers, body) {
  res.statusCode = status;
  for (const [name, value] of Object.entries(headers)) res.setHeader(name, value);
  res.setHeader('Content-Length', body.length);
  res.end(req.method === 'HEAD' ? undefined : body);
}

function say(req, res, status, text, headers = {}) {
  answer(req, res, status, { 'Content-Type': 'text/plain; charset=utf-8', ...headers }, Buffer.from(`${text}\n`));
}

/** A request handler for `node:http`, Express and Connect: what it gets, it answers. */
function metricsHandler(options = {}) {
  if (options === null || typeof options !== 'object') throw new TypeError('options must be an object');
  const { gzip = true } = options;
  if (typeof gzip !== 'boolean') throw new TypeError('option "gzip" must be a boolean');
  return function metrics(req, res) {
    if (req.method !== 'GET' && req.method !== 'HEAD') {
      say(req, res, 405, 'metrics are read with GET', { Allow: METHODS });
      return;
    }
    let body;
    let headers;
    let takesGzip;
    try {
      const { accept, 'accept-encoding': encoding } = req.headers;
      const [format, contentType, compressible] = native.metricsNegotiate(headerOf(accept), headerOf(encoding));
      body = scrape(format);
      takesGzip = compressible;
      headers = { 'Content-Type': contentType, Vary: 'Accept, Accept-Encoding', 'Cache-Control': 'no-store' };
    } catch (error) {
      // The reason may be the app's own: a gauge whose `collect` threw. It belongs into the log, not to the scraper.
      process.emitWarning(`the metrics could not be read: ${error?.name ?? 'error'}`);
      say(req, res, 500, 'the metrics could not be read');
      return;
    }
    if (!gzip || !takesGzip || body.length < COMPRESSED_FROM) {
      answer(req, res, 200, headers, body);
      return;
    }
    // Off the event loop, and at the level where a byte more costs least.
    zlib.gzip(body, { level: 1 }, (error, packed) => {
      if (res.destroyed || res.writableEnded) return;
      if (error) answer(req, res, 200, headers, body);
      else answer(req, res, 200, { ...headers, 'Content-Encoding': 'gzip' }, packed);
    });
  };
}

module.exports = { metricsHandler };
