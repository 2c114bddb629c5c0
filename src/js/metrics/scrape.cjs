'use strict';
// One scrape: the figures of every instance into one array, then one native call.

const { native } = require('../addon.cjs');
const { KINDS } = require('./kinds.cjs');
const { enroll, members } = require('./members.cjs');

const TEXT = 0;
const OPEN_METRICS = 1;

/** Kind → numbers in a report */
const widths = new Map(native.metricsKinds());

let reports = new Float64Array(1024);
let used = 0;
/** Gauge → the function that sets it before a scrape */
const collectors = new Map();

function put(kind, entry, counters, gauges) {
  const width = widths.get(kind);
  if (counters.length + gauges.length !== width) throw new Error(`${kind} reports ${counters.length + gauges.length} of ${width} numbers`);
  if (used + width + 1 > reports.length) {
    const larger = new Float64Array(reports.length * 2);
    larger.set(reports);
    reports = larger;
  }
  reports[used] = entry;
  reports.set(counters, used + 1);
  reports.set(gauges, used + 1 + counters.length);
  used += width + 1;
}

function read(member, instance) {
  const { kind, held } = member;
  const { field, before, counters, gauges, part, rows, report, also } = KINDS[kind];
  if (field !== undefined) held.stats = instance[field];
  before?.(instance, held);
  put(kind, member.entry(''), counters(held), gauges(instance, held));
  if (part === undefined) return;
  const second = member.partOf(part);
  report?.(held, second.id);
  also?.(instance, second.id);
  for (const [label, values] of rows?.(instance) ?? []) put(part, second.entry(String(label)), values, []);
}

/** The figures of an instance that was collected, for the last time. */
function readLast(member) {
  const { kind, held } = member;
  if (held === undefined) return;
  const { counters, report, part } = KINDS[kind];
  native.metricsReport(member.entry(''), Float64Array.from(counters(held)));
  report?.(held, member.partOf(part).id);
}

function collect() {
  used = 0;
  for (const member of members) {
    const instance = member.instance.deref();
    if (instance === undefined) continue;
    const before = used;
    try {
      read(member, instance);
    } catch {
      // A caller has put something else in the place of the figures: what it was told last still stands.
      used = before;
    }
  }
}

/** The metrics in one of the formats, as bytes. */
function scrape(format) {
  for (const [gauge, collect] of collectors) collect.call(gauge, gauge);
  collect();
  return Buffer.from(native.metricsScrape(format, reports, used));
}

// The process itself, as one instance of its own.
const self = {};
enroll('process', self, { name: '', single: true }, {});

module.exports = { OPEN_METRICS, TEXT, collectors, readLast, scrape, self };
