// The tables `npm start` prints.

const ms = (value) => `${value.toFixed(value < 10 ? 2 : 1)} ms`;
const whole = (value) => Math.round(value ?? 0).toLocaleString('en');
const mb = (bytes) => `${(bytes / 1024 / 1024).toFixed(0)} MB`;

/** Rows of cells as an aligned table; the first row is its head. */
export function table(rows) {
  const widths = rows[0].map((_, column) => Math.max(...rows.map((row) => [...String(row[column])].length)));
  const line = (row) => `| ${row.map((cell, column) => String(cell).padEnd(widths[column])).join(' | ')} |`;
  const rule = `|${widths.map((width) => '-'.repeat(width + 2)).join('|')}|`;
  return [line(rows[0]), rule, ...rows.slice(1).map(line)].join('\n');
}

const operations = ({ requests = {} }) =>
  Object.entries(requests)
    .filter(([, { p50Ms }]) => p50Ms !== undefined)
    .sort(([, one], [, other]) => other.count - one.count);

/** What each module did, from the reports of web and budget. */
export function moduleTable({ web, budget }, { connections, load }) {
  const { cache, pool, optimizer } = budget;
  const calls = (limiter) => `${whole(limiter.allowedRequests)} let through, ${whole(limiter.queuedRequests)} waited, ` +
    `${whole(limiter.deniedRequests)} refused`;
  const advice = Object.values(optimizer.advice).flat().length;
  const [busiest, figures] = operations(budget.tracer).find(([name]) => name.startsWith('ledger.')) ?? [];
  const spans = busiest ? `; ${busiest}: p50 ${ms(figures.p50Ms)}, p99 ${ms(figures.p99Ms)}` : '';
  return table([
    ['module', 'what it did, one second of warming up included'],
    ['PersistentCache', `hit rate ${cache.hitRate} of ${whole(cache.hits + cache.misses)} lookups, ${whole(cache.writes)} writes`],
    ['ConnectionPool', `${connections} of at most 3 connections used, ${whole(pool.acquired)} borrowings`],
    ['QueryOptimizer', `${whole(optimizer.queriesBatched)} queries in ${whole(optimizer.batches)} batches of ` +
      `${optimizer.averageLatency} each, ${optimizer.slowQueriesCount} slow, ${advice} pieces of advice`],
    ['RateLimiter (web)', `${calls(web.limiter)}; ${whole(load.turnedAway)} answers of 429, all to the crawler`],
    ['RateLimiter (budget)', calls(budget.limiter)],
    ['DistributedTracer (web)', `${whole(web.tracer.totalRequests)} traces and spans, errors ${web.tracer.errorRate}`],
    ['DistributedTracer (budget)', `${whole(budget.tracer.totalRequests)} traces and spans, errors ${budget.tracer.errorRate}${spans}`],
  ]);
}

/** The same load with and without the modules: `[{ load, report, connections }, …]` */
export function comparisonTable(on, off) {
  const change = (before, after) => {
    const percent = Math.round((after / before - 1) * 100);
    if (before === 0 || percent === 0) return '';
    return `${percent > 0 ? '+' : '−'}${Math.abs(percent)} %`;
  };
  const row = (title, format, pick) => [title, format(pick(off)), format(pick(on)), change(pick(off), pick(on))];
  return table([
    ['the same load', 'modules off', 'modules on', 'change'],
    row('requests served', whole, ({ load }) => load.requests - load.failed - load.turnedAway),
    row('requests failed', whole, ({ load }) => load.failed),
    row('p50 of an answer, seen by the client', ms, ({ load }) => load.latency.p50Ms),
    row('p99 of an answer, seen by the client', ms, ({ load }) => load.latency.p99Ms),
    row('p50 of a question to the ledger', ms, ({ report }) => report.budget.questions.p50Ms),
    row('p99 of a question to the ledger', ms, ({ report }) => report.budget.questions.p99Ms),
    row('database connections', whole, ({ connections }) => connections),
    row('processor time of the budget service', ms, ({ report }) => report.budget.cpuMs),
    row('memory of the budget service', mb, ({ report }) => report.budget.rssBytes),
  ]);
}
