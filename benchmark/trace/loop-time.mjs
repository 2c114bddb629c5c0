// How long the event loop's thread has worked: its processor time where the system tells it, as what a busy machine takes away from
// it must not count; else the time that the loop was not idle.
import fs from 'node:fs';
import { performance } from 'node:perf_hooks';

const SCHEDULED = `/proc/self/task/${process.pid}/schedstat`;
const isTold = fs.existsSync(SCHEDULED);

/** Milliseconds so far. */
export function loopMs() {
  if (!isTold) return performance.eventLoopUtilization().active;
  return Number(fs.readFileSync(SCHEDULED, 'utf8').split(' ')[0]) / 1e6;
}
