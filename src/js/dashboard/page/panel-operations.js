import { Chart } from './chart.js';
import { element } from './dom.js';
import { facts } from './facts.js';
import { clock, count, duration, percent, rate } from './format.js';
import { Table } from './table.js';

export function operations() {
  const flow = new Chart({
    title: 'Traces and spans ended',
    format: rate,
    lines: [
      { name: 'ended', title: 'ended', colour: 1, fill: true },
      { name: 'failed', title: 'failed', colour: 2 },
    ],
  });
  const times = new Chart({
    title: 'Duration of the last 1,000',
    format: duration,
    lines: [
      { name: 'p50', title: 'p50', colour: 3 },
      { name: 'p95', title: 'p95', colour: 1 },
      { name: 'p99', title: 'p99', colour: 4 },
    ],
  });
  const totals = facts({ service: 'Service', ended: 'Ended', errorRate: 'Errors', retained: 'Traces kept' });
  const table = new Table({
    caption: 'Operations, since the start',
    nothing: 'No operation has ended yet.',
    key: ({ name }) => name,
    columns: [
      { title: 'Operation', text: ({ name }) => name, wide: true },
      { title: 'Now', text: ({ perSecond }) => rate(perSecond), number: true, minor: true },
      { title: 'Count', text: (row) => count(row.count), number: true },
      { title: 'Errors', text: (row) => percent(row.count > 0 ? row.errorCount / row.count : 0), number: true },
      { title: 'p50', text: ({ p50Ms }) => duration(p50Ms), number: true, minor: true },
      { title: 'p95', text: ({ p95Ms }) => duration(p95Ms), number: true },
      { title: 'p99', text: ({ p99Ms }) => duration(p99Ms), number: true, minor: true },
    ],
  });
  const errors = new Table({
    caption: 'Latest errors',
    nothing: 'No errors.',
    key: ({ timestamp, operation, error }) => `${timestamp} ${operation} ${error}`,
    columns: [
      { title: 'At', text: ({ timestamp }) => clock(timestamp) },
      { title: 'Operation', text: ({ operation }) => operation || '(trace)' },
      { title: 'Error', text: ({ error }) => error, wide: true },
    ],
  });
  return {
    node: element(
      'div',
      {},
      totals.node,
      element('div', { className: 'pair' }, flow.node, times.node),
      element('div', { className: 'pair uneven' }, table.node, errors.node),
    ),
    update(data, { series, prefix }) {
      totals.set({
        service: data.service,
        ended: count(data.ended),
        errorRate: data.errorRate,
        retained: count(data.retained),
      });
      flow.update(series, prefix);
      times.update(series, prefix);
      table.update(data.operations);
      errors.update(data.errors);
    },
  };
}
