import faces from './query-optimizer.cjs';

export const { QueryOptimizer } = faces;
export default QueryOptimizer;
