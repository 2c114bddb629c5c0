import { badge } from './dom.js';
import { ago, count } from './format.js';
import { Table } from './table.js';

const TONES = { healthy: 'good', ready: 'good', degraded: 'warn', unhealthy: 'bad', 'not-ready': 'bad', error: 'bad' };

function statusCell() {
  const { node, set } = badge();
  return { node, set: ({ status }) => set(TONES[status] ?? 'idle', status) };
}

export function health() {
  let now = 0;
  const table = new Table({
    caption: 'Services and checks',
    quiet: true,
    nothing: 'Nothing is checked.',
    key: ({ name, kind }) => `${name} ${kind}`,
    columns: [
      { title: 'Name', text: ({ name }) => name, wide: true },
      { title: 'Kind', text: ({ kind }) => kind, minor: true },
      { title: 'Status', cell: statusCell },
      { title: 'Failures', text: ({ failures }) => count(failures), number: true },
      { title: 'Checked', text: ({ lastCheck }) => ago(lastCheck, now), number: true },
    ],
  });
  return {
    node: table.node,
    update(data, context) {
      now = context.now;
      table.update(data.checks);
    },
  };
}
