import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import test from 'node:test';
import named, { ProviderQualityLearner } from '../src/js/lib/provider-quality-learner.mjs';
import { survives } from './support/resilience.mjs';

test('import, require and the default export are one class', () => {
  const required = createRequire(import.meta.url)('../src/js/lib/provider-quality-learner.cjs');
  assert.equal(named, ProviderQualityLearner);
  assert.equal(required.ProviderQualityLearner, ProviderQualityLearner);
  assert.equal(required.default, ProviderQualityLearner);
});

test('a new learner has the defaults, readable as fields', () => {
  const learner = new ProviderQualityLearner();
  assert.deepEqual([learner.maxHistoryPerPrompt, learner.decayHours, learner.history.size], [100, 24, 0]);
  assert.deepEqual(Object.keys(learner.metrics), ['totalRecords', 'recommendations', 'learningStartTime']);
  assert.equal(new ProviderQualityLearner({ decayHours: 0 }).decayHours, 24);
  assert.ok(JSON.stringify(learner).includes('decayHours'));
});

test('PQ-K1: null when nothing qualifies', () => {
  const learner = new ProviderQualityLearner();
  assert.equal(learner.recommend('p'), null);
  assert.equal(learner.getStats('p'), null);
  learner.record('p', 'a', 0.4, 100, 0.1);
  assert.equal(learner.recommend('p'), null);
  assert.equal(learner.recommend('p', { minScore: 0.3 }), 'a');
  assert.equal(learner.recommend('p', { minScore: 0.3, maxLatency: 50 }), null);
  assert.equal(learner.recommend('p', { minScore: 0.3, maxCost: 0.05 }), null);
});

test('PQ-K2: names are in lower case; of equals the later wins', () => {
  const learner = new ProviderQualityLearner();
  learner.record('p', 'OpenAI', 0.9, 100, 0.1);
  assert.equal(learner.recommend('p'), 'openai');
  learner.history.get(learner.hash('p'))[0].timestamp = Date.now() + 1e6;
  learner.record('p', 'Other', 0.9, 100, 0.1);
  learner.history.get(learner.hash('p'))[1].timestamp = Date.now() + 1e6;
  assert.equal(learner.recommend('p'), 'other');
});

test('PQ-K3: statistics have their texts and numbers', () => {
  const learner = new ProviderQualityLearner();
  learner.record('p', 'a', 0.8, 100, 0.01);
  learner.record('p', 'a', 1, 201, 0.01);
  assert.deepEqual(learner.getStats('p'), {
    a: { count: 2, avgScore: '0.900', avgLatency: 151, avgCost: '0.0100', minScore: 0.8, maxScore: 1 },
  });
});

test('scores are clamped, and the oldest observation is dropped beyond the limit', () => {
  const learner = new ProviderQualityLearner({ maxHistoryPerPrompt: 2 });
  learner.record('p', 'a', 7, -5, -1);
  assert.deepEqual({ ...learner.history.get(learner.hash('p'))[0], timestamp: 0 }, { provider: 'a', score: 1, latency: 0, cost: 0, timestamp: 0 });
  learner.record('p', 'b', 0.6, 1, 1);
  learner.record('p', 'c', 0.6, 1, 1);
  assert.deepEqual(learner.history.get(learner.hash('p')).map(({ provider }) => provider), ['b', 'c']);
});

test('hash is the beginning of the SHA-256 of the text', () => {
  const learner = new ProviderQualityLearner();
  assert.equal(learner.hash('hello'), createHash('sha256').update('hello').digest('hex').slice(0, 12));
  assert.equal(learner.hash(5), learner.hash('5'));
});

test('PQ-D1: a provider of any name pollutes nothing', () => {
  const learner = new ProviderQualityLearner();
  for (const name of ['__proto__', 'constructor', 'toString']) learner.record('p', name, 0.9, 1, 0.1);
  const stats = learner.getStats('p');
  assert.deepEqual(Object.keys(stats), ['__proto__', 'constructor', 'tostring']);
  assert.equal(Object.getOwnPropertyDescriptor(stats, '__proto__').value.count, 1);
  assert.equal({}.count, undefined);
  assert.equal(Object.count, undefined);
  assert.equal(Object.keys(learner.getState().providerScores).length, 3);
});

test('PQ-D2: outcomes are recorded and ranked, as the budget service reads them', () => {
  const learner = new ProviderQualityLearner();
  assert.deepEqual(learner.getRecommendations(), []);
  assert.equal(learner.getState().topPerformer, null);
  for (let index = 0; index < 3; index += 1) {
    learner.recordOutcome('good', { timestamp: new Date().toISOString(), prompt: 'x', success: true, latency: 5, providers: 2 });
    learner.recordOutcome('bad', { success: false, error: 'down' });
  }
  const [first, second] = learner.getRecommendations();
  assert.deepEqual([first.provider, first.score, first.callCount, second.provider, second.score], ['good', 1, 3, 'bad', 0]);
  const state = learner.getState();
  assert.equal(state.outcomeCount, 6);
  assert.equal(state.topPerformer, 'good');
  assert.deepEqual(state.providerScores.good, { score: 1, callCount: 3 });
  assert.equal(typeof state.confidenceThreshold, 'number');
  assert.equal(state.recentOutcomes.length, 6);
  for (let index = 0; index < 200; index += 1) learner.recordOutcome('many', { success: true });
  assert.equal(learner.getState().recentOutcomes.length, 100);
});

test('PQ-D3: one lucky observation does not beat a steady provider', () => {
  const learner = new ProviderQualityLearner();
  learner.record('p', 'lucky', 1, 100, 0.1);
  for (let index = 0; index < 19; index += 1) learner.record('p', 'lucky', 0, 100, 0.1);
  for (let index = 0; index < 20; index += 1) learner.record('p', 'steady', 0.9, 100, 0.1);
  assert.equal(learner.recommend('p', { minScore: 0 }), 'steady');
  assert.equal(learner.recommend('p'), 'steady');
});

test('PQ-D4: what is no number is 0, partial weights are completed, a limit of 0 divides nothing', () => {
  const learner = new ProviderQualityLearner();
  learner.record('p', 'odd', NaN, undefined, 'x');
  assert.deepEqual(learner.getStats('p').odd.avgScore, '0.000');
  learner.record('q', 'cheap', 0.7, 100, 0);
  learner.record('q', 'dear', 0.7, 100, 0.9);
  assert.equal(learner.recommend('q', { weights: { score: 0.1 } }), 'cheap');
  assert.equal(learner.recommend('q', { weights: { cost: NaN } }), 'cheap');
  learner.record('free', 'a', 1, 0, 0);
  assert.equal(learner.recommend('free', { maxLatency: 0, maxCost: 0 }), 'a');
});

test('PQ-D5: prompts are bounded, stale observations go, objects have hashes of their own', () => {
  const learner = new ProviderQualityLearner({ maxPrompts: 10, decayHours: 1 });
  for (let index = 0; index < 25; index += 1) learner.record(`p ${index}`, 'a', 1, 1, 0.1);
  assert.equal(learner.history.size, 10);
  assert.equal(learner.recommend('p 24'), 'a');
  assert.equal(learner.recommend('p 0'), null);
  const entries = learner.history.get(learner.hash('p 24'));
  entries[0].timestamp -= 11 * 3_600_000;
  learner.record('p 24', 'b', 1, 1, 0.1);
  assert.deepEqual(learner.history.get(learner.hash('p 24')).map(({ provider }) => provider), ['b']);
  assert.notEqual(learner.hash({ a: 1 }), learner.hash({ a: 2 }));
  assert.equal(learner.hash({ a: 1, b: 2 }), learner.hash({ b: 2, a: 1 }));
});

test('exploring tries what is little known, and a seed repeats its choices', () => {
  const run = (seed) => {
    const learner = new ProviderQualityLearner({ exploration: 'thompson', seed });
    for (let index = 0; index < 5; index += 1) learner.record('p', 'known', 0.8, 100, 0.1);
    learner.record('p', 'new', 0.3, 100, 0.1);
    return Array.from({ length: 100 }, () => learner.recommend('p')).join();
  };
  assert.equal(run(7), run(7));
  assert.notEqual(run(7), run(8));
  assert.ok(run(7).includes('known') && run(7).includes('new'));
});

test('getState counts', () => {
  const learner = new ProviderQualityLearner();
  learner.record('p', 'a', 1, 1, 0.1);
  learner.recommend('p');
  const { learnedPrompts, totalRecords, recommendations, learningSinceMs } = learner.getState();
  assert.deepEqual([learnedPrompts, totalRecords, recommendations], [1, 1, 1]);
  assert.ok(learningSinceMs >= 0);
});

test('overriding hash takes effect', () => {
  class Mine extends ProviderQualityLearner {
    hash() { return 'one'; }
  }
  const learner = new Mine();
  learner.record('a', 'x', 1, 1, 0.1);
  assert.equal(learner.recommend('b'), 'x');
  assert.deepEqual([...learner.history.keys()], ['one']);
});

test('a bad option is named with its value', () => {
  assert.throws(() => new ProviderQualityLearner({ exploration: 'wild' }), { name: 'RangeError', message: /"exploration".*"wild"/ });
  assert.throws(() => new ProviderQualityLearner({ decayHours: -1 }), { name: 'RangeError', message: /"decayHours".*-1/ });
  assert.throws(() => new ProviderQualityLearner(null), TypeError);
});

test('forty odd values are answered, wherever they are put', async () => {
  assert.equal(await survives((value) => new ProviderQualityLearner(value)), 40);
  const learner = new ProviderQualityLearner({ exploration: 'thompson' });
  assert.equal(await survives((value) => {
    learner.record(value, value, value, value, value);
    learner.recommend(value, value ?? undefined);
    learner.recommend('p', { maxLatency: value, maxCost: value, minScore: value, weights: value });
    learner.getStats(value);
  }), 40);
  assert.equal(await survives((value) => learner.recordOutcome(value, value)), 40);
  JSON.stringify(learner.getState().providerScores);
});
