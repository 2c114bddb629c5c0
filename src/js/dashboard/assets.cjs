'use strict';
// The files of the page: read once, when the first of them is asked for, and served from memory.

const { createHash } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');
const { send } = require('./answer.cjs');

const PAGE = path.join(__dirname, 'page');
const TYPES = {
  '.html': 'text/html; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.svg': 'image/svg+xml',
};
/** Where the charts come from. Without the package the page shows figures only. */
const CHARTS = { 'uplot.js': 'uplot/dist/uPlot.iife.min.js', 'uplot.css': 'uplot/dist/uPlot.min.css' };

/** Name → `{ type, body, tag }` */
let files;

function load() {
  files = new Map();
  const keep = (name, body) => {
    const tag = `"${createHash('sha256').update(body).digest('base64url').slice(0, 22)}"`;
    files.set(name, { type: TYPES[path.extname(name)], body, tag });
  };
  for (const name of fs.readdirSync(PAGE)) keep(name, fs.readFileSync(path.join(PAGE, name)));
  for (const [name, file] of Object.entries(CHARTS)) {
    let body = Buffer.alloc(0);
    try {
      body = fs.readFileSync(require.resolve(file));
    } catch {
      // Left out of the app's bundle: the page finds an empty script and shows no charts.
    }
    keep(name, body);
  }
}

/** Whether there is a file of this name. */
function hasAsset(name) {
  if (files === undefined) load();
  return files.has(name);
}

function sendAsset(request, response, name, status = 200) {
  if (files === undefined) load();
  const { type, body, tag } = files.get(name);
  const headers = { 'Content-Type': type, 'Cache-Control': 'private, no-cache', ETag: tag };
  if (status === 200 && request.headers['if-none-match'] === tag) {
    send(request, response, 304, { 'Cache-Control': 'private, no-cache', ETag: tag }, '');
    return;
  }
  send(request, response, status, headers, body);
}

module.exports = { hasAsset, sendAsset };
