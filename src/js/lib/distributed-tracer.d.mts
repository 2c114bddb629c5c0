export * from './distributed-tracer.cjs';
export { DistributedTracer as default } from './distributed-tracer.cjs';
