import faces from './rate-limiter.cjs';

export const { RateLimiter } = faces;
export default RateLimiter;
