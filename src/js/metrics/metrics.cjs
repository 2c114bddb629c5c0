'use strict';
// The registry as apps see it.

const { native } = require('../addon.cjs');
const { Counter, Gauge, Histogram } = require('./own.cjs');
const { instances } = require('./members.cjs');
const { TEXT, scrape } = require('./scrape.cjs');

const metrics = {
  counter: (options) => new Counter(options),
  gauge: (options) => new Gauge(options),
  histogram: (options) => new Histogram(options),
  /** Everything in the text format 0.0.4. */
  text: () => scrape(TEXT).toString(),
  /** Everything in the format that an `Accept` header asks for. */
  scrape(accept = '') {
    if (typeof accept !== 'string') throw new TypeError('accept must be a string');
    const [format, contentType] = native.metricsNegotiate(accept, '');
    return { contentType, body: scrape(format) };
  },
  instances(kind) {
    if (kind !== undefined && typeof kind !== 'string') throw new TypeError('kind must be the name of a class');
    return instances(kind);
  },
};

module.exports = { metrics, metricsHandler: require('./handler.cjs').metricsHandler };
