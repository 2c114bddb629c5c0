// The same, switched off: everything is let through and nothing is recorded.

export const createLimiter = () => ({
  acquire: async () => ({ acquired: true, waitTime: 0 }),
  getStats: () => ({}),
  shutdown() {},
});

export const createTracer = () => ({
  middleware: () => (req, res, next) => {
    req.trace = { traceId: '', spanId: '' };
    next();
  },
  traceparent: () => '',
  startSpan: () => '',
  endSpan() {},
  getMetrics: () => ({}),
  shutdown() {},
});

export const createBreaker = () => ({ execute: (work) => work() });

export const createHealth = () => ({ registerService() {}, destroy() {} });

export const createDashboard = () => undefined;

export const createMetrics = () => undefined;
