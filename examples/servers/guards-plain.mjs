// Limiter and tracer, switched off: everything is let through and nothing is recorded.

export const createLimiter = () => ({
  acquire: async () => ({ acquired: true, waitTime: 0 }),
  getStats: () => ({}),
  shutdown() {},
});

export const createTracer = () => ({
  startTrace: () => ({ traceId: '', spanId: '' }),
  startSpan: () => '',
  endSpan() {},
  endTrace() {},
  addTag() {},
  getMetrics: () => ({}),
  shutdown() {},
});
