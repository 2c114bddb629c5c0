'use strict';
// Sends a batch through a pool: in one round trip where the pool can (`queryBatch`), else a query each.

const { STATE } = require('../pool/engine.cjs');
const errors = require('./errors.cjs');
const { knowledgeOf } = require('./knowledge.cjs');
const { refused } = require('./carriers.cjs');
const { sendToPostgres } = require('./postgres.cjs');

/** Whether it is a pool of this package whose connections are PostgreSQL's: what its results are is known. */
const isPostgres = (pool) => pool[STATE]?.server !== undefined;

function fromOutcome(outcome) {
  if (outcome === null || typeof outcome !== 'object') return undefined;
  const failed = outcome.error !== undefined || ('error' in outcome && !('value' in outcome));
  return failed ? refused(outcome.error) : outcome.value;
}

async function onOwnConnection(pool, text, params) {
  const connection = await pool.acquire();
  try {
    if (typeof connection?.query !== 'function') throw errors.noQuery();
    return await connection.query(text, params);
  } finally {
    await pool.release?.(connection);
  }
}

/**
 * The results by index; a query that failed has a rejected promise in its place. `settings` are `mergeLookups` and
 * `deduplicate`; what is done is counted in `counts`.
 */
async function sendThroughPool(pool, queries, settings, counts) {
  if (isPostgres(pool)) return sendToPostgres(pool, queries, settings, counts);
  counts.statementsSent += queries.length;
  const statements = queries.map(({ query, params }) => ({ text: query, params: params ?? [] }));
  if (typeof pool.queryBatch === 'function') {
    const outcomes = await pool.queryBatch(statements);
    if (!Array.isArray(outcomes)) throw errors.notAnArray();
    return statements.map((_, index) => fromOutcome(outcomes[index]));
  }
  let one;
  if (typeof pool.query === 'function') one = async ({ text, params }) => pool.query(text, params);
  else if (typeof pool.acquire === 'function') one = ({ text, params }) => onOwnConnection(pool, text, params);
  else throw errors.noQuery();
  const settled = await Promise.allSettled(statements.map(one));
  return settled.map(({ status, value, reason }) => (status === 'fulfilled' ? value : refused(reason)));
}

/** What becomes of queries of a text that wait together: `{ deduplicates, merges, statement, reason }`. */
async function planOf(pool, text, { mergeLookups, deduplicate }) {
  if (!pool || !isPostgres(pool)) return { deduplicates: false, merges: false, reason: 'there is no PostgreSQL pool' };
  const { shares, merged, refusal } = await knowledgeOf(pool, text);
  const merges = mergeLookups && merged !== undefined;
  const reason = merges || merged === undefined ? refusal : 'mergeLookups is switched off';
  return { deduplicates: deduplicate && shares, merges, statement: merges ? merged : undefined, reason };
}

exports.planOf = planOf;
exports.sendThroughPool = sendThroughPool;
