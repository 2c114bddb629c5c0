'use strict';
// What a pool's server knows about texts: whether their queries may share an answer, and which statement answers many.
// Native code decides; here the server is asked for the types of the parameters and for what its catalog says.

const { native } = require('../addon.cjs');
const { TextMemory } = require('./texts.cjs');

const { texts, length } = native.queryLimits();
const { believedMs, question } = native.queryMergeLimits();
const NOTHING = Object.freeze({ shares: false, merged: undefined, bytes: [], until: Infinity });
/** SQLSTATE: an error that the server had, not the way to it. */
const STATE = /^(?!08|57P)[0-9A-Z]{5}$/;

/** Pool → text → `{ shares, merged, bytes, refusal, until }`, or a promise of it. */
const pools = new WeakMap();

function memoryOf(pool) {
  let memory = pools.get(pool);
  if (memory === undefined) {
    memory = new TextMemory(texts, length);
    pools.set(pool, memory);
  }
  return memory;
}

/** What is known about a text; a promise of it when the server has to be asked first. */
function knowledgeOf(pool, text) {
  const memory = memoryOf(pool);
  const known = memory.get(text);
  if (known !== undefined && (known instanceof Promise || performance.now() < known.until)) return known;
  const reading = native.queryReading(text);
  // What is too long to be remembered would be asked for again and again.
  if (!reading.shares || text.length > length) {
    const nothing = { ...NOTHING, refusal: reading.refusal };
    memory.set(text, nothing);
    return nothing;
  }
  const learning = learn(pool, text, reading).then(
    (learned) => {
      memory.set(text, learned);
      return learned;
    },
    (error) => {
      // Next time it is asked again.
      memory.set(text, { ...NOTHING, until: 0 });
      throw error;
    },
  );
  memory.set(text, learning);
  return learning;
}

/** Rejects when there is no connection to be had, as the queries themselves would. */
async function learn(pool, text, { merges, relations, names, columns }) {
  const until = performance.now() + believedMs;
  const connection = await pool.acquire();
  try {
    const { parameters } = merges ? await connection.describe(text) : { parameters: [] };
    const { rows } = await connection.query(question, [relations, names, columns, parameters]);
    return { merged: undefined, ...native.queryVerdict(text, rows[0].facts), until };
  } catch (error) {
    // What is wrong with the text or the connection shows again when the queries are sent. An error of the server's
    // own is believed, after others it is asked again next time.
    return { ...NOTHING, ...native.queryVerdict(text, ''), until: STATE.test(error?.code) ? until : 0 };
  } finally {
    pool.release(connection);
  }
}

/** The server refused the merged statement itself: until the next question, queries of this text go alone. */
function disown(pool, text) {
  const known = memoryOf(pool).get(text);
  if (known === undefined || known instanceof Promise) return;
  const { shares, until } = known;
  memoryOf(pool).set(text, { ...NOTHING, ...native.queryVerdict(text, ''), shares, until });
}

exports.disown = disown;
exports.knowledgeOf = knowledgeOf;
