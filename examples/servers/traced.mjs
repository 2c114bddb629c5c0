// Express middleware: one trace a request, continued from the caller's `traceparent`, ended with the response.
import { readTraceparent } from './traceparent.mjs';

export const traced = (tracer) => (req, res, next) => {
  req.trace = tracer.startTrace(...readTraceparent(req.headers.traceparent));
  const { traceId } = req.trace;
  tracer.addTag(traceId, 'http.path', req.path);
  // `close` comes always, `finish` only when the caller has stayed.
  res.once('close', () => {
    const failed = res.statusCode >= 500 || !res.writableFinished;
    tracer.endTrace(traceId, failed ? 'error' : 'success', { statusCode: res.statusCode });
  });
  next();
};

/** Runs `work` as a span of `trace`. */
export async function inSpan(tracer, trace, operation, work) {
  const span = tracer.startSpan(trace.traceId, operation, trace.spanId);
  try {
    const result = await work(span);
    tracer.endSpan(trace.traceId, span, 'success');
    return result;
  } catch (error) {
    tracer.endSpan(trace.traceId, span, 'error', { error: error.message });
    throw error;
  }
}
