'use strict';
// Sends a batch to a pool of PostgreSQL connections in few statements: identical reads once, lookups merged. The
// results are those that each query would have had alone.

const { native } = require('../addon.cjs');
const { STATE } = require('../pool/engine.cjs');
const { LOOKUPS } = require('../pool/settings.cjs');
const { Alone, Together } = require('./carriers.cjs');
const { knowledgeOf } = require('./knowledge.cjs');
const { Asked } = require('./lookups.cjs');

const { lookups: MERGED_LOOKUPS } = native.queryMergeLimits();
/** Connections that one batch takes at most. */
const MOST_CONNECTIONS = 4;
const NONE = Object.freeze([]);

/** Text → places of its queries. */
function placesByText(queries) {
  const places = new Map();
  queries.forEach(({ query }, place) => {
    const known = places.get(query);
    if (known === undefined) places.set(query, [place]);
    else known.push(place);
  });
  return places;
}

class Batch {
  constructor(pool, queries, settings, counts) {
    this.pool = pool;
    this.queries = queries;
    this.settings = settings;
    this.counts = counts;
    this.results = new Array(queries.length);
    /** What leaves next. */
    this.leaving = [];
  }

  async send() {
    const { mergeLookups, deduplicate } = this.settings;
    for (const [text, places] of placesByText(this.queries)) {
      // One query gains nothing, and texts that come once must not cost a question each.
      const known = places.length > 1 && (mergeLookups || deduplicate) ? knowledgeOf(this.pool, text) : undefined;
      this.plan(text, places, known instanceof Promise ? await known : known);
    }
    await this.leave();
    // What was refused together is asked for one by one.
    await this.leave();
    return this.results;
  }

  plan(text, places, known) {
    const sharing = this.settings.deduplicate && known?.shares === true;
    const merging = this.settings.mergeLookups && known?.merged !== undefined;
    if (!sharing && !merging) {
      for (const place of places) this.alone(text, this.queries[place].params ?? NONE, place, NONE);
      return;
    }
    const asked = new Asked(sharing);
    for (const place of places) {
      const params = this.queries[place].params ?? NONE;
      if (!Array.isArray(params)) {
        this.alone(text, params, place, NONE);
        continue;
      }
      try {
        asked.add(place, params);
      } catch (error) {
        this.results[place] = refused(error);
      }
    }
    const together = [];
    for (let slot = 0; slot < asked.first.length; slot += 1) {
      if (merging && asked.fits(slot, known.bytes)) together.push(slot);
      else this.slotAlone(text, asked, slot);
    }
    for (let start = 0; start < together.length; start += MERGED_LOOKUPS) {
      this.together(text, asked, together.slice(start, start + MERGED_LOOKUPS), known);
    }
  }

  slotAlone(text, asked, slot) {
    this.alone(text, asked.parameters(slot), asked.first[slot], asked.twins.get(slot) ?? NONE);
  }

  alone(text, params, place, twins) {
    this.leaving.push(new Alone(this, { text, params }, place, twins));
  }

  together(text, asked, slots, { merged, bytes }) {
    if (slots.length === 1) {
      this.slotAlone(text, asked, slots[0]);
      return;
    }
    const statement = { text: merged, params: asked.arrays(slots, bytes), [LOOKUPS]: slots.length };
    this.leaving.push(new Together(this, statement, text, asked, slots));
  }

  async leave() {
    if (this.leaving.length === 0) return;
    const parts = this.parts();
    this.leaving = [];
    await Promise.all(parts.map((part) => this.leaveOver(part)));
  }

  /** Over one connection; without one, nothing of this part was sent, and the other parts are not to blame. */
  async leaveOver(part) {
    this.counts.statementsSent += part.length;
    let outcomes;
    try {
      outcomes = await this.pool.queryBatch(part.map(({ statement }) => statement));
    } catch (error) {
      for (const carrier of part) carrier.refuse(error);
      return;
    }
    for (let index = 0; index < part.length; index += 1) part[index].take(outcomes[index]);
  }

  /**
   * What goes to a connection each, at the same time: merged lookups only, which read many rows in no order, and only
   * over connections that nobody uses.
   */
  parts() {
    const { leaving } = this;
    if (leaving.length < 2 || !leaving.every((carrier) => carrier instanceof Together)) return [leaving];
    const { availableConnections } = native.poolStats(this.pool[STATE].handle);
    const count = Math.max(1, Math.min(availableConnections, leaving.length, MOST_CONNECTIONS));
    const size = Math.ceil(leaving.length / count);
    return Array.from({ length: Math.ceil(leaving.length / size) }, (_, part) => {
      return leaving.slice(part * size, (part + 1) * size);
    });
  }
}

/** Results by index; a query that failed has a rejected promise in its place. */
function sendToPostgres(pool, queries, settings, counts) {
  return new Batch(pool, queries, settings, counts).send();
}

exports.sendToPostgres = sendToPostgres;
