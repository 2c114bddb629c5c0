'use strict';
// Server-sent events. One timer for all viewers, and only while there is one. A viewer that does not keep up is left
// out, and when that goes on, dropped: no answer ever holds more than one figure of the modules in memory.

const { begin, sendText } = require('./answer.cjs');

/** How many figures a new viewer gets to draw the charts with. */
const HISTORY = 180;
/** Rounds in a row that a viewer may miss. */
const MOST_MISSED = 5;
/** After how many milliseconds a browser comes back that was cut off. */
const RETRY_MS = 2000;

const monotonic = () => performance.now();

class Viewer {
  missed = 0;

  constructor(response) {
    this.response = response;
  }

  /** Whether the viewer can stay. */
  offer(text) {
    if (this.response.writableNeedDrain) {
      this.missed += 1;
      return this.missed < MOST_MISSED;
    }
    this.missed = 0;
    this.response.write(text);
    return true;
  }
}

class Feed {
  #read;
  #intervalMs;
  #maxViewers;
  #viewers = new Set();
  #timer = null;
  #latest;
  #readAt = -Infinity;
  #history = [];
  #closed = false;

  /** `read()` gives `{ at, points, … }`, of which `points` is kept for viewers to come. */
  constructor({ read, intervalMs, maxViewers }) {
    this.#read = read;
    this.#intervalMs = intervalMs;
    this.#maxViewers = maxViewers;
  }

  /** The newest figures as JSON; read anew when they are older than the interval. */
  latest() {
    if (monotonic() - this.#readAt >= this.#intervalMs) this.#renew();
    return this.#latest;
  }

  #renew() {
    const begun = monotonic();
    // Whoever watched before the pause saw other times: a line across it would be made up.
    if (begun - this.#readAt > this.#intervalMs * 10) this.#history = [];
    this.#readAt = begun;
    const snapshot = this.#read();
    const { at, points } = snapshot;
    this.#history.push({ at, points });
    if (this.#history.length > HISTORY) this.#history.shift();
    this.#latest = JSON.stringify(snapshot);
  }

  add(request, response) {
    if (this.#closed || this.#viewers.size >= this.#maxViewers) {
      sendText(request, response, 503, 'Too many are watching.', { 'Retry-After': '10' });
      return;
    }
    begin(response, 200, {
      'Content-Type': 'text/event-stream; charset=utf-8',
      // When it ends, so does its connection: a server that closes waits for no idle one.
      Connection: 'close',
      'X-Accel-Buffering': 'no',
    });
    const viewer = new Viewer(response);
    this.#viewers.add(viewer);
    const gone = () => this.#remove(viewer);
    response.once('close', gone);
    response.on('error', gone);
    const newest = this.latest();
    const earlier = JSON.stringify({ intervalMs: this.#intervalMs, points: this.#history.slice(0, -1) });
    response.write(`retry: ${RETRY_MS}\n\nevent: history\ndata: ${earlier}\n\n`);
    response.write(event(newest));
    this.#schedule();
  }

  #remove(viewer) {
    if (!this.#viewers.delete(viewer) || this.#viewers.size > 0) return;
    clearTimeout(this.#timer);
    this.#timer = null;
  }

  #schedule() {
    if (this.#timer !== null || this.#viewers.size === 0) return;
    const due = this.#readAt + this.#intervalMs - monotonic();
    this.#timer = setTimeout(
      () => {
        this.#timer = null;
        this.#tick();
      },
      Math.max(due, 1),
    );
    this.#timer.unref();
  }

  #tick() {
    for (const viewer of [...this.#viewers]) {
      // A server that no longer listens waits for its last answer to end.
      if (viewer.response.socket?.server?.listening === false) this.#end(viewer);
    }
    if (this.#viewers.size === 0) return;
    this.#renew();
    const text = event(this.#latest);
    for (const viewer of [...this.#viewers]) {
      if (viewer.offer(text)) continue;
      this.#remove(viewer);
      viewer.response.destroy();
    }
    this.#schedule();
  }

  #end(viewer) {
    this.#remove(viewer);
    viewer.response.end();
  }

  /** Ends every viewer and takes no more. */
  close() {
    this.#closed = true;
    for (const viewer of [...this.#viewers]) this.#end(viewer);
  }
}

const event = (json) => `event: snapshot\ndata: ${json}\n\n`;

module.exports = { Feed };
