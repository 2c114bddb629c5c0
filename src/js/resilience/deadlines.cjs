'use strict';
// Deadlines of calls under way. All calls with the same limit end in the order they began, so they stand in one line
// with one timer for it; a call that is done leaves the line and touches no timer. The timer holds the process only
// while somebody stands in the line.

const { performance } = require('node:perf_hooks');

const LONGEST = 2147483647;

class Line {
  constructor(ms) {
    this.ms = ms;
    this.first = null;
    this.last = null;
    this.timer = null;
    /** The deadline that the timer is set for. */
    this.due = 0;
    this.held = false;
  }

  add(entry) {
    entry.previous = this.last;
    if (this.last === null) this.first = entry;
    else this.last.next = entry;
    this.last = entry;
    if (this.timer === null) this.arm();
    else if (!this.held) {
      this.held = true;
      this.timer.ref();
    }
  }

  remove(entry) {
    const { previous, next } = entry;
    if (previous === null) this.first = next;
    else previous.next = next;
    if (next === null) this.last = previous;
    else next.previous = previous;
    entry.line = null;
    if (this.first === null) {
      this.held = false;
      this.timer?.unref();
    }
  }

  arm() {
    this.due = this.first.at;
    this.held = true;
    this.timer = setTimeout(expire, Math.max(1, Math.ceil(this.due - performance.now())), this);
  }
}

/** Milliseconds → line */
const lines = new Map();

function expire(line) {
  line.timer = null;
  // What the timer was set for is due even where a mocked timer ran ahead of the clock.
  const now = Math.max(performance.now(), line.due);
  while (line.first !== null && line.first.at <= now) {
    const entry = line.first;
    line.remove(entry);
    entry.expired();
  }
  if (line.timer !== null) return;
  if (line.first !== null) line.arm();
  else lines.delete(line.ms);
}

/** One call under way. Subclasses say what happens when it takes too long. */
class Deadline {
  constructor() {
    this.line = null;
    this.previous = null;
    this.next = null;
    this.at = 0;
  }

  /** Starts the clock. More than a timer can hold is as long as there is. */
  start(ms, now) {
    const limit = ms > 0 ? Math.min(ms, LONGEST) : 0;
    let line = lines.get(limit);
    if (line === undefined) {
      line = new Line(limit);
      lines.set(limit, line);
    }
    this.at = now + limit;
    this.line = line;
    line.add(this);
  }

  stop() {
    if (this.line !== null) this.line.remove(this);
  }

  expired() {}
}

exports.Deadline = Deadline;
