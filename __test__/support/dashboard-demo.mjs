// The demo's budget service with every module in one process, on a real PostgreSQL, under a real load: what the tests
// of the dashboard look at.
import http from 'node:http';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import pg from 'pg';
import { createBudget } from '../../examples/servers/budget/app.mjs';
import { openLedger } from '../../examples/servers/budget/data-native.mjs';
import { LEDGER_END, loadLedger } from '../../examples/servers/ledger.mjs';
import { plan } from '../../examples/servers/load.mjs';
import { Meter } from '../../examples/servers/meter.mjs';
import {
  CircuitBreaker,
  dashboard,
  DistributedTracer,
  HealthMonitor,
  HorizontalScalingManager,
  IntelligentRouter,
  LoadBalancer,
  RateLimiter,
} from '../../src/js/index.mjs';
import { startPostgres } from './postgres.mjs';
import { until } from './until.mjs';

const INSTANCE = fileURLToPath(new URL('instance.mjs', import.meta.url));
const SCHEMA = 'ledger';
const HOSTILE = '<script>window.injected = true</script>';

const listening = async (server) => {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server.address().port;
};

async function ledgerOn(url) {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await loadLedger(client, SCHEMA, { calls: 20_000, onProgress() {}, signal: new AbortController().signal });
  await client.end();
}

/** A limiter that the crawler runs into; a refusal is an answer of 429. */
function limiterOf() {
  const limiter = new RateLimiter({ rateLimit: 20, refillRate: 6, refillInterval: 250, maxWaitTime: 100 });
  const acquire = limiter.acquire.bind(limiter);
  limiter.acquire = (...args) =>
    acquire(...args).catch((error) => {
      throw Object.assign(error, { status: 429 });
    });
  return limiter;
}

/** Breakers in each of the three states. */
async function breakersOf() {
  const breakers = new Map(
    ['mail', 'payments', 'search'].map((name) => [name, new CircuitBreaker(name, { resetTimeout: 600_000 })]),
  );
  for (let call = 0; call < 40; call += 1) await breakers.get('mail').execute(async () => 'sent');
  for (let call = 0; call < 5; call += 1)
    await breakers
      .get('payments')
      .execute(() => Promise.reject(new Error('down')))
      .catch(() => {});
  breakers.get('search').transition('HALF_OPEN');
  return breakers;
}

/** `{ url, modules, load, ask(path), stop() }`; options go to the dashboard. */
export async function startDemo(options = {}) {
  const ends = [];
  const stop = async () => {
    for (const end of ends.splice(0).reverse()) await end();
  };
  try {
    const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-dashboard-'));
    ends.push(() => fs.rmSync(home, { recursive: true, force: true }));
    const postgres = await startPostgres();
    ends.push(() => postgres.stop());
    await ledgerOn(postgres.url);
    const ledger = await openLedger({
      connectionString: postgres.url,
      schema: SCHEMA,
      cacheDir: home,
      ledgerEnd: LEDGER_END,
    });
    ends.push(() => ledger.close());
    ledger.modules.optimizer.slowQueryThreshold = 3;

    const limiter = limiterOf();
    const tracer = new DistributedTracer({ serviceName: 'budget', samplingRate: 1 });
    ends.push(
      () => limiter.shutdown(),
      () => tracer.shutdown(),
    );
    const breakers = await breakersOf();

    const router = new IntelligentRouter({ algorithm: 'p2c-ewma' });
    const instances = new HorizontalScalingManager({ router, command: [process.execPath, INSTANCE] });
    ends.push(() => instances.shutdown());
    instances.registerService('worker', 20_000 + (process.pid % 20_000));
    await instances.scaleUp('worker', 2);
    const proxy = router.proxy('worker');
    ends.push(() => proxy.close());
    const front = http.createServer(proxy);
    const frontPort = await listening(front);
    ends.push(
      () =>
        new Promise((resolve) => {
          front.close(resolve);
          front.closeAllConnections();
        }),
    );
    const balancer = new LoadBalancer('p2c-ewma', { seed: 1 });
    for (const id of ['eu-1', 'eu-2', 'us-1']) balancer.addTarget({ id });

    const modules = { ...ledger.modules, limiter, tracer, breakers, router, balancer, instances };
    const health = new HealthMonitor({ checkInterval: 500 });
    ends.push(() => health.destroy());
    const page = dashboard({ title: 'budget', intervalMs: 500, ...modules, health, ...options });
    const server = http.createServer(createBudget({ ledger, limiter, tracer, meter: new Meter(), dashboard: page }));
    const port = await listening(server);
    ends.push(
      () =>
        new Promise((resolve) => {
          page.close();
          server.close(resolve);
          server.closeAllConnections();
        }),
    );
    health.registerService('budget', port, { host: '127.0.0.1' });
    health.registerService('ledger archive', 9, { host: '127.0.0.1', maxFailures: 1 });

    const url = `http://127.0.0.1:${port}`;
    const ask = async (path, { client = 'someone', ...rest } = {}) => {
      const response = await fetch(url + path, {
        ...rest,
        headers: { 'x-client-id': client, 'content-type': 'application/json' },
      });
      await response.arrayBuffer();
      return response.status;
    };
    const load = startLoad({ ask, tracer, balancer, worker: `http://127.0.0.1:${frontPort}/` });
    ends.push(() => load.stop());
    await ask('/prices/3', { client: HOSTILE });
    limiter.block(HOSTILE, 3_600_000);
    await until(() => Object.values(health.getAllHealth()).every(({ status }) => status !== 'unknown'));
    return { url, modules: { ...modules, health }, load, ask, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

const pause = (ms) =>
  new Promise((resolve) => {
    setTimeout(resolve, ms);
  });

/** A piece of work with spans in spans, tags and logs; every other one fails. */
function nightlyJob(tracer, number) {
  const failed = number % 2 === 0;
  const job = async () => {
    const { traceId } = tracer.active();
    tracer.addTag(traceId, 'job', 'invoices');
    tracer.addTag(traceId, 'markup', HOSTILE);
    tracer.addLog(traceId, `batch ${number} begins`);
    await tracer.run('invoices.collect', () => tracer.run('ledger.read', () => pause(4)));
    await tracer.run('invoices.send', () =>
      tracer.run('mail.deliver', async () => {
        await pause(8);
        if (!failed) return;
        tracer.addLog(traceId, 'the mail server said 451', 'error');
        throw new Error('451 try again later');
      }),
    );
  };
  return tracer.run('nightly invoices', job).catch(() => {});
}

/** The demo's load, and wrong requests among it, until it is stopped. */
function startLoad({ ask, tracer, balancer, worker }) {
  const requests = plan({ rate: 120, crawler: true });
  const underWay = new Set();
  let sent = 0;
  let timer = setInterval(() => {
    if (underWay.size > 100) return;
    const { path: at, client, method, body } = requests.next().value;
    sent += 1;
    const wrong = sent % 60 === 0;
    const one = Promise.allSettled([
      ask(wrong ? '/prices/99' : at, { client, method: wrong ? 'GET' : method, body: wrong ? undefined : body }),
      sent % 80 === 0 ? nightlyJob(tracer, sent / 80) : undefined,
      sent % 4 === 0 ? fetch(worker).then((response) => response.text()) : undefined,
    ]).finally(() => underWay.delete(one));
    underWay.add(one);
    const target = balancer.acquire();
    target?.done(5 + (sent % 7));
  }, 8);
  return {
    /** Ends the load; resolves when the last request has been answered. */
    async stop() {
      clearInterval(timer);
      timer = undefined;
      await Promise.all(underWay);
    },
  };
}
