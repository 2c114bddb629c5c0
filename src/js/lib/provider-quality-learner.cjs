'use strict';
// Learns which provider does well for which prompt. Observations live here, in a public Map; what they say is judged in
// native code.

const { createHash } = require('node:crypto');
const { native } = require('../addon.cjs');
const { enroll } = require('../metrics/members.cjs');
const { digest } = require('../resilience/digest.cjs');
const { steadyNow } = require('../resilience/steady.cjs');
const { read, textOf } = require('../resilience/text.cjs');

const HASH_DIGITS = 12;
const FIELDS = 5;
const HOUR = 3_600_000;
/** Decays after which an observation counts less than one in twenty thousand. */
const FORGOTTEN_AFTER = 10;
const MAX_RECENT = 100;
const MAX_NAMES = 1000;
const CONFIDENCE_THRESHOLD = 0.5;

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('ProviderQualityLearner');

/** What a seed gives: two halves of the state of the source of random numbers. */
function stateOf(seed) {
  if (seed === undefined || seed === null) return Float64Array.from([0, 0], () => Math.floor(Math.random() * 2 ** 32));
  const bytes = createHash('sha256').update(textOf(seed)).digest();
  return Float64Array.of(bytes.readUInt32LE(0), bytes.readUInt32LE(4));
}

/** The oldest name goes when there are too many; a Map remembers the order of insertion. */
function renew(map, key, value, capacity) {
  map.delete(key);
  map.set(key, value);
  if (map.size > capacity) map.delete(map.keys().next().value);
}

function fold(learner, name, score, now) {
  const { scores } = learner[INNER];
  const known = scores.get(name) ?? { cells: new Float64Array(3), callCount: 0 };
  native.learnerFold(known.cells, score, now, learner.decayHours);
  known.callCount += 1;
  renew(scores, name, known, MAX_NAMES);
}

/** Best first. */
function ranked(learner) {
  return [...learner[INNER].scores]
    .map(([provider, { cells, callCount }]) => ({ provider, score: cells[1] / cells[0], callCount, confidence: 1 - 1 / (1 + cells[0]) }))
    .sort((one, other) => other.score - one.score || other.callCount - one.callCount);
}

class ProviderQualityLearner {
  constructor(options = {}) {
    const cells = new Float64Array(4);
    native.learnerConfig(options, cells);
    const [maxHistory, decayHours, maxPrompts, explores] = cells;
    this.history = new Map();
    this.maxHistoryPerPrompt = maxHistory;
    this.decayHours = decayHours;
    this.metrics = { totalRecords: 0, recommendations: 0, learningStartTime: steadyNow() };
    const random = explores === 1 ? stateOf(options.seed) : undefined;
    Object.defineProperty(this, INNER, { value: { maxPrompts, random, scores: new Map(), recent: [], outcomes: 0 } });
    enroll('ProviderQualityLearner', this, options, { stats: this.metrics });
  }

  record(prompt, provider, score, latency, cost) {
    const now = steadyNow();
    const name = textOf(provider).toLowerCase();
    const entry = {
      provider: name,
      score: native.learnerSane(score, 1),
      latency: native.learnerSane(latency, Number.MAX_SAFE_INTEGER),
      cost: native.learnerSane(cost, Number.MAX_SAFE_INTEGER),
      timestamp: now,
    };
    const hash = this.hash(prompt);
    const oldest = now - FORGOTTEN_AFTER * this.decayHours * HOUR;
    const entries = (this.history.get(hash) ?? []).filter(({ timestamp }) => !(timestamp < oldest));
    entries.push(entry);
    if (entries.length > this.maxHistoryPerPrompt) entries.splice(0, entries.length - this.maxHistoryPerPrompt);
    renew(this.history, hash, entries, this[INNER].maxPrompts);
    this.metrics.totalRecords += 1;
    fold(this, name, entry.score, now);
  }

  recommend(prompt, { maxLatency, maxCost, minScore, weights } = {}) {
    const entries = this.history.get(this.hash(prompt));
    if (entries === undefined || entries.length === 0) return null;
    const numbers = new Map();
    const flat = new Float64Array(entries.length * FIELDS);
    entries.forEach(({ provider, score, latency, cost, timestamp }, index) => {
      if (!numbers.has(provider)) numbers.set(provider, numbers.size);
      flat.set([numbers.get(provider), score, latency, cost, timestamp], index * FIELDS);
    });
    const chosen = native.learnerRecommend(
      flat, maxLatency, maxCost, minScore, read(weights, 'score'), read(weights, 'latency'), read(weights, 'cost'),
      Number(this.decayHours), steadyNow(), this[INNER].random,
    );
    if (chosen < 0) return null;
    this.metrics.recommendations += 1;
    return [...numbers.keys()][chosen];
  }

  getStats(prompt) {
    const entries = this.history.get(this.hash(prompt));
    if (entries === undefined || entries.length === 0) return null;
    const sums = new Map();
    for (const { provider, score, latency, cost } of entries) {
      const sum = sums.get(provider) ?? { count: 0, score: 0, latency: 0, cost: 0, min: Infinity, max: -Infinity };
      sum.count += 1;
      sum.score += score;
      sum.latency += latency;
      sum.cost += cost;
      sum.min = Math.min(sum.min, score);
      sum.max = Math.max(sum.max, score);
      sums.set(provider, sum);
    }
    // Own properties, whatever a provider is called.
    return Object.fromEntries([...sums].map(([provider, { count, score, latency, cost, min, max }]) => [provider, {
      count,
      avgScore: (score / count).toFixed(3),
      avgLatency: Math.round(latency / count),
      avgCost: (cost / count).toFixed(4),
      minScore: min,
      maxScore: max,
    }]));
  }

  hash(prompt) {
    if (prompt !== null && typeof prompt === 'object') return digest(prompt, HASH_DIGITS);
    return createHash('sha256').update(textOf(prompt)).digest('hex').slice(0, HASH_DIGITS);
  }

  /** How a call of a category of work ended; `outcome` is `{ success, latency, … }`, or has a `score` from 0 to 1. */
  recordOutcome(category, outcome) {
    const inner = this[INNER];
    const score = read(outcome, 'score');
    inner.outcomes += 1;
    inner.recent.push({ category: textOf(category), ...(typeof outcome === 'object' ? outcome : undefined) });
    if (inner.recent.length > MAX_RECENT) inner.recent.shift();
    const value = typeof score === 'number' ? score : Boolean(read(outcome, 'success'));
    fold(this, textOf(category), native.learnerSane(value, 1), steadyNow());
  }

  /** All that is known, best first: `{ provider, score, callCount, confidence }`. */
  getRecommendations() {
    return ranked(this);
  }

  getState() {
    const all = ranked(this);
    const { recent, outcomes } = this[INNER];
    return {
      learnedPrompts: this.history.size,
      totalRecords: this.metrics.totalRecords,
      recommendations: this.metrics.recommendations,
      learningSinceMs: steadyNow() - this.metrics.learningStartTime,
      outcomeCount: outcomes,
      providerScores: Object.fromEntries(all.map(({ provider, score, callCount }) => [provider, { score, callCount }])),
      topPerformer: all[0]?.provider ?? null,
      confidenceThreshold: CONFIDENCE_THRESHOLD,
      recentOutcomes: [...recent],
    };
  }
}

exports.ProviderQualityLearner = ProviderQualityLearner;
exports.default = ProviderQualityLearner;
Object.defineProperty(exports, '__esModule', { value: true });
