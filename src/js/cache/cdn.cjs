'use strict';
// The tier in front: headers for the responses that a CDN keeps, and purges of what changed. Native code decides what
// stands in a header and when which purge goes out; this face sends it and tells who waits how it ended.

const { EventEmitter } = require('node:events');
const http = require('node:http');
const https = require('node:https');
const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { middleware } = require('./cdn-middleware.cjs');

const freed = new FinalizationRegistry((handle) => native.cdnFree(handle));
/** How a request ended, as `cdnEnded` says it. */
const PURGED = 0;
const AGAIN = 1;
const NOT_SUPPORTED = 501;
/** Bytes of an answer that are looked at; nobody needs them, but the connection can be used again then. */
const MOST_ANSWER = 65_536;

const listOf = (values, name) => {
  const list = typeof values === 'string' ? [values] : values;
  if (!Array.isArray(list) || list.some((value) => typeof value !== 'string')) {
    throw new TypeError(`${name} must be a string or an array of strings`);
  }
  return list;
};

function send(agents, timeout, [method, url, body, flat]) {
  return new Promise((resolve) => {
    const secure = url.startsWith('https:');
    const headers = { 'content-length': Buffer.byteLength(body) };
    for (let index = 0; index < flat.length; index += 2) headers[flat[index]] = flat[index + 1];
    const failed = () => resolve({ status: 0, retryAfter: NaN });
    try {
      const agent = secure ? agents.https : agents.http;
      const request = (secure ? https : http).request(url, { method, headers, agent, timeout }, (response) => {
        let seen = 0;
        response.on('data', (chunk) => {
          seen += chunk.length;
          if (seen > MOST_ANSWER) response.destroy();
        });
        const seconds = Number(response.headers['retry-after']);
        response.on('close', () => resolve({ status: response.statusCode, retryAfter: seconds * 1000 }));
        response.on('error', () => {});
      });
      request.on('timeout', () => request.destroy());
      request.on('error', failed);
      request.end(body);
    } catch {
      failed();
    }
  });
}

/** Somebody who waits for tags to be gone. */
class Waiter {
  constructor(count) {
    this.left = count;
    this.promise = new Promise((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    // Whoever does not wait is told by the event.
    this.promise.catch(() => {});
  }

  gone() {
    this.left -= 1;
    if (this.left === 0) this.resolve();
  }
}

class Cdn extends EventEmitter {
  #handle;
  #provider;
  #timeout;
  #purge;
  #agents;
  /** Encoded tag → who waits for it. */
  #asked = new Map();
  /** Who waits for everything to go. */
  #askedAll = [];
  #underWay = false;
  #timer = null;
  #resting = [];
  #oversized = 0;

  constructor(options) {
    super();
    const given = typeof options === 'object' && options !== null ? options : {};
    [this.#handle, this.#provider, this.#timeout] = native.cdnOpen(given);
    freed.register(this, this.#handle);
    this.#purge = given.purge;
    if (this.#provider === 'custom' && typeof this.#purge !== 'function') {
      throw new TypeError('option "purge" must be a function, which provider "custom" needs');
    }
    const keep = { keepAlive: true, maxSockets: 1 };
    this.#agents = { http: new http.Agent(keep), https: new https.Agent(keep) };
  }

  /** For a manager: purges what was made from these keys, and lets the event tell of failures. */
  forgetKeys(keys) {
    this.purgeKeys([...keys].filter((key) => typeof key === 'string'));
  }

  /** Lets go of the connections when nothing waits any more. Nobody needs to wait for it. */
  release() {
    this.close().catch(() => {});
  }

  /** The tag by which the responses that were made from a cache key go. */
  keyTag(key) {
    return native.cdnKeyTag(String(key));
  }

  /** Resolves when the provider let go of what bears one of the tags; rejects when it was given up. */
  purge(tags) {
    const waiting = native.cdnPurge(this.#handle, listOf(tags, 'tags'), performance.now());
    if (waiting.length === 0) return Promise.resolve();
    const distinct = new Set(waiting);
    const waiter = new Waiter(distinct.size);
    for (const tag of distinct) {
      const others = this.#asked.get(tag);
      if (others === undefined) this.#asked.set(tag, [waiter]);
      else others.push(waiter);
    }
    this.#pump();
    return waiter.promise;
  }

  /** As {@link purge}, for the responses that were made from cache keys. */
  purgeKeys(keys) {
    return this.purge(listOf(keys, 'keys').map((key) => this.keyTag(key)));
  }

  purgeAll() {
    const waiter = new Waiter(1);
    this.#askedAll.push(waiter);
    native.cdnPurgeAll(this.#handle, performance.now());
    this.#pump();
    return waiter.promise;
  }

  /** Resolves when nothing waits any more, however it ended. */
  flush() {
    if (this.#isIdle()) return Promise.resolve();
    const done = new Promise((resolve) => this.#resting.push(resolve));
    this.#pump();
    return done;
  }

  async close() {
    await this.flush();
    this.#agents.http.destroy();
    this.#agents.https.destroy();
  }

  getStats() {
    return { provider: this.#provider, ...native.cdnStats(this.#handle), oversized: this.#oversized };
  }

  /** Express/Connect middleware: see cdn.d.cts. */
  middleware(options) {
    return middleware(this, options, {
      kept: (lifetimes, tags, page) => {
        const headers = native.cdnKept(this.#handle, ...lifetimes, tags, page);
        if (headers === null) this.#oversized += 1;
        return headers;
      },
      notKept: native.cdnNotKept(this.#handle),
    });
  }

  #isIdle() {
    return !this.#underWay && this.#asked.size === 0 && this.#askedAll.length === 0;
  }

  #pump() {
    clearTimeout(this.#timer);
    this.#timer = null;
    const next = native.cdnNext(this.#handle, performance.now(), this.#resting.length > 0);
    if (typeof next === 'number') this.#timer = setTimeout(() => this.#pump(), Math.ceil(next));
    else if (next !== null) this.#carryOut(next);
    else if (this.#isIdle()) for (const resolve of this.#resting.splice(0)) resolve();
  }

  async #carryOut([tags, ...request]) {
    this.#underWay = true;
    const asked = this.#take(tags);
    const { status, retryAfter } = await this.#tell(tags, request);
    this.#underWay = false;
    const ended = native.cdnEnded(this.#handle, status, retryAfter, performance.now());
    if (ended === AGAIN) this.#giveBack(asked);
    else if (ended === PURGED) for (const [, waiter] of asked) waiter.gone();
    else this.#giveUp(status, asked);
    this.#pump();
  }

  /** Those who wait for what goes out now: `[tag or null, waiter]`. */
  #take(tags) {
    const asked = [];
    for (const tag of tags ?? [...this.#asked.keys()]) {
      for (const waiter of this.#asked.get(tag) ?? []) asked.push([tag, waiter]);
      this.#asked.delete(tag);
    }
    if (tags === null) for (const waiter of this.#askedAll.splice(0)) asked.push([null, waiter]);
    return asked;
  }

  #giveBack(asked) {
    for (const [tag, waiter] of asked) {
      if (tag === null) this.#askedAll.push(waiter);
      else if (this.#asked.has(tag)) this.#asked.get(tag).push(waiter);
      else this.#asked.set(tag, [waiter]);
    }
  }

  #giveUp(status, asked) {
    const error = native.cdnError(status);
    for (const [, waiter] of asked) waiter.reject(error);
    try {
      if (this.listenerCount('failed') > 0) this.emit('failed', error);
      else process.emitWarning(error.message, 'CdnWarning');
    } catch (thrown) {
      process.emitWarning(`a listener of the CDN's event "failed" threw (${thrown?.name ?? typeof thrown})`);
    }
  }

  async #tell(tags, request) {
    if (request.length > 0) return send(this.#agents, this.#timeout, request);
    if (this.#provider !== 'custom') return { status: NOT_SUPPORTED, retryAfter: NaN };
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(resolve, this.#timeout, { status: 0, retryAfter: NaN });
    });
    try {
      const told = Promise.resolve(this.#purge(tags === null ? { all: true, tags: [] } : { all: false, tags }));
      return await Promise.race([told.then(() => ({ status: 200, retryAfter: NaN })), late]);
    } catch {
      return { status: 0, retryAfter: NaN };
    } finally {
      clearTimeout(timer);
    }
  }
}

/** A manager's option: an instance, the options of one, or none. */
function openCdn(option) {
  if (option === undefined || option === null || option === false) return null;
  if (option instanceof Cdn) return option;
  if (typeof option !== 'object') throw new TypeError('option "cdn" must be a Cdn or an object of its options');
  return new Cdn(option);
}

exports.Cdn = Cdn;
exports.openCdn = openCdn;
