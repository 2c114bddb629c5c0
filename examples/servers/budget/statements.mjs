// The questions to the ledger, as SQL. Both data layers ask exactly these.

/** The statements for the tables in `schema`. */
export function statements(schema) {
  const at = `"${schema.replaceAll('"', '""')}"`;
  return {
    price: `SELECT id, name, region, context_tokens AS "contextTokens", input_price::float8 AS "inputPrice",
        output_price::float8 AS "outputPrice" FROM ${at}.providers WHERE id = $1`,
    quality: `SELECT count(*)::int AS calls, avg(ok::int)::float8 AS "successRate", avg(latency_ms)::float8 AS "latencyMs",
        percentile_disc(0.95) WITHIN GROUP (ORDER BY latency_ms) AS "p95Ms"
      FROM ${at}.calls WHERE provider_id = $1 AND at >= $2::timestamptz - interval '1 day'`,
    usage: `SELECT (at AT TIME ZONE 'UTC')::date::text AS day, count(*)::int AS calls,
        sum(input_tokens + output_tokens)::int AS tokens, sum(cost)::float8 AS cost
      FROM ${at}.calls WHERE cohort_id = $1 GROUP BY 1 ORDER BY 1`,
    spend: `SELECT c.id, c.name, c.monthly_budget::float8 AS budget, coalesce(sum(k.cost), 0)::float8 AS spent
      FROM ${at}.cohorts c LEFT JOIN ${at}.calls k ON k.cohort_id = c.id WHERE c.id = $1 GROUP BY c.id`,
    recent: `SELECT provider_id AS "providerId", at, input_tokens AS "inputTokens", output_tokens AS "outputTokens",
        latency_ms AS "latencyMs", cost::float8 AS cost, ok
      FROM ${at}.calls WHERE cohort_id = $1 ORDER BY at DESC LIMIT 50`,
    record: `INSERT INTO ${at}.calls (cohort_id, provider_id, at, input_tokens, output_tokens, latency_ms, cost, ok)
      SELECT $1::int, p.id, $3::timestamptz, $4::int, $5::int, $6::int,
        ($4::int * p.input_price + $5::int * p.output_price) / 1000000, true
      FROM ${at}.providers p WHERE p.id = $2 RETURNING cost::float8 AS cost`,
  };
}
