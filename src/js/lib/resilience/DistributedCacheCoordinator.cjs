'use strict';
// Tells other services which keys have changed, and hears it from them, over HTTP, over Valkey or both. What a peer has not
// taken yet waits for it and is tried again, later each time; whose write wins is decided in native code.

const http = require('node:http');
const { native } = require('../../addon.cjs');
const { openRemote } = require('../../cache/open-remote.cjs');
const { wildcard } = require('../../cache/wildcard.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { steadyNow } = require('../../resilience/steady.cjs');
const { textOf } = require('../../resilience/text.cjs');

const PATH = '/api/v1/cache/invalidations';
const TIMEOUT_MS = 5000;
const RETRY_FIRST_MS = 200;
const RETRY_LONGEST_MS = 30_000;
const MOST_BODY = 1024 * 1024;
/** The channel of coordinators, where the engine's options name no other. */
const CHANNEL = 'coordinators';
const INNER = Symbol('DistributedCacheCoordinator');

function startBroadcasts(coordinator) {
  const weak = new WeakRef(coordinator);
  const timer = setInterval(() => {
    const alive = weak.deref();
    if (alive === undefined) clearInterval(timer);
    else Promise.resolve(alive._flushPendingInvalidations()).catch(() => {});
  }, coordinator.broadcastInterval);
  timer.unref?.();
  return timer;
}

/** The newest stay where there is no room for all. */
function bound(map, most) {
  let dropped = 0;
  for (const key of map.keys()) {
    if (map.size <= most) break;
    map.delete(key);
    dropped += 1;
  }
  return dropped;
}

/** What waits for one peer. */
class Outbox {
  waiting = new Map();
  attempts = 0;
  notBefore = 0;
  sending = false;
}

/** The channel of the engine as a bus that carries what is published; null without one. */
function openEngine(coordinator, engine) {
  if (engine === undefined || engine === null || engine === false) return null;
  if (typeof engine !== 'object') throw new TypeError('option "engine" must be an object');
  const weak = new WeakRef(coordinator);
  const opened = openRemote({ bus: { channel: CHANNEL, ...engine } }, (pairs) => {
    const alive = weak.deref();
    if (alive === undefined) return;
    for (let index = 0; index < pairs.length; index += 2) if (pairs[index] === 'e') hear(alive, pairs[index + 1]);
  });
  // What was sent meanwhile was missed: anything in memory may be old.
  opened.bus.onGap = () => weak.deref()?.cache?.memory?.clear?.();
  return opened;
}

/** What comes over both ways counts once. */
async function once(coordinator, { key, value, serviceId, timestamp }) {
  const known = coordinator[INNER].written.get(key);
  if (coordinator[INNER].engine !== null && known?.timestamp === timestamp && known?.serviceId === serviceId) return;
  await coordinator.onRemoteInvalidation(key, value, serviceId, timestamp);
}

/** Applied one after another, as they were sent. */
function hear(coordinator, text) {
  const inner = coordinator[INNER];
  inner.hearing = (inner.hearing ?? Promise.resolve()).then(async () => {
    await once(coordinator, JSON.parse(text));
  }).catch(warn);
}

const warn = (error) => process.emitWarning(`a handler of remote invalidations failed (${error?.name ?? typeof error})`);

class DistributedCacheCoordinator {
  constructor(cacheManager, serviceId, options = {}) {
    const cells = new Float64Array(4);
    native.coordinatorConfig(options, cells);
    const [interval, remoteTtl, mostPending, mostAttempts] = cells;
    this.cache = cacheManager;
    this.serviceId = serviceId;
    this.peers = new Map();
    this.remoteInvalidationHandlers = new Map();
    this.pendingInvalidations = new Map();
    this.broadcastInterval = interval;
    this.conflictResolutionStrategy = options.conflictResolution || 'latest-write-wins';
    this.stats = { broadcastsSent: 0, broadcastsReceived: 0, conflictsResolved: 0, peerFailures: 0 };
    const { token, engine } = options;
    const inner = {
      engine: openEngine(this, engine), told: 0,
      remoteTtl, mostPending, mostAttempts, token, outboxes: new Map(), written: new Map(), dropped: 0, timer: null,
    };
    Object.defineProperty(this, INNER, { value: inner });
    enroll('DistributedCacheCoordinator', this, { name: options.name ?? serviceId, metrics: options.metrics }, { stats: this.stats });
    inner.timer = startBroadcasts(this);
  }

  /** The timer of the broadcasts; null once destroyed. */
  get broadcastWorker() {
    return this[INNER].timer;
  }

  registerPeer(serviceId, host, port) {
    this.peers.set(serviceId, { host, port });
  }

  removePeer(serviceId) {
    this[INNER].outboxes.delete(serviceId);
    return this.peers.delete(serviceId);
  }

  async publishInvalidation(key, value = null) {
    const { mostPending, written } = this[INNER];
    const timestamp = steadyNow();
    const { serviceId } = this;
    this.pendingInvalidations.delete(key);
    this.pendingInvalidations.set(key, { timestamp, value, serviceId });
    this[INNER].dropped += bound(this.pendingInvalidations, mostPending);
    written.delete(key);
    written.set(key, { timestamp, serviceId });
    bound(written, mostPending);
    this._tellEngine(key, { timestamp, value, serviceId });
    return true;
  }

  /** At once; what cannot be sent waits in the queue of the bus. */
  _tellEngine(key, entry) {
    const inner = this[INNER];
    if (inner.engine === null) return;
    let text;
    try {
      text = JSON.stringify({ key, ...entry });
    } catch (error) {
      warn(error);
      return;
    }
    inner.engine.publish(['e', text]).then((done) => {
      if (done) inner.told += 1;
    });
  }

  subscribeToInvalidations(pattern, callback) {
    const callbacks = this.remoteInvalidationHandlers.get(pattern);
    if (callbacks === undefined) this.remoteInvalidationHandlers.set(pattern, new Set([callback]));
    else callbacks.add(callback);
  }

  async onRemoteInvalidation(key, remoteValue, sourceServiceId, timestamp) {
    // What comes back to its sender is old news.
    if (sourceServiceId === this.serviceId) return;
    this.stats.broadcastsReceived += 1;
    try {
      await this._runHandlers(key, remoteValue, sourceServiceId);
      const time = typeof timestamp === 'number' && Number.isFinite(timestamp) ? timestamp : steadyNow();
      if (!this._resolveConflict(key, { timestamp: time, serviceId: sourceServiceId })) return;
      this[INNER].written.set(key, { timestamp: time, serviceId: sourceServiceId });
      bound(this[INNER].written, this[INNER].mostPending);
      if (remoteValue === undefined || remoteValue === null) await this.cache.invalidate(key);
      else await this.cache.set(key, remoteValue, this[INNER].remoteTtl);
    } catch (error) {
      warn(error);
    }
  }

  getCoordinationStatus() {
    const waiting = [...this[INNER].outboxes.values()].reduce((sum, outbox) => sum + outbox.waiting.size, 0);
    const { serviceId, stats } = this;
    return {
      serviceId,
      peers: [...this.peers.keys()],
      pendingInvalidations: this.pendingInvalidations.size,
      stats,
      undelivered: waiting,
      dropped: this[INNER].dropped,
      ...(this[INNER].engine === null ? {} : { engine: { ...this[INNER].engine.getStats(), told: this[INNER].told } }),
    };
  }

  /** A request handler for what peers send: `server.on('request', …)`, or `app.post('/api/v1/cache/invalidations', …)`. */
  handler() {
    return (request, response) => {
      receive(this, request).then((status) => response.writeHead(status).end(), () => response.writeHead(400).end());
    };
  }

  destroy() {
    const inner = this[INNER];
    clearInterval(inner.timer);
    inner.timer = null;
    inner.outboxes.clear();
    inner.engine?.close();
    inner.engine = null;
    this.pendingInvalidations.clear();
    this.remoteInvalidationHandlers.clear();
  }

  /** Hands what is pending to every peer; resolves when each has answered. */
  async _flushPendingInvalidations() {
    const { outboxes, mostPending } = this[INNER];
    const peers = [...this.peers].filter(([id]) => id !== this.serviceId);
    // Without anybody to tell it stays; the engine was told already.
    if (peers.length === 0) {
      if (this[INNER].engine !== null) this.pendingInvalidations.clear();
      return;
    }
    for (const [id] of peers) {
      if (!outboxes.has(id)) outboxes.set(id, new Outbox());
      const { waiting } = outboxes.get(id);
      for (const [key, entry] of this.pendingInvalidations) {
        waiting.delete(key);
        waiting.set(key, entry);
      }
      this[INNER].dropped += bound(waiting, mostPending);
    }
    this.pendingInvalidations.clear();
    await Promise.all(peers.map(([id, peer]) => this._deliver(id, peer, outboxes.get(id))));
  }

  async _deliver(id, peer, outbox) {
    if (outbox.sending || outbox.waiting.size === 0 || steadyNow() < outbox.notBefore) return;
    outbox.sending = true;
    const sent = [...outbox.waiting];
    let taken = false;
    try {
      taken = await this._broadcastToPeer(id, peer, sent.map(([key, entry]) => ({ key, ...entry })));
    } catch {
      // As not taken.
    }
    outbox.sending = false;
    if (taken) {
      this.stats.broadcastsSent += 1;
      outbox.attempts = 0;
      outbox.notBefore = 0;
      for (const [key, entry] of sent) if (outbox.waiting.get(key) === entry) outbox.waiting.delete(key);
      return;
    }
    this.stats.peerFailures += 1;
    outbox.notBefore = steadyNow() + native.backoffDelay(RETRY_FIRST_MS, RETRY_LONGEST_MS, outbox.attempts);
    outbox.attempts += 1;
    if (outbox.attempts < this[INNER].mostAttempts) return;
    this[INNER].dropped += outbox.waiting.size;
    outbox.waiting.clear();
    outbox.attempts = 0;
  }

  /** Whether the peer has taken it. */
  _broadcastToPeer(peerId, { host, port }, invalidations) {
    const { token } = this[INNER];
    const body = JSON.stringify({ serviceId: this.serviceId, invalidations });
    const headers = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
    if (token !== undefined) headers.authorization = `Bearer ${token}`;
    return new Promise((resolve) => {
      const outgoing = http.request({ host, port, path: PATH, method: 'POST', headers, agent: false }, (incoming) => {
        incoming.resume();
        incoming.on('error', () => {});
        resolve(incoming.statusCode === 200);
      });
      const timer = setTimeout(() => outgoing.destroy(new Error('no answer')), TIMEOUT_MS);
      outgoing.on('error', () => resolve(false));
      outgoing.once('close', () => clearTimeout(timer));
      outgoing.end(body);
    });
  }

  async _runHandlers(key, remoteValue, sourceServiceId) {
    for (const [pattern, callbacks] of [...this.remoteInvalidationHandlers]) {
      let matches = false;
      try {
        matches = pattern === key || this._patternToRegex(pattern).test(textOf(key));
      } catch {
        // No pattern: it matches nothing but itself.
      }
      if (!matches) continue;
      for (const callback of [...callbacks]) {
        try {
          await callback(key, remoteValue, sourceServiceId);
        } catch (error) {
          warn(error);
        }
      }
    }
  }

  /** Whether the remote write takes the place of what is known here. */
  _resolveConflict(key, remote) {
    const known = this[INNER].written.get(key);
    const time = this.cache?.writtenAt?.(key);
    const local = time !== undefined && time > (known?.timestamp ?? -Infinity) ? { timestamp: time, serviceId: this.serviceId } : known;
    if (local === undefined) return true;
    this.stats.conflictsResolved += 1;
    return native.coordinatorRemoteWins(
      textOf(this.conflictResolutionStrategy), local.timestamp, textOf(local.serviceId), remote.timestamp, textOf(remote.serviceId),
    );
  }

  _patternToRegex(pattern) {
    return wildcard(pattern);
  }
}

/** The status for a peer's message. */
async function receive(coordinator, request) {
  const { token } = coordinator[INNER];
  if (request.method !== 'POST') return 405;
  if (token !== undefined && !isSame(request.headers.authorization, `Bearer ${token}`)) return 401;
  let message = request.body;
  if (message === undefined) {
    const chunks = [];
    let length = 0;
    for await (const chunk of request) {
      length += chunk.length;
      if (length > MOST_BODY) return 413;
      chunks.push(chunk);
    }
    message = JSON.parse(Buffer.concat(chunks).toString());
  }
  const { serviceId, invalidations } = message;
  if (!Array.isArray(invalidations)) return 400;
  for (const { key, value, timestamp } of invalidations) await once(coordinator, { key, value, serviceId, timestamp });
  return 200;
}

/** Compared in a time that does not tell how much is right. */
function isSame(given, wanted) {
  const { createHash, timingSafeEqual } = require('node:crypto');
  const digest = (text) => createHash('sha256').update(String(text)).digest();
  return timingSafeEqual(digest(given), digest(wanted));
}

exports.DistributedCacheCoordinator = DistributedCacheCoordinator;
exports.default = DistributedCacheCoordinator;
Object.defineProperty(exports, '__esModule', { value: true });
