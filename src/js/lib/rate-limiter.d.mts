export * from './rate-limiter.cjs';
export { RateLimiter as default } from './rate-limiter.cjs';
