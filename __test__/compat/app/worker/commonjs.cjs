'use strict';
const { parentPort } = require('node:worker_threads');
const { RateLimiter } = require('../lib/rate-limiter.js');

parentPort.postMessage({ original: RateLimiter.original === true, originals: globalThis.originalsLoaded ?? [] });
