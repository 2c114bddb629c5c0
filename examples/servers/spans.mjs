/** Runs `work(spanId)` as a span of the request's trace; a failure ends the span as an error and goes on. */
export async function inSpan(tracer, { traceId, spanId }, operation, work) {
  const span = tracer.startSpan(traceId, operation, spanId);
  try {
    const result = await work(span);
    tracer.endSpan(traceId, span, 'success');
    return result;
  } catch (error) {
    tracer.endSpan(traceId, span, 'error', { error: error.message });
    throw error;
  }
}
