// Environment: BUDGET_URL, PORT.
import { closeConnections } from '../http.mjs';
import { Meter } from '../meter.mjs';
import { createLimiter, createTracer } from '../modules.mjs';
import { serve } from '../service.mjs';
import { createWeb } from './app.mjs';

const limiter = createLimiter({ rateLimit: 60, refillRate: 20, refillInterval: 250, maxWaitTime: 500 });
const tracer = createTracer({ serviceName: 'web' });
const meter = new Meter();

await serve({
  name: 'web',
  app: createWeb({ budgetUrl: process.env.BUDGET_URL, limiter, tracer, meter }),
  port: Number(process.env.PORT ?? 0),
  report: () => ({ ...meter.report(), limiter: limiter.getStats(), tracer: tracer.getMetrics() }),
  async close() {
    limiter.shutdown();
    tracer.shutdown();
    closeConnections();
  },
});
