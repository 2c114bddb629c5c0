// Choosing among 1,000 targets against a plain-JavaScript filtered list, and whether 100,000 cost more.
import { BaselineBalancer, BaselineRouter } from './baseline/router.mjs';
import { timeSync } from './harness.mjs';
import { IntelligentRouter } from '../src/js/lib/resilience/IntelligentRouter.mjs';
import { LoadBalancer } from '../src/js/lib/resilience/LoadBalancer.mjs';

function routing(router, targets, calls) {
  for (let index = 0; index < targets; index += 1) router.addTarget('api', index % 60_000, 1, { host: `10.0.${Math.floor(index / 60_000)}.1` });
  return () => timeSync(calls, () => router.routeRequest('api'));
}

/** Chosen and reported: the fewest requests. */
function balancing(balancer, targets, calls) {
  for (let index = 0; index < targets; index += 1) balancer.addTarget({ id: index });
  return () => timeSync(calls, () => balancer.recordRequest(balancer.nextTarget().id, 5));
}

export async function run(table) {
  await table.compare({
    title: 'routeRequest, 1,000 targets', goal: 20, baseline: routing(new BaselineRouter(), 1000, 2000), ours: routing(new IntelligentRouter(), 1000, 100_000),
  });
  for (const algorithm of ['weighted-round-robin', 'least-connections', 'p2c-ewma', 'smooth-weighted-round-robin']) {
    await table.compare({
      title: `routeRequest ${algorithm}, 100,000 targets against 1,000`,
      // Ten or a hundred times as much memory is touched; looking at each would be 100 times slower.
      goal: 0.2,
      baseline: routing(new IntelligentRouter({ algorithm }), 1000, 100_000),
      ours: routing(new IntelligentRouter({ algorithm }), 100_000, 100_000),
    });
  }
  await table.compare({
    title: 'nextTarget and recordRequest, least-connections, 1,000 targets',
    goal: 20,
    baseline: balancing(new BaselineBalancer(), 1000, 2000),
    ours: balancing(new LoadBalancer('least-connections'), 1000, 20_000),
  });
  await table.compare({
    title: 'nextTarget and recordRequest, least-connections, 100,000 targets against 1,000',
    // Ten or a hundred times as much memory is touched; looking at each would be 100 times slower.
      goal: 0.2,
    baseline: balancing(new LoadBalancer('least-connections'), 1000, 20_000),
    ours: balancing(new LoadBalancer('least-connections'), 100_000, 20_000),
  });
}
