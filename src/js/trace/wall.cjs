'use strict';
// Wall time for what was measured on the monotonic clock: see src/trace/wall.rs.

const { native } = require('../addon.cjs');
const { performance } = require('node:perf_hooks');

/** Milliseconds to add to a time of `performance.now()`, with fractions. */
const wallOffset = () => native.wallOffset(performance.now());

module.exports = { wallOffset };
