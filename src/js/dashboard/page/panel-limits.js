import { Chart } from './chart.js';
import { element, meter } from './dom.js';
import { facts } from './facts.js';
import { count, duration, rate } from './format.js';
import { Table } from './table.js';

function tokensCell() {
  const { node, set } = meter();
  return {
    node,
    set({ tokens, limit }) {
      const left = limit > 0 ? tokens / limit : 0;
      set(
        limit === null ? 1 : left,
        `${count(Math.floor(tokens))} of ${limit === null ? '∞' : count(limit)}`,
        left < 0.1 ? 'bad' : left < 0.4 ? 'warn' : 'calm',
      );
    },
  };
}

export function limits() {
  const totals = facts({
    limit: 'Limit',
    allowed: 'Allowed',
    denied: 'Denied',
    allowRate: 'Let through',
    waiting: 'Waiting',
    clients: 'Clients',
  });
  const flow = new Chart({
    title: 'Requests',
    format: rate,
    lines: [
      { name: 'allowed', title: 'allowed', colour: 1, fill: true },
      { name: 'denied', title: 'denied', colour: 2 },
    ],
  });
  const busiest = new Table({
    caption: 'Busiest clients',
    nothing: 'Every client has all of its tokens.',
    key: ({ client }) => client,
    columns: [
      { title: 'Client', text: ({ client }) => client, wide: true },
      { title: 'Tokens left', cell: tokensCell },
      { title: 'In line', text: ({ queueSize }) => count(queueSize), number: true },
      {
        title: 'Blocked',
        text: ({ blockedMs }) => (blockedMs > 0 ? duration(blockedMs) : '–'),
        number: true,
        minor: true,
      },
    ],
  });
  return {
    node: element('div', {}, totals.node, element('div', { className: 'pair' }, flow.node, busiest.node)),
    update(data, { series, prefix }) {
      totals.set({
        limit: `${data.limit === null ? '∞' : count(data.limit)} · ${rate(data.refillRate)}`,
        allowed: `${count(data.allowed)} · ${rate(data.allowedPerSecond)}`,
        denied: `${count(data.denied)} · ${rate(data.deniedPerSecond)}`,
        allowRate: data.allowRate,
        waiting: count(data.waiting),
        clients: count(data.clients),
      });
      flow.update(series, prefix);
      busiest.update(data.busiest);
    },
  };
}
