// The budget service: answers provider, price and usage questions from the ledger.
import express from 'express';
import { COHORTS, PROVIDERS } from '../ledger.mjs';
import { inSpan } from '../spans.mjs';

/** Providers a cohort may use: four of the twelve. */
const allowed = (cohort) => [0, 1, 2, 3].map((step) => 1 + ((cohort + step * 3) % PROVIDERS));

const whole = (value, most) => {
  const number = Number(value);
  if (!Number.isInteger(number) || number < 1 || number > most) {
    throw Object.assign(new Error('no such number'), { status: 400 });
  }
  return number;
};

export function createBudget({ ledger, limiter, tracer, meter, dashboard, metrics, context = false }) {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get('/stats', (req, res) => {
    res.json({ ...ledger.stats(), limiter: limiter.getStats(), tracer: tracer.getMetrics() });
  });
  app.get('/health', (req, res) => res.send('ok'));
  // Before the tracer, which need not see who is watching.
  if (dashboard !== undefined) app.use('/dashboard', dashboard);
  if (metrics !== undefined) app.get('/metrics', metrics);
  app.use(tracer.middleware({ context }));
  app.use(express.json());

  /** A route whose handler gets `ask(question, …)`: a timed question to the ledger, as a span of the request. */
  const answer = (handler) => async (req, res) => {
    const ask = (question, ...args) =>
      inSpan(tracer, req.trace, `ledger.${question}`, () => meter.time(() => ledger[question](...args)));
    try {
      await limiter.acquire(req.headers['x-client-id'] ?? req.ip);
      const result = await handler(req, ask);
      if (result === null) res.status(404).json({ error: 'not found' });
      else res.json(result);
    } catch (error) {
      if (!error.status) console.error(`budget: ${req.method} ${req.path}: ${error.message}`);
      if (!res.headersSent) res.status(error.status ?? 500).json({ error: error.message, traceId: req.trace.traceId });
    }
  };

  app.get('/prices/:provider', answer((req, ask) => ask('price', whole(req.params.provider, PROVIDERS))));
  app.get('/quality/:provider', answer((req, ask) => ask('quality', whole(req.params.provider, PROVIDERS))));
  app.get('/usage/:cohort', answer((req, ask) => ask('usage', whole(req.params.cohort, COHORTS))));
  app.get('/recent/:cohort', answer((req, ask) => ask('recent', whole(req.params.cohort, COHORTS))));

  // The cheapest provider for so many tokens, and whether the cohort can still pay it.
  app.get('/quote/:cohort', answer(async (req, ask) => {
    const cohort = whole(req.params.cohort, COHORTS);
    const tokens = whole(req.query.tokens ?? 1000, 1_000_000);
    const [spend, ...prices] = await Promise.all([
      ask('spend', cohort),
      ...allowed(cohort).map((provider) => ask('price', provider)),
    ]);
    const cost = (price) => (tokens * (price.inputPrice + price.outputPrice / 4)) / 1_000_000;
    const best = prices.reduce((cheapest, price) => (cost(price) < cost(cheapest) ? price : cheapest));
    const left = spend.budget - spend.spent;
    return { cohort: spend.name, provider: best.name, cost: cost(best), left, affordable: cost(best) <= left };
  }));

  // A dashboard line for each of up to ten cohorts.
  app.get('/overview', answer(async (req, ask) => {
    const cohorts = String(req.query.cohorts ?? '').split(',').slice(0, 10).map((cohort) => whole(cohort, COHORTS));
    return Promise.all(cohorts.map((cohort) => ask('spend', cohort)));
  }));

  app.post('/calls', answer((req, ask) => {
    const { at, inputTokens, outputTokens, latencyMs } = req.body;
    const call = { cohort: whole(req.body.cohort, COHORTS), provider: whole(req.body.provider, PROVIDERS) };
    return ask('record', { ...call, at, inputTokens, outputTokens, latencyMs });
  }));
  return app;
}
