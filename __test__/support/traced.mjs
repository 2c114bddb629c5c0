// A process with a tracer, for tests of its end: COLLECTOR, HOW it ends, EXIT_MS as `exitTimeoutMs`.
import { isMainThread, parentPort } from 'node:worker_threads';
import { DistributedTracer } from '../../src/js/lib/distributed-tracer.mjs';

const { COLLECTOR: endpoint, HOW: how, EXIT_MS = '2000' } = process.env;
const tracer = new DistributedTracer({
  serviceName: how, samplingRate: 1, exporter: { otlp: { endpoint, exitTimeoutMs: Number(EXIT_MS), delayMs: 60_000 } },
});
const trace = () => tracer.endTrace(tracer.startTrace().traceId);
for (let index = 0; index < 5; index += 1) trace();

const say = (what) => (isMainThread ? process.send?.(what) : parentPort.postMessage(what));
const stay = () => setInterval(() => {}, 1000);
const ways = {
  // Nothing more to do.
  natural: () => {},
  exit: () => process.exit(3),
  shutdown: () => tracer.shutdown(),
  flush: async () => say(await tracer.flush()),
  throws: () => { throw new Error('uncaught'); },
  signal: () => stay(),
  // The application has the last word, and something to do before it.
  'own handler': () => {
    const alive = stay();
    process.once('SIGTERM', () => setTimeout(() => {
      trace();
      clearInterval(alive);
      process.disconnect?.();
      process.exitCode = 7;
    }, 50));
  },
  // As libraries do that look whether they are the only ones: they kill then, as nobody else would.
  'counts listeners': () => {
    stay();
    const mine = () => {
      if (process.listenerCount('SIGTERM') > 1) return;
      process.off('SIGTERM', mine);
      process.kill(process.pid, 'SIGTERM');
    };
    process.on('SIGTERM', mine);
  },
  busy: () => {
    stay();
    setInterval(() => { for (let index = 0; index < 200; index += 1) trace(); }, 1);
  },
};
say('ready');
await ways[how]();
if (isMainThread && process.send && !['signal', 'own handler', 'counts listeners', 'busy'].includes(how)) process.disconnect();
