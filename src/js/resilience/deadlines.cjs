'use strict';
// Deadlines of calls under way. All calls with the same limit end in the order they began, so they stand in one line
// with one timer for it; a call that is done leaves the line and touches no timer. The timer holds the process only
// while somebody stands in the line.
//
// Most calls are done within milliseconds, and reading the clock and standing in line cost more than everything else
// about them. Long limits are therefore coarse: new calls are only noted, and get their place and time a grain later,
// if they are still under way. Such a deadline comes up to a grain late, never early.

const { performance } = require('node:perf_hooks');

const LONGEST = 2147483647;
/** Milliseconds between two looks at the calls that were noted: at most 2 % of a limit that is coarse. */
const GRAIN = 20;
const COARSE_FROM = 50 * GRAIN;
/** Calls that are noted before they are looked at without waiting for the grain to pass. */
const MAX_NOTED = 256;

/** A place in a line. Few calls ever get one. */
class Place {
  constructor(line, deadline, at) {
    this.line = line;
    this.deadline = deadline;
    this.at = at;
    this.previous = null;
    this.next = null;
  }
}

/** What stands for the place of a deadline that is only noted, and of one that is over. */
const NOTED = new Place(null, null, 0);
const ENDED = new Place(null, null, 0);

class Line {
  constructor(ms) {
    this.ms = ms;
    this.first = null;
    this.last = null;
    this.timer = null;
    /** The deadline that the timer is set for. */
    this.due = 0;
    this.held = false;
    this.noted = ms >= COARSE_FROM ? new Array(MAX_NOTED).fill(null) : null;
    this.count = 0;
    /** Looks at what was noted; `null` while nobody comes. */
    this.look = null;
    this.lookHeld = false;
  }

  /** Takes a deadline that begins now. */
  enter(deadline) {
    if (this.look === null) {
      this.add(deadline, performance.now() + this.ms);
      if (this.noted === null) return;
      this.look = setTimeout(lookAt, GRAIN, this);
      this.look.unref();
      this.lookHeld = false;
      return;
    }
    if (!this.lookHeld) {
      this.lookHeld = true;
      this.look.ref();
    }
    deadline.place = NOTED;
    this.noted[this.count] = deadline;
    this.count += 1;
    if (this.count === MAX_NOTED) this.sort();
  }

  /** Gives those who were noted and are still under way their place. */
  sort() {
    const at = performance.now() + this.ms;
    const { noted, count } = this;
    for (let index = 0; index < count; index += 1) {
      const deadline = noted[index];
      noted[index] = null;
      if (deadline.place === NOTED) this.add(deadline, at);
    }
    this.count = 0;
  }

  add(deadline, at) {
    const place = new Place(this, deadline, at);
    deadline.place = place;
    place.previous = this.last;
    if (this.last === null) this.first = place;
    else this.last.next = place;
    this.last = place;
    if (this.timer === null) this.arm();
    else if (!this.held) {
      this.held = true;
      this.timer.ref();
    }
  }

  remove(place) {
    const { previous, next } = place;
    if (previous === null) this.first = next;
    else previous.next = next;
    if (next === null) this.last = previous;
    else next.previous = previous;
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

  /** Nobody stands here and nobody comes: the line goes. */
  leaveIfEmpty() {
    if (this.timer !== null || this.look !== null || this.first !== null) return;
    lines.delete(this.ms);
    if (recent === this) recent = null;
  }
}

/** Milliseconds → line */
const lines = new Map();
/** The line that was used last: most calls have the same limit. */
let recent = null;

function lineOf(ms) {
  if (recent !== null && recent.ms === ms) return recent;
  const limit = ms > 0 ? Math.min(ms, LONGEST) : 0;
  let line = lines.get(limit);
  if (line === undefined) {
    line = new Line(limit);
    lines.set(limit, line);
  }
  recent = line;
  return line;
}

function lookAt(line) {
  line.look = null;
  if (line.count > 0) {
    line.sort();
    line.look = setTimeout(lookAt, GRAIN, line);
    // Who is still under way holds the process by the line's own timer.
    line.look.unref();
    line.lookHeld = false;
  }
  line.leaveIfEmpty();
}

function expire(line) {
  line.timer = null;
  // What the timer was set for is due even where a mocked timer ran ahead of the clock.
  const now = Math.max(performance.now(), line.due);
  while (line.first !== null && line.first.at <= now) {
    const { deadline } = line.first;
    deadline.stop();
    deadline.expired();
  }
  if (line.timer !== null) return;
  if (line.first !== null) line.arm();
  else line.leaveIfEmpty();
}

/** One call under way. Subclasses say what happens when it takes too long. */
class Deadline {
  constructor() {
    this.place = ENDED;
  }

  /** Starts the clock. More than a timer can hold is as long as there is. */
  start(ms) {
    lineOf(ms).enter(this);
  }

  /** Whether it was still running; it is over now. One that expired is over before it is told so. */
  stop() {
    const { place } = this;
    if (place === ENDED) return false;
    this.place = ENDED;
    if (place !== NOTED) place.line.remove(place);
    return true;
  }

  expired() {}
}

exports.Deadline = Deadline;
