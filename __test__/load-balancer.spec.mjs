import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import test from 'node:test';
import Balancer, { LoadBalancer } from '../src/js/lib/resilience/LoadBalancer.mjs';
import { survives } from './support/resilience.mjs';

function made(algorithm, ids = [1, 2, 3], options = undefined) {
  const balancer = new Balancer(algorithm, options);
  for (const id of ids) balancer.addTarget({ id });
  return balancer;
}
const next = (balancer, count) => Array.from({ length: count }, () => balancer.nextTarget().id);

test('import, require and the default export are one class', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/resilience/LoadBalancer.cjs');
  assert.equal(required.default, Balancer);
  assert.equal(LoadBalancer, Balancer);
  const balancer = new Balancer();
  assert.deepEqual([balancer.algorithm, balancer.roundRobinIndex, balancer.targets, balancer.stats.requestsServed], ['round-robin', 0, [], 0]);
  assert.ok(JSON.stringify(balancer).includes('round-robin'));
});

test('LB-K1: in turn, in the order of insertion, and around; the very object comes back', () => {
  const balancer = made();
  assert.deepEqual(next(balancer, 5), [1, 2, 3, 1, 2]);
  assert.equal(balancer.nextTarget(), balancer.targets[2]);
  assert.equal(balancer.getStats().requestsServed, 6);
});

test('without targets the next is null, and nothing was served', () => {
  const balancer = new Balancer();
  assert.equal(balancer.nextTarget(), null);
  assert.equal(balancer.acquire(), null);
  assert.equal(balancer.stats.requestsServed, 0);
});

test('LB-K2: targetStats is a live Map', () => {
  const balancer = made();
  const { targetStats, activeTargets } = balancer.getStats();
  assert.equal(targetStats, balancer.stats.targetStats);
  assert.deepEqual([targetStats.get(1), activeTargets], [{ requests: 0, latency: 0 }, 3]);
  assert.equal(JSON.parse(JSON.stringify(balancer.getStats())).activeTargets, 3);
});

test('least-connections takes the fewest recorded requests, of equals the earlier; unknown names the first', () => {
  const balancer = made('least-connections');
  assert.deepEqual(next(balancer, 2), [1, 1]);
  balancer.recordRequest(1, 5);
  assert.deepEqual(next(balancer, 2), [2, 2]);
  balancer.recordRequest(2, 5);
  balancer.recordRequest(3, 5);
  assert.deepEqual(next(balancer, 1), [1]);
  assert.deepEqual(next(made('strange'), 3), [1, 1, 1]);
});

test('setAlgorithm and rebalance', () => {
  const balancer = made();
  next(balancer, 2);
  balancer.rebalance();
  assert.deepEqual(next(balancer, 1), [1]);
  balancer.setAlgorithm('strange');
  assert.deepEqual(next(balancer, 2), [1, 1]);
});

test('LB-D1: after a removal the round goes on with the target that was next', () => {
  const balancer = made();
  next(balancer, 2);
  balancer.removeTarget(3);
  assert.deepEqual(next(balancer, 3), [1, 2, 1]);
  const other = made(undefined, [1, 2, 3, 4]);
  next(other, 2);
  other.removeTarget(1);
  assert.deepEqual(next(other, 3), [3, 4, 2]);
  for (const id of [2, 3, 4]) other.removeTarget(id);
  assert.equal(other.nextTarget(), null);
  other.removeTarget('unknown');
});

test('LB-D2: the first latency counts whole, and what is no number not at all', () => {
  const balancer = made();
  balancer.recordRequest(1, 10);
  assert.deepEqual(balancer.stats.targetStats.get(1), { requests: 1, latency: 10 });
  balancer.recordRequest(1, 20);
  balancer.recordRequest(1);
  balancer.recordRequest(1, NaN);
  assert.deepEqual(balancer.stats.targetStats.get(1), { requests: 4, latency: 15 });
  balancer.recordRequest('unknown', 5);
});

test('LB-D3: requests under way count until they are done', () => {
  const balancer = made('least-connections');
  const calls = [balancer.acquire(), balancer.acquire(), balancer.acquire()];
  assert.deepEqual(calls.map(({ target }) => target.id), [1, 2, 3]);
  calls[1].done(5);
  calls[1].done(5);
  assert.equal(balancer.nextTarget().id, 2);
  assert.equal(balancer.stats.targetStats.get(2).requests, 1);
  balancer.removeTarget(1);
  calls[0].done(5);
  assert.equal(made('least-request').acquire().target.id, 1);
});

test('LB-D4: statistics are there as a plain object too, whatever the ids', () => {
  const balancer = made('round-robin', ['a', '__proto__']);
  balancer.recordRequest('a', 5);
  assert.deepEqual(JSON.parse(JSON.stringify(balancer.getStats().byTarget.a)), { requests: 1, latency: 5 });
  assert.equal({}.requests, undefined);
});

test('adding an id again resets its statistics, and duplicates share the round', () => {
  const balancer = made(undefined, [1, 2]);
  balancer.recordRequest(1, 5);
  balancer.addTarget({ id: 1 });
  assert.equal(balancer.stats.targetStats.get(1).requests, 0);
  assert.deepEqual(next(balancer, 3), [1, 2, 1]);
  balancer.removeTarget(1);
  assert.deepEqual(next(balancer, 2), [2, 2]);
});

test('targets that somebody pushed into the array take part', () => {
  const balancer = made(undefined, [1]);
  balancer.targets.push({ id: 2 });
  assert.deepEqual(next(balancer, 3), [1, 2, 1]);
  balancer.targets = [{ id: 9 }];
  assert.deepEqual(next(balancer, 2), [9, 9]);
});

test('smooth weights spread a heavy target', () => {
  const balancer = new Balancer('smooth-weighted-round-robin');
  for (const [id, weight] of [['a', 5], ['b', 1], ['c', 1]]) balancer.addTarget({ id, weight });
  assert.equal(next(balancer, 7).join(''), 'aabacaa');
});

test('two choices avoid what is slow; a seed repeats every choice', () => {
  const balancer = made('p2c-ewma', [1, 2, 3, 4, 5, 6, 7, 8, 9, 10], { seed: 7 });
  for (const { id } of balancer.targets) balancer.recordRequest(id, id === 4 ? 1000 : 10);
  const slow = next(balancer, 5000).filter((id) => id === 4).length;
  assert.ok(slow < 250, `${slow}`);
  const draw = (seed) => next(made('random', undefined, { seed }), 40).join();
  assert.equal(draw(1), draw(1));
  assert.notEqual(draw(1), draw(2));
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => {
    const balancer = new Balancer(value, { seed: value });
    balancer.addTarget({ id: value, weight: value });
    balancer.nextTarget();
    balancer.recordRequest(value, value);
    balancer.acquire().done(value);
    balancer.setAlgorithm(value);
    balancer.roundRobinIndex = value;
    balancer.nextTarget();
    balancer.removeTarget(value);
  }), 40);
  assert.equal(await survives((value) => new Balancer('random', value)), 40);
  assert.equal(await survives((value) => new Balancer().addTarget(value)), 40);
  assert.equal(await survives((value) => {
    const balancer = new Balancer();
    balancer.targets = value;
    balancer.nextTarget();
  }), 40);
});
