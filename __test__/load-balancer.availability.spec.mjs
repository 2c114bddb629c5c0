// Which targets may be chosen: ejection, zones, draining; and the same key to the same target.
import assert from 'node:assert/strict';
import test from 'node:test';
import { LoadBalancer } from '../src/js/lib/resilience/LoadBalancer.mjs';
import { until } from './support/until.mjs';

function made(algorithm, targets, options) {
  const balancer = new LoadBalancer(algorithm, options);
  for (const target of targets) balancer.addTarget(typeof target === 'object' ? target : { id: target });
  return balancer;
}
const next = (balancer, count, options) => Array.from({ length: count }, () => balancer.nextTarget(options)?.id);
const ALGORITHMS = [
  'round-robin',
  'least-connections',
  'least-request',
  'random',
  'p2c-ewma',
  'smooth-weighted-round-robin',
  'consistent-hash',
  'strange',
];

test('consistent-hash: a key keeps its target, and only a lost target’s keys move', () => {
  const balancer = made('consistent-hash', ['a', 'b', 'c', 'd']);
  const keys = Array.from({ length: 400 }, (_, number) => `user ${number}`);
  const homes = () => keys.map((key) => balancer.nextTarget({ key }).id);
  const before = homes();
  assert.deepEqual(homes(), before);
  for (const id of ['a', 'b', 'c', 'd']) assert.ok(before.filter((home) => home === id).length > 40, id);
  balancer.removeTarget('b');
  homes().forEach((home, index) => before[index] !== 'b' && assert.equal(home, before[index]));
  assert.equal(balancer.nextTarget({ key: 7 }).id, balancer.nextTarget({ key: '7' }).id);
});

test('consistent-hash: a target has no more than its bound of the load', () => {
  const balancer = made('consistent-hash', ['a', 'b', 'c', 'd'], { hashBound: 1.25 });
  const busy = {};
  for (let call = 0; call < 100; call += 1) {
    const { target } = balancer.acquire({ key: 'the same' });
    busy[target.id] = (busy[target.id] ?? 0) + 1;
  }
  assert.ok(Math.max(...Object.values(busy)) <= Math.ceil((1.25 * 100) / 4), JSON.stringify(busy));
});

test('consistent-hash without a key goes in turn by weight', () => {
  assert.deepEqual(next(made('consistent-hash', ['a', { id: 'b', weight: 2 }]), 3), ['a', 'b', 'b']);
});

for (const algorithm of ALGORITHMS) {
  test(`${algorithm}: who is leaving gets nothing new, and neither does who is ejected`, () => {
    const balancer = made(algorithm, ['a', 'b', 'c'], { outlier: { minimumRequests: 3 }, seed: 3 });
    balancer.drainTarget('a');
    assert.ok(!next(balancer, 30).includes('a'));
    for (let call = 0; call < 3; call += 1) balancer.recordFailure('b');
    assert.deepEqual([...new Set(next(balancer, 10))], ['c']);
    assert.equal(balancer.getStats().availableTargets, 1);
    balancer.drainTarget('c');
    assert.equal(balancer.nextTarget(), null);
    assert.equal(balancer.acquire(), null);
  });
}

test('a target that fails too often is away for its time, and back after it', async () => {
  const balancer = made('round-robin', ['a', 'b'], {
    outlier: { minimumRequests: 4, failureRate: 0.5, baseEjectionMs: 100 },
  });
  for (let call = 0; call < 8; call += 1) {
    const { target, done } = balancer.acquire();
    done(1, target.id === 'a' ? new Error('failed') : undefined);
  }
  assert.deepEqual(next(balancer, 3), ['b', 'b', 'b']);
  await until(() => balancer.getStats().availableTargets === 2);
  assert.ok(next(balancer, 2).includes('a'));
});

test('one always may be ejected, and never more than the share says', () => {
  const balancer = made('round-robin', ['a', 'b', 'c', 'd'], {
    outlier: { minimumRequests: 2, maxEjectionPercent: 50 },
  });
  for (const id of ['a', 'b', 'c', 'd']) for (let call = 0; call < 3; call += 1) balancer.recordFailure(id);
  assert.equal(balancer.getStats().availableTargets, 2);
});

test('without the option failures are counted and send nobody away', () => {
  const balancer = made('least-connections', ['a', 'b']);
  for (let call = 0; call < 50; call += 1) balancer.recordFailure('a');
  assert.equal(balancer.getStats().availableTargets, 2);
  assert.deepEqual(balancer.getStats().byTarget.a, { requests: 50, latency: 0 });
  assert.deepEqual(next(balancer, 1), ['b'], 'failing at once does not look like being free');
  balancer.recordFailure('unknown');
});

test('who asked and gave up says nothing of the target', () => {
  const balancer = made('least-request', ['a', 'b'], { outlier: { minimumRequests: 2 } });
  for (let call = 0; call < 10; call += 1)
    balancer.acquire().done(undefined, new DOMException('given up', 'AbortError'));
  assert.equal(balancer.getStats().availableTargets, 2);
  assert.equal(balancer.getStats().byTarget.a.requests, 0);
  assert.deepEqual(next(balancer, 1), ['a'], 'nothing is under way there');
});

test('a drain resolves when nothing is under way, also where the target is removed meanwhile', async () => {
  const balancer = made('round-robin', ['a', 'b']);
  const [first, second] = [balancer.acquire(), balancer.acquire()];
  const again = [balancer.acquire(), balancer.acquire()];
  let ended = [];
  const drains = ['a', 'b'].map((id) => balancer.drainTarget(id).then(() => ended.push(id)));
  first.done(1);
  await new Promise(setImmediate);
  assert.deepEqual(ended, []);
  again[0].done(1);
  await drains[0];
  assert.deepEqual(ended, ['a']);
  balancer.removeTarget('b');
  await drains[1];
  second.done(1);
  again[1].done(1);
  await balancer.drainTarget('a');
  await balancer.drainTarget('unknown');
  ended = null;
});

test('a drain goes on when the array is changed by somebody else, and a target that is added again is new', () => {
  const balancer = made('round-robin', ['a', 'b']);
  const [leaving] = balancer.targets;
  balancer.drainTarget('a');
  balancer.targets.push({ id: 'c' });
  balancer.targets = [...balancer.targets];
  assert.deepEqual(new Set(next(balancer, 6)), new Set(['b', 'c']));
  balancer.removeTarget('a');
  balancer.addTarget(leaving);
  assert.ok(next(balancer, 6).includes('a'));
});

test('the own zone is preferred while enough of it is there', () => {
  const targets = [
    { id: 'a', zone: 'eu' },
    { id: 'b', zone: 'us' },
    { id: 'c', zone: 'eu' },
  ];
  const balancer = made('round-robin', targets, { zone: 'eu', zoneThreshold: 0.6 });
  assert.deepEqual(new Set(next(balancer, 6)), new Set(['a', 'c']));
  balancer.drainTarget('c');
  assert.deepEqual(new Set(next(balancer, 6)), new Set(['a', 'b']));
});

test('a new target begins with a part of its share', () => {
  const balancer = made('round-robin', ['a'], { slowStartMs: 600_000, seed: 1 });
  const other = made('round-robin', ['a', 'b'], { seed: 1 });
  assert.equal(next(balancer, 3).join(''), 'aaa');
  assert.equal(next(other, 4).join(''), 'abab');
});

test('options that cannot be meant are refused with their names', () => {
  for (const [options, message] of [
    [{ zoneThreshold: 2 }, /zoneThreshold/],
    [{ hashBound: 0.5 }, /hashBound/],
    [{ slowStartMs: -1 }, /slowStartMs/],
    [{ panicThreshold: 'x' }, /panicThreshold/],
    [{ outlier: { failureRate: 7 } }, /failureRate/],
  ]) {
    assert.throws(() => new LoadBalancer('random', options), message);
  }
});
