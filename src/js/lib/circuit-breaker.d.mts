export * from './circuit-breaker.cjs';
export { CircuitBreaker as default } from './circuit-breaker.cjs';
