'use strict';
// Sends a batch to a pool of PostgreSQL connections in few statements: identical reads once, lookups merged. The
// results are those that each query would have had alone.

const { native } = require('../addon.cjs');
const { STATE } = require('../pool/engine.cjs');
const { LOOKUPS } = require('../pool/settings.cjs');
const { copyOfResult } = require('./copies.cjs');
const { disown, knowledgeOf } = require('./knowledge.cjs');
const { Asked } = require('./lookups.cjs');

const { lookups: MERGED_LOOKUPS } = native.queryMergeLimits();
/** Connections that one batch takes at most. */
const MOST_CONNECTIONS = 4;
const NONE = Object.freeze([]);
const ignore = () => {};

/** A result that rejects its own caller only. */
function refused(error) {
  const promise = Promise.reject(error);
  // Its caller hears of it; until then it must not count as unhandled.
  promise.catch(ignore);
  return promise;
}

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
    /** What leaves next, and for each what is done with its outcome. */
    this.statements = [];
    this.takers = [];
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
    if (this.statements.length > 0) await this.leave();
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
    this.statements.push({ text, params });
    this.takers.push((outcome) => {
      const error = outcome?.error;
      this.results[place] = error === undefined ? outcome?.value : refused(error);
      for (const twin of twins) {
        this.results[twin] = error === undefined ? copyOfResult(outcome.value) : refused(error);
      }
      this.counts.deduplicated += twins.length;
    });
  }

  together(text, asked, slots, { merged, bytes }) {
    if (slots.length === 1) {
      this.slotAlone(text, asked, slots[0]);
      return;
    }
    this.statements.push({ text: merged, params: asked.arrays(slots, bytes), [LOOKUPS]: slots.length });
    this.takers.push(({ value, error }) => {
      // Somebody may stand between this and the pool, and not have passed on how the rows are to be read.
      if (error !== undefined || value?.lists === undefined) {
        this.apart(text, asked, slots, error);
        return;
      }
      const { command, fields, lists } = value;
      for (let index = 0; index < slots.length; index += 1) {
        const slot = slots[index];
        const rows = lists[index] ?? [];
        const result = { command, rowCount: rows.length, rows, fields };
        this.results[asked.first[slot]] = result;
        const twins = asked.twins.get(slot) ?? NONE;
        for (const twin of twins) this.results[twin] = copyOfResult(result);
        this.counts.deduplicated += twins.length;
      }
      this.counts.merged += slots.length;
    });
  }

  /** A merged statement failed: one of its lookups may be at fault, or the merging. */
  apart(text, asked, slots, error) {
    if (error?.lost !== true) {
      // What is wrong with the statement and not with a value would be wrong again.
      if (String(error?.code).startsWith('42')) disown(this.pool, text);
      for (const slot of slots) this.slotAlone(text, asked, slot);
      return;
    }
    for (const slot of slots) {
      for (const place of [asked.first[slot], ...(asked.twins.get(slot) ?? NONE)]) this.results[place] = refused(error);
    }
  }

  async leave() {
    const { statements, takers } = this;
    this.statements = [];
    this.takers = [];
    if (statements.length === 0) return;
    this.counts.statementsSent += statements.length;
    let at = 0;
    const parts = this.parts(statements).map(async (part) => {
      const first = at;
      at += part.length;
      const outcomes = await this.pool.queryBatch(part);
      for (let index = 0; index < part.length; index += 1) takers[first + index](outcomes[index]);
    });
    await Promise.all(parts);
  }

  /**
   * What goes to a connection each, at the same time: merged lookups only, which read many rows in no order, and only
   * over connections that nobody uses.
   */
  parts(statements) {
    if (statements.length === 1 || !statements.every((statement) => statement[LOOKUPS] > 0)) return [statements];
    const { availableConnections } = native.poolStats(this.pool[STATE].handle);
    const count = Math.max(1, Math.min(availableConnections, statements.length, MOST_CONNECTIONS));
    const size = Math.ceil(statements.length / count);
    return Array.from({ length: Math.ceil(statements.length / size) }, (_, part) => {
      return statements.slice(part * size, (part + 1) * size);
    });
  }
}

/** Results by index; a query that failed has a rejected promise in its place. */
function sendToPostgres(pool, queries, settings, counts) {
  return new Batch(pool, queries, settings, counts).send();
}

exports.refused = refused;
exports.sendToPostgres = sendToPostgres;
