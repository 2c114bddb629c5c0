'use strict';
// An app's own metrics. The native registry keeps them; here is what finds a series quickly.

const { performance } = require('node:perf_hooks');
const { native } = require('../addon.cjs');
const { storage } = require('../trace/context.cjs');

const SERIES = Symbol('series');
const NONE = [];

function listOf(options, name) {
  const value = options[name];
  if (value === undefined || value === null) return undefined;
  if (!Array.isArray(value)) throw new TypeError(`option "${name}" must be an array`);
  return value;
}

function labelNames(options) {
  const names = listOf(options, 'labelNames') ?? NONE;
  for (const name of names) if (typeof name !== 'string') throw new TypeError('option "labelNames" must be an array of strings');
  return [...names];
}

function boundsOf(options) {
  const buckets = listOf(options, 'buckets');
  if (buckets === undefined) return undefined;
  for (const bound of buckets) if (typeof bound !== 'number') throw new TypeError('option "buckets" must be an array of numbers');
  return Float64Array.from(buckets);
}

function textOf(name, value) {
  switch (typeof value) {
    case 'string': return value;
    case 'number': case 'boolean': case 'bigint': return String(value);
    case 'undefined': return '';
    default: throw new TypeError(`the label "${name}" must be a string, a number or a boolean`);
  }
}

/** What all three have in common. */
class Metric {
  constructor(type, options) {
    if (options === null || typeof options !== 'object') throw new TypeError('a metric needs an options object with name and help');
    const names = labelNames(options);
    const [number, most] = native.metricsDefine(type, options, names, boundsOf(options));
    const bare = names.length === 0 ? native.metricsSeries(number, NONE) : undefined;
    // `known`: value of the first label → … → value of the last one → series.
    Object.defineProperty(this, SERIES, { value: { number, names, bare, most, known: new Map(), kept: 0 } });
  }
}

/** The series for the values of the labels. */
function seriesOf(metric, labels) {
  const state = metric[SERIES];
  const { names } = state;
  if (names.length > 0 && labels !== null && typeof labels === 'object') {
    let found = state.known;
    for (let at = 0; at < names.length && found !== undefined; at += 1) found = found.get(labels[names[at]]);
    if (found !== undefined) {
      let given = 0;
      // Only counted: as many as there are names, all of which were found, are none besides.
      for (const _name in labels) given += 1;
      if (given === names.length) return found;
    }
  }
  return newSeries(state, labels);
}

/** As `seriesOf`, looking at everything; what it finds is found sooner from then on. */
function newSeries(state, labels) {
  const { number, names, bare } = state;
  if (labels === undefined) {
    if (bare !== undefined) return bare;
    throw new TypeError(`labels are needed: ${names.join(', ')}`);
  }
  if (labels === null || typeof labels !== 'object') throw new TypeError('labels must be an object');
  for (const name in labels) {
    if (!names.includes(name)) throw new TypeError(`there is no label "${name}" among: ${names.join(', ')}`);
  }
  if (bare !== undefined) return bare;
  const given = names.map((name) => labels[name]);
  const series = native.metricsSeries(number, names.map((name, at) => textOf(name, given[at])));
  // Beyond the bound all share a series, and there is no end of them.
  if (state.kept < state.most) {
    const last = given.pop();
    let map = state.known;
    for (const value of given) {
      if (!map.has(value)) map.set(value, new Map());
      map = map.get(value);
    }
    if (!map.has(last)) state.kept += 1;
    map.set(last, series);
  }
  return series;
}

/** `(value)` or `(labels, value)` → `[series, value]` */
function split(metric, first, second, otherwise) {
  if (first !== undefined && typeof first !== 'number') return [seriesOf(metric, first), checked(second ?? otherwise)];
  return [seriesOf(metric, undefined), checked(first ?? otherwise)];
}

function checked(value) {
  if (typeof value !== 'number') throw new TypeError(`a value must be a number, got ${value === null ? 'null' : typeof value}`);
  return value;
}

/** One series, found once. */
class Bound {
  constructor(series) {
    Object.defineProperty(this, SERIES, { value: series });
  }
}

class BoundCounter extends Bound {
  inc(value = 1) {
    native.metricsAdd(this[SERIES], checked(value));
  }
}

class BoundGauge extends Bound {
  inc(value = 1) {
    native.metricsAdd(this[SERIES], checked(value));
  }

  dec(value = 1) {
    native.metricsAdd(this[SERIES], -checked(value));
  }

  set(value) {
    native.metricsSet(this[SERIES], checked(value));
  }
}

class BoundHistogram extends Bound {
  observe(value, exemplar) {
    observe(this[SERIES], checked(value), exemplar);
  }

  startTimer() {
    const start = performance.now();
    return () => {
      const seconds = (performance.now() - start) / 1e3;
      this.observe(seconds);
      return seconds;
    };
  }
}

/** With the trace of the code that runs now, or the one given. */
function observe(series, value, exemplar = storage.getStore()) {
  if (exemplar === undefined || exemplar === null) {
    native.metricsObserve(series, value);
    return;
  }
  const { traceId, spanId } = exemplar;
  if (typeof traceId !== 'string') throw new TypeError('an exemplar needs a traceId');
  native.metricsObserve(series, value, traceId, spanId);
}

class Counter extends Metric {
  constructor(options) {
    super('counter', options);
  }

  inc(first, second) {
    const [series, value] = split(this, first, second, 1);
    native.metricsAdd(series, value);
  }

  labels(labels) {
    return new BoundCounter(seriesOf(this, labels));
  }
}

class Gauge extends Metric {
  constructor(options) {
    const collect = options?.collect ?? undefined;
    if (collect !== undefined && typeof collect !== 'function') throw new TypeError('option "collect" must be a function');
    super('gauge', options);
    if (collect !== undefined) require('./scrape.cjs').collectors.set(this, collect);
  }

  inc(first, second) {
    const [series, value] = split(this, first, second, 1);
    native.metricsAdd(series, value);
  }

  dec(first, second) {
    const [series, value] = split(this, first, second, 1);
    native.metricsAdd(series, -value);
  }

  set(first, second) {
    const [series, value] = split(this, first, second, undefined);
    native.metricsSet(series, value);
  }

  labels(labels) {
    return new BoundGauge(seriesOf(this, labels));
  }
}

class Histogram extends Metric {
  constructor(options) {
    super('histogram', options);
  }

  observe(first, second, third) {
    const labelled = first !== undefined && typeof first !== 'number';
    const [series, value] = labelled ? split(this, first, second) : split(this, first);
    observe(series, value, labelled ? third : second);
  }

  startTimer(labels) {
    return this.labels(labels).startTimer();
  }

  labels(labels) {
    return new BoundHistogram(seriesOf(this, labels));
  }
}

module.exports = { Counter, Gauge, Histogram };
