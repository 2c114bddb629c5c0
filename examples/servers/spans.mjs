/**
 * Runs `work(spanId)` as a span of the request's trace; a failure ends the span as an error and goes on. Where the request is
 * active, so is the span: queries and cache reads in it belong to it.
 */
export async function inSpan(tracer, { traceId, spanId }, operation, work) {
  if (tracer.active?.() !== undefined) return tracer.run(operation, () => work(tracer.active().spanId));
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

/** Whether traces go to a collector: only then their details are worth their cost. Queries and cache reads are spans from here on. */
export function detailed(tracer) {
  const isExported = tracer.exporterStats?.() !== undefined;
  if (isExported) tracer.instrument();
  return isExported;
}
