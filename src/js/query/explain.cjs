'use strict';
// Asks the server for a plan, for its catalog and, where it can, for the plan with an index that is not there. What to
// send and what the answers mean is decided in native code.

const { native } = require('../addon.cjs');
const errors = require('./errors.cjs');

/** Runs `fn` with a connection of its own where the pool has such; else with the pool, and `false`. */
async function onConnection(pool, fn) {
  if (typeof pool.withConnection === 'function') return pool.withConnection((connection) => fn(connection, true));
  // A `pg.Pool`: its clients say themselves when they are free.
  const connects = typeof pool.connect === 'function' && typeof pool.query === 'function';
  if (connects || typeof pool.acquire === 'function') {
    const connection = connects ? await pool.connect() : await pool.acquire();
    try {
      if (typeof connection?.query !== 'function') throw errors.noQuery();
      return await fn(connection, true);
    } finally {
      await (connects ? connection?.release?.() : pool.release?.(connection));
    }
  }
  if (typeof pool.query !== 'function') throw errors.noQuery();
  return fn(pool, false);
}

/** The plan of an answer, as JSON. */
function planOf(result) {
  const plan = result?.rows?.[0]?.['QUERY PLAN'];
  const json = typeof plan === 'string' ? plan : JSON.stringify(plan);
  if (json === undefined) throw errors.noPlan();
  return json;
}

/** Runs a statement and takes back what it did. */
async function rolledBack(connection, run) {
  await connection.query('BEGIN');
  try {
    return await run();
  } finally {
    await connection.query('ROLLBACK');
  }
}

/** Tries a proposal: `{ cost, gain, used }`; `undefined` when the server refuses such an index. */
async function tried(connection, schema, proposal, before, ask) {
  let made;
  try {
    made = (await connection.query(`select indexrelid::text as id, indexname as name from ${schema}.hypopg_create_index($1)`, [proposal.sql])).rows[0];
  } catch {
    return undefined;
  }
  try {
    const [cost, gain, used] = native.queryGain(before, await ask(), made.name);
    return { cost, gain, used };
  } finally {
    await connection.query(`select ${schema}.hypopg_drop_index($1::oid)`, [made.id]);
  }
}

async function explain(pool, query, params, options) {
  const statement = native.queryExplain(query, options, false);
  const running = native.queryExplain(query, options, true);
  if (!pool) throw errors.noPool();
  return onConnection(pool, async (connection, own) => {
    const send = async (sql) => planOf(await connection.query(sql, params ?? []));
    if (running !== statement && !own) throw errors.noTransaction();
    const plan = running === statement ? await send(statement) : await rolledBack(connection, () => send(running));
    const { rows } = await connection.query(native.queryTables(), [native.queryExplainTables(plan)]);
    const { catalog = '[]', hypopg = null } = rows[0] ?? {};
    const found = JSON.parse(native.queryExplained(query, plan, catalog, options));
    const proposals = found.indexProposals.map((proposal) => ({ ...proposal, tried: null }));
    if (own && hypopg !== null && proposals.length > 0 && options?.hypothetical !== false) {
      const schema = `"${hypopg.replaceAll('"', '""')}"`;
      const before = running === statement ? found.totalCost : JSON.parse(await send(statement))[0].Plan['Total Cost'];
      for (const proposal of proposals) {
        proposal.tried = await tried(connection, schema, proposal, before, () => send(statement));
      }
    }
    return { ...found, indexProposals: proposals.filter((proposal) => proposal.tried !== undefined) };
  });
}

module.exports = { explain };
