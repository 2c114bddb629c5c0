// Drops a tracer that has spans pending: prints how many threads its exporter had before and has in the end.
import fs from 'node:fs';
import { DistributedTracer } from '../../src/js/lib/distributed-tracer.mjs';

const threads = () => fs.readdirSync('/proc/self/task').filter((id) => {
  try {
    return fs.readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === 'tooloo-traces';
  } catch {
    // It ended in between.
    return false;
  }
}).length;

let tracer = new DistributedTracer({ samplingRate: 1, exporter: { otlp: { endpoint: process.env.COLLECTOR, delayMs: 60_000 } } });
for (let index = 0; index < 600; index += 1) tracer.endTrace(tracer.startTrace().traceId);
const end = Date.now() + 30_000;
const wait = () => new Promise((resolve) => setTimeout(resolve, 20));
while (threads() === 0 && Date.now() < end) await wait();
const before = threads();
tracer = null;
while (threads() > 0 && Date.now() < end) {
  globalThis.gc();
  await wait();
}
console.log(JSON.stringify([before, threads()]));
