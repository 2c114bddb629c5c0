// One call at a time through a closed circuit, and the refusal of an open one. `async` functions that are done at once:
// what is left is the breaker's own cost.
import { CircuitBreaker as Baseline } from './baseline/circuit-breaker.mjs';
import { timeAwaited } from './harness.mjs';
import { peer } from './peers.mjs';
import { CircuitBreaker } from '../src/js/lib/circuit-breaker.mjs';

const CALLS = 20_000;
const work = async () => 1;
const fail = () => Promise.reject(new Error('down'));

function closed(Breaker, options) {
  const breaker = new Breaker('bench', options);
  return () => timeAwaited(CALLS, () => breaker.execute(work));
}

async function open(Breaker) {
  const breaker = new Breaker('bench', { failureThreshold: 1 });
  await breaker.execute(fail).catch(() => {});
  return () => timeAwaited(CALLS, () => breaker.execute(work).catch(() => {}));
}

export async function run(table) {
  await table.compare({ title: 'breaker.execute, closed, against plain JS', goal: 1, baseline: closed(Baseline), ours: closed(CircuitBreaker) });
  await table.compare({ title: 'breaker.execute, open, against plain JS', goal: 1, baseline: await open(Baseline), ours: await open(CircuitBreaker) });
  const window = { window: { kind: 'time', size: 10_000 }, slowCallMs: 1000 };
  const opossum = peer('opossum');
  if (opossum) {
    const theirs = new opossum(work, { timeout: 5000 });
    const baseline = () => timeAwaited(CALLS, () => theirs.fire());
    // Each has a call site of its own, as in an app that uses one of them.
    const plain = new CircuitBreaker('bench');
    const ours = () => timeAwaited(CALLS, () => plain.execute(work));
    await table.compare({ title: 'breaker.execute, closed, against opossum', goal: 3, baseline, ours, rounds: 15 });
    const windowed = new CircuitBreaker('bench', window);
    const timed = () => timeAwaited(CALLS, () => windowed.execute(work));
    await table.compare({ title: 'breaker.execute, closed, with a window of time, against opossum', goal: 2, baseline, ours: timed, rounds: 15 });
    theirs.shutdown();
  }
  const cockatiel = peer('cockatiel');
  if (cockatiel) {
    const { circuitBreaker, ConsecutiveBreaker, handleAll, timeout, TimeoutStrategy, wrap } = cockatiel;
    const breaker = circuitBreaker(handleAll, { halfOpenAfter: 30_000, breaker: new ConsecutiveBreaker(5) });
    const theirs = wrap(breaker, timeout(5000, TimeoutStrategy.Aggressive));
    const baseline = () => timeAwaited(CALLS, () => theirs.execute(work));
    await table.compare({ title: 'breaker.execute, closed, against cockatiel with its timeout', goal: 1, baseline, ours: closed(CircuitBreaker) });
  }
}
