'use strict';
// Answers, all of them with the headers that keep the page to itself.

const { STATUS_CODES } = require('node:http');

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join('; ');

const HEADERS = Object.freeze({
  'Content-Security-Policy': POLICY,
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  'Referrer-Policy': 'no-referrer',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'X-Robots-Tag': 'noindex',
});

/** Begins an answer. What is not the page itself is in no cache, and nothing in between may compress or hold it. */
function begin(response, status, headers) {
  response.writeHead(status, { 'Cache-Control': 'no-store, no-transform', ...HEADERS, ...headers });
}

function send(request, response, status, headers, body) {
  begin(response, status, { 'Content-Length': Buffer.byteLength(body), ...headers });
  response.end(request.method === 'HEAD' ? undefined : body);
}

const sendJson = (request, response, body, status = 200) =>
  send(request, response, status, { 'Content-Type': 'application/json; charset=utf-8' }, body);

const sendText = (request, response, status, text, headers = {}) =>
  send(
    request,
    response,
    status,
    { 'Content-Type': 'text/plain; charset=utf-8', ...headers },
    `${status} ${STATUS_CODES[status]}\n${text}\n`,
  );

/** To an address relative to this one, so that nobody's input becomes a place elsewhere. */
const redirect = (request, response, location, headers = {}) =>
  send(request, response, 303, { Location: location, ...headers }, '');

module.exports = { begin, redirect, send, sendJson, sendText };
