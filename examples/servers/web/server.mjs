// Environment: BUDGET_URL, PORT.
import { closeConnections } from '../http.mjs';
import { Meter } from '../meter.mjs';
import { createBreaker, createDashboard, createHealth, createLimiter, createMetrics, createTracer } from '../modules.mjs';
import { serve } from '../service.mjs';
import { detailed } from '../spans.mjs';
import { createWeb } from './app.mjs';

const limiter = createLimiter({ name: 'web', rateLimit: 60, refillRate: 20, refillInterval: 250, maxWaitTime: 500 });
const tracer = createTracer({ serviceName: 'web' });
const breaker = createBreaker('budget', { failureThreshold: 20, resetTimeout: 2000 });
const health = createHealth({ name: 'web', checkInterval: 2000 });
const { hostname, port } = new URL(process.env.BUDGET_URL);
health.registerService('budget', Number(port), { host: hostname });
const meter = new Meter();
const dashboard = createDashboard({ title: 'web', limiter, tracer, breakers: [breaker], health });

await serve({
  name: 'web',
  app: createWeb({
    budgetUrl: process.env.BUDGET_URL, breaker, limiter, tracer, meter, dashboard, metrics: createMetrics(), context: detailed(tracer),
  }),
  port: Number(process.env.PORT ?? 0),
  report: () => ({ ...meter.report(), limiter: limiter.getStats(), tracer: tracer.getMetrics() }),
  async close() {
    health.destroy();
    limiter.shutdown();
    tracer.shutdown();
    closeConnections();
  },
});
