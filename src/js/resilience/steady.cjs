'use strict';
// Milliseconds that look like `Date.now()` and never go back: a step of the wall clock moves no wait and no lifetime.

const { performance } = require('node:perf_hooks');

const origin = performance.timeOrigin;

/** `at`: what `performance.now()` said, where it was read already. */
exports.steadyNow = (at = performance.now()) => Math.floor(origin + at);
