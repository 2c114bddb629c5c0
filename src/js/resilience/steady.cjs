'use strict';
// Milliseconds that look like `Date.now()` and never go back: a step of the wall clock moves no wait and no lifetime.

const { performance } = require('node:perf_hooks');

const origin = performance.timeOrigin;

exports.steadyNow = () => Math.floor(origin + performance.now());
