// The tracer in plain JavaScript, as the original's costs are known: ids from Math.random in base 36, every record
// kept whole, and an array of the last latencies that is filtered on each end.

const LATENCIES_KEPT = 1000;

export class DistributedTracer {
  constructor(options = {}) {
    this.serviceName = options.serviceName || 'unknown-service';
    this.samplingRate = options.samplingRate || 0.1;
    this.maxSpans = options.maxSpans || 10000;
    this.flushInterval = options.flushInterval || 5000;
    this.spans = new Map();
    this.metrics = { requests: new Map(), latencies: [], errors: [], throughput: 0 };
    this.flushTimer = setInterval(() => this.cleanup(), this.flushInterval);
    this.flushTimer.unref();
  }

  generateId() {
    return Math.random().toString(36).substring(2, 11);
  }

  startTrace(traceId = null, parentSpanId = null) {
    const id = traceId || this.generateId();
    const spanId = this.generateId();
    this.spans.set(id, {
      traceId: id,
      spanId,
      parentSpanId,
      startTime: Date.now(),
      duration: 0,
      service: this.serviceName,
      status: 'in-progress',
      tags: {},
      logs: [],
      spans: [],
    });
    if (this.spans.size > this.maxSpans) this.spans.delete(this.spans.keys().next().value);
    return { traceId: id, spanId };
  }

  startSpan(traceId, operationName, parentSpanId = null) {
    const spanId = this.generateId();
    const trace = this.spans.get(traceId);
    if (trace) {
      trace.spans.push({
        spanId,
        traceId,
        parentSpanId,
        operationName,
        startTime: Date.now(),
        duration: 0,
        status: 'in-progress',
        tags: {},
        logs: [],
      });
    }
    return spanId;
  }

  endSpan(traceId, spanId, status = 'success', metadata = {}) {
    const span = this.spans.get(traceId)?.spans.find((each) => each.spanId === spanId);
    if (span) this.#end(span, status, metadata);
  }

  endTrace(traceId, status = 'success', metadata = {}) {
    const trace = this.spans.get(traceId);
    if (trace) this.#end(trace, status, metadata);
  }

  #end(record, status, metadata) {
    record.endTime = Date.now();
    record.duration = record.endTime - record.startTime;
    record.status = status;
    record.metadata = metadata;
    this.recordMetrics(record);
  }

  addTag(traceId, key, value) {
    const trace = this.spans.get(traceId);
    if (trace) trace.tags[key] = value;
  }

  recordMetrics(span) {
    const { requests, latencies, errors } = this.metrics;
    const operation = span.operationName || this.serviceName;
    const request = requests.get(operation) || { count: 0, successCount: 0, errorCount: 0, totalLatency: 0, avgLatency: 0 };
    request.count += 1;
    request.totalLatency += span.duration;
    if (span.status === 'success') {
      request.successCount += 1;
    } else {
      request.errorCount += 1;
      errors.push({
        timestamp: new Date().toISOString(),
        span: span.spanId,
        operation: span.operationName,
        error: span.metadata.error || 'unknown',
      });
    }
    request.avgLatency = (request.totalLatency / request.count).toFixed(2);
    requests.set(operation, request);
    latencies.push(span.duration);
    if (latencies.length > LATENCIES_KEPT) latencies.shift();
    const minuteAgo = Date.now() - 60000;
    this.metrics.throughput = latencies.filter((each) => each > minuteAgo).length / 60;
  }

  cleanup(maxAge = 300000) {
    const now = Date.now();
    for (const [id, trace] of this.spans) {
      if (trace.endTime && now - trace.endTime > maxAge) this.spans.delete(id);
    }
  }

  shutdown() {
    clearInterval(this.flushTimer);
    this.flushTimer = null;
    this.spans.clear();
  }
}
