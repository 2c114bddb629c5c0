'use strict';
// Sends a batch through a pool: in one round trip where the pool can (`queryBatch`), else a query each.

const errors = require('./errors.cjs');

const ignore = () => {};

/** A result that rejects its own caller only. */
function refused(error) {
  const promise = Promise.reject(error);
  // Its caller hears of it; until then it must not count as unhandled.
  promise.catch(ignore);
  return promise;
}

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

/** The results by index; a query that failed has a rejected promise in its place. */
async function sendThroughPool(pool, queries) {
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

exports.sendThroughPool = sendThroughPool;
