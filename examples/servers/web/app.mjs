// The web service: limits each client, traces each request, and asks the budget service.
import express from 'express';
import { request } from '../http.mjs';
import { inSpan } from '../spans.mjs';

/** After so long the budget service counts as silent. */
const ANSWER_MS = 15_000;

export function createWeb({ budgetUrl, breaker, limiter, tracer, meter, dashboard, metrics, cdn, context = false }) {
  const app = express();
  app.disable('x-powered-by');
  app.disable('etag');
  app.get('/stats', (req, res) => res.json({ limiter: limiter.getStats(), tracer: tracer.getMetrics() }));
  if (dashboard !== undefined) app.use('/dashboard', dashboard);
  if (metrics !== undefined) app.get('/metrics', metrics);
  if (cdn !== undefined) app.use('/api', cdn);
  app.use('/api', tracer.middleware({ context }));

  // A client above its rate waits for its turn; one that would wait too long is told when to come back.
  app.use('/api', async (req, res, next) => {
    try {
      await limiter.acquire(req.headers['x-client-id'] ?? req.ip);
      next();
    } catch (error) {
      res.set('Retry-After', String(Math.ceil((error.retryAfterMs ?? 1000) / 1000)));
      res.status(429).json({ error: 'too many requests' });
    }
  });
  app.use('/api', express.text({ type: 'application/json' }));

  app.use('/api', async (req, res) => {
    try {
      const answer = await meter.time(() =>
        inSpan(tracer, req.trace, `budget ${req.path.split('/')[1]}`, (span) =>
          breaker.execute(() => request(budgetUrl, req.url, {
            method: req.method,
            headers: {
              'x-client-id': req.headers['x-client-id'] ?? req.ip,
              traceparent: tracer.traceparent(req.trace.traceId, span),
            },
            body: req.method === 'POST' ? req.body : undefined,
          }), { name: 'budget', timeout: ANSWER_MS }),
        ),
      );
      res.status(answer.status).type('json').send(answer.text);
    } catch (error) {
      console.error(`web: ${req.method} ${req.path}: ${error.message}`);
      if (!res.headersSent) res.status(502).json({ error: 'the budget service does not answer' });
    }
  });
  return app;
}
