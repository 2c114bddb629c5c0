import faces from './distributed-tracer.cjs';

export const { DistributedTracer } = faces;
export default DistributedTracer;
