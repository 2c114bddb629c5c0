import faces from './circuit-breaker.cjs';

export const { CircuitBreaker } = faces;
export default CircuitBreaker;
