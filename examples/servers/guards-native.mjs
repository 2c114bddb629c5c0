// Limiter and tracer, the real ones.
import { DistributedTracer, RateLimiter } from 'tooloo-native';

export const createLimiter = (options) => new RateLimiter(options);
export const createTracer = (options) => new DistributedTracer(options);
