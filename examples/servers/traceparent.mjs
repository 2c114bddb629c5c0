// W3C trace context: `00-<32 hex: trace>-<16 hex: parent span>-<flags>`.
const FORM = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}(?:-|$)/;

/** `[traceId, parentSpanId]` of a header, or nothing when there is none or it is not one. */
export function readTraceparent(header) {
  const [, traceId, spanId] = FORM.exec(header ?? '') ?? [];
  return traceId === undefined || /^0+$/.test(traceId) || /^0+$/.test(spanId) ? [] : [traceId, spanId];
}

export const writeTraceparent = (traceId, spanId) => (traceId ? { traceparent: `00-${traceId}-${spanId}-01` } : {});
