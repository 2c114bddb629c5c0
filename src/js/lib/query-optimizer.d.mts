export * from './query-optimizer.cjs';
export { QueryOptimizer as default } from './query-optimizer.cjs';
