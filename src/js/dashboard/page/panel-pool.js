import { Chart } from './chart.js';
import { element, meter } from './dom.js';
import { facts } from './facts.js';
import { count, rate } from './format.js';

export function pool() {
  const totals = facts({
    active: 'In use',
    idle: 'Idle',
    waiting: 'Waiting',
    acquired: 'Borrowed',
    timeouts: 'Timeouts',
    failures: 'Failures',
    retries: 'Retries',
  });
  const use = meter();
  const flow = new Chart({
    title: 'Connections',
    format: count,
    lines: [
      { name: 'active', title: 'in use', colour: 1, fill: true },
      { name: 'size', title: 'open', colour: 3 },
      { name: 'waiting', title: 'waiting', colour: 2 },
    ],
  });
  return {
    node: element(
      'div',
      {},
      totals.node,
      element('div', { className: 'gauge' }, element('span', {}, 'Utilisation'), use.node),
      flow.node,
    ),
    update(data, { series, prefix }) {
      totals.set({
        active: `${count(data.active)} of ${count(data.most)}`,
        idle: count(data.idle),
        waiting: count(data.waiting),
        acquired: `${count(data.acquired)} · ${rate(data.acquiredPerSecond)}`,
        timeouts: count(data.timeouts),
        failures: count(data.failures),
        retries: count(data.retries),
      });
      const share = data.most > 0 ? data.active / data.most : 0;
      use.set(share, data.utilization ?? '', data.waiting > 0 ? 'bad' : share >= 0.8 ? 'warn' : 'calm');
      flow.update(series, prefix);
    },
  };
}
