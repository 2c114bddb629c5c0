'use strict';
// Which of the retained traces a person wants to see: the latest, the slowest and the failed among the newest.

const LOOKED_AT = 1000;
const SHOWN = 15;
const LONGEST_TEXT = 160;
const IN_PROGRESS = 'in-progress';

const clip = (text) => (text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text);

/** What a list shows of a trace, from the record the tracer keeps or from the live object of another one. */
function summaryOf(trace) {
  const isRecord = trace.traceId === undefined;
  const status = String(trace.status);
  const open = isRecord ? trace.isOpen : trace.duration === null || trace.duration === undefined;
  const first = isRecord ? trace.spans()[0]?.operation : trace.spans?.[0]?.operationName;
  return {
    id: String(isRecord ? trace.id : trace.traceId),
    name: clip(String((isRecord ? trace.operation : trace.operationName) ?? first ?? '')),
    startTime: isRecord ? Math.floor(trace.wallTime()) : trace.startTime,
    durationMs: open ? null : isRecord ? trace.duration / 1000 : trace.duration,
    status: clip(status),
    failed: status !== 'success' && status !== IN_PROGRESS,
    spanCount: isRecord ? trace.spanCount : (trace.spans?.length ?? 0),
    sampled: trace.sampled === true,
  };
}

const durationOf = (trace) => trace.duration ?? -1;
const hasFailed = ({ status }) => status !== 'success' && status !== IN_PROGRESS;

class Choice {
  #newest = [];

  /** `spans` is a tracer's own map, or any Map of traces. */
  constructor(spans) {
    if (typeof spans?.newestRecords === 'function') this.#newest = spans.newestRecords(LOOKED_AT);
    else if (spans instanceof Map) this.#newest = [...spans.values()].slice(-LOOKED_AT).reverse();
  }

  /** The chosen ones, newest first, each with the lists it is in. */
  traces() {
    const chosen = new Map();
    const choose = (list, traces) => {
      for (const trace of traces.slice(0, SHOWN)) chosen.set(trace, [...(chosen.get(trace) ?? []), list]);
    };
    choose('latest', this.#newest);
    choose(
      'slowest',
      [...this.#newest]
        .filter((trace) => durationOf(trace) >= 0)
        .sort((one, other) => durationOf(other) - durationOf(one)),
    );
    choose('failed', this.#newest.filter(hasFailed));
    return this.#newest
      .filter((trace) => chosen.has(trace))
      .map((trace) => ({ ...summaryOf(trace), lists: chosen.get(trace) }));
  }
}

module.exports = { Choice, summaryOf };
