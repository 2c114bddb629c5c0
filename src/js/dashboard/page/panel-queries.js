import { Chart } from './chart.js';
import { element, say } from './dom.js';
import { facts } from './facts.js';
import { clock, count, duration, rate } from './format.js';
import { Table } from './table.js';

/** A text of SQL, cut to two lines until it is opened, and the advice about it. */
function queryCell() {
  const short = element('code');
  const whole = element('code');
  const advice = element('ul', { className: 'advice' });
  const node = element('details', { className: 'query' }, element('summary', {}, short), whole, advice);
  let told = '';
  return {
    node,
    set({ text, advice: hints }) {
      const all = `${text}\n${hints.join('\n')}`;
      if (all === told) return;
      told = all;
      say(short, text || '(no text)');
      say(whole, text);
      advice.replaceChildren(
        ...(hints.length > 0 ? hints : ['No advice: nothing stands out.']).map((hint) => element('li', {}, hint)),
      );
    },
  };
}

const hints = ({ advice }) => (advice.length === 0 ? '–' : String(advice.length));

export function queries() {
  const totals = facts({
    queries: 'Queries',
    average: 'Mean of a batch',
    waiting: 'Waiting',
    slow: 'Slow batches',
    threshold: 'Slow from',
  });
  const flow = new Chart({
    title: 'Queries answered',
    format: rate,
    lines: [{ name: 'queries', title: 'answered', colour: 1, fill: true }],
  });
  const top = new Table({
    caption: 'Most expensive queries',
    nothing: 'No query has been answered yet.',
    key: ({ fingerprint }) => fingerprint,
    columns: [
      { title: 'Query', cell: queryCell, wide: true },
      { title: 'Calls', text: ({ calls }) => count(calls), number: true },
      { title: 'Total', text: ({ totalMs }) => duration(totalMs), number: true },
      { title: 'Mean', text: ({ meanMs }) => duration(meanMs), number: true, minor: true },
      { title: 'p95', text: ({ p95Ms }) => duration(p95Ms), number: true },
      { title: 'Rows', text: ({ rows }) => count(rows), number: true, minor: true },
      { title: 'Advice', text: hints, number: true, minor: true },
    ],
  });
  const slow = new Table({
    caption: 'Slow batches, latest first',
    nothing: 'No batch was slow.',
    key: ({ timestamp, latencyMs, text }) => `${timestamp} ${latencyMs} ${text}`,
    columns: [
      { title: 'Query', cell: queryCell, wide: true },
      { title: 'At', text: ({ timestamp }) => clock(timestamp), number: true },
      { title: 'Took', text: ({ latencyMs }) => duration(latencyMs), number: true },
      { title: 'Queries', text: ({ batchSize }) => count(batchSize), number: true, minor: true },
    ],
  });
  return {
    node: element(
      'div',
      {},
      totals.node,
      element('div', { className: 'pair uneven' }, element('div', {}, flow.node, top.node), slow.node),
    ),
    update(data, { series, prefix }) {
      totals.set({
        queries: `${count(data.queries)} · ${rate(data.queriesPerSecond)}`,
        average: data.averageLatency,
        waiting: count(data.waiting),
        slow: count(data.slowCount),
        threshold: duration(data.slowMs),
      });
      top.update(data.top);
      slow.update(data.slow);
      flow.update(series, prefix);
    },
  };
}
