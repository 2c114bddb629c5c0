import { parentPort } from 'node:worker_threads';
import RateLimiter from '../lib/rate-limiter.js';

parentPort.postMessage({ original: RateLimiter.original === true, originals: globalThis.originalsLoaded ?? [] });
