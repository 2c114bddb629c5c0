// Environment: DATABASE_URL, LEDGER_SCHEMA, CACHE_DIR, PORT.
import { LEDGER_END } from '../ledger.mjs';
import { Meter } from '../meter.mjs';
import { createDashboard, createLimiter, createMetrics, createTracer, openLedger } from '../modules.mjs';
import { serve } from '../service.mjs';
import { detailed } from '../spans.mjs';
import { createBudget } from './app.mjs';

const ledger = await openLedger({
  connectionString: process.env.DATABASE_URL,
  schema: process.env.LEDGER_SCHEMA,
  cacheDir: process.env.CACHE_DIR,
  ledgerEnd: LEDGER_END,
});
const limiter = createLimiter({ name: 'budget', rateLimit: 1000, refillRate: 500 });
const tracer = createTracer({ serviceName: 'budget' });
const meter = new Meter();
const dashboard = createDashboard({ title: 'budget', ...ledger.modules, limiter, tracer });

await serve({
  name: 'budget',
  app: createBudget({ ledger, limiter, tracer, meter, dashboard, metrics: createMetrics(), context: detailed(tracer) }),
  port: Number(process.env.PORT ?? 0),
  report: () => ({ ...meter.report(), ...ledger.stats(), limiter: limiter.getStats(), tracer: tracer.getMetrics() }),
  async close() {
    limiter.shutdown();
    tracer.shutdown();
    await ledger.close();
  },
});
