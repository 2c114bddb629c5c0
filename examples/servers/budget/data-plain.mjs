// The ledger through `pg` alone: ten direct connections, open from the start; every question a query.
import pg from 'pg';
import { statements } from './statements.mjs';

export async function openLedger({ connectionString, schema, ledgerEnd }) {
  const sql = statements(schema);
  const pool = new pg.Pool({ connectionString, max: 10, idleTimeoutMillis: 0 });
  // A connection that breaks while idle is replaced at the next question.
  pool.on('error', (error) => console.error(`budget: idle connection lost: ${error.message}`));
  const clients = await Promise.all(Array.from({ length: 10 }, () => pool.connect()));
  for (const client of clients) client.release();

  const rows = async (text, params) => (await pool.query(text, params)).rows;
  const row = async (text, params) => (await rows(text, params))[0] ?? null;

  return {
    price: (provider) => row(sql.price, [provider]),
    quality: (provider) => row(sql.quality, [provider, ledgerEnd]),
    usage: (cohort) => rows(sql.usage, [cohort]),
    spend: (cohort) => row(sql.spend, [cohort]),
    recent: (cohort) => rows(sql.recent, [cohort]),
    record: (call) =>
      row(sql.record, [call.cohort, call.provider, call.at, call.inputTokens, call.outputTokens, call.latencyMs]),
    stats: () => ({ pool: { poolSize: pool.totalCount, waitingRequests: pool.waitingCount } }),
    close: () => pool.end(),
  };
}
