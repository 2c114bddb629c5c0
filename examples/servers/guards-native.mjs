// What stands in front of the work, and what shows it: the real ones.
import { CircuitBreaker, dashboard, DistributedTracer, HealthMonitor, metricsHandler, RateLimiter } from 'tooloo-native';

export const createLimiter = (options) => new RateLimiter(options);
export const createTracer = (options) => new DistributedTracer(options);
export const createBreaker = (name, options) => new CircuitBreaker(name, options);
export const createHealth = (options) => new HealthMonitor(options);
export const createDashboard = (options) => dashboard(options);
export const createMetrics = () => metricsHandler();
