import { badge, element } from './dom.js';
import { facts } from './facts.js';
import { ago, count } from './format.js';
import { Table } from './table.js';

const TONES = { healthy: 'good', starting: 'idle', restarting: 'warn', stopping: 'idle' };

function healthCell() {
  const { node, set } = badge();
  return { node, set: ({ health }) => set(TONES[health] ?? 'bad', health) };
}

export function instances() {
  let now = 0;
  const totals = facts({ count: 'Running', spawned: 'Started', terminated: 'Ended', failed: 'Failed starts' });
  const table = new Table({
    caption: 'Instances',
    quiet: true,
    nothing: 'No instance runs.',
    key: ({ service, port }) => `${service} ${port}`,
    columns: [
      { title: 'Instance', text: ({ service, port }) => `${service} · ${port}`, wide: true },
      { title: 'Health', cell: healthCell },
      { title: 'Process', text: ({ pid }) => String(pid), number: true, minor: true },
      { title: 'Started', text: ({ startTime }) => ago(startTime, now), number: true },
    ],
  });
  return {
    node: element('div', {}, totals.node, table.node),
    update(data, context) {
      now = context.now;
      totals.set({
        count: count(data.count),
        spawned: count(data.spawned),
        terminated: count(data.terminated),
        failed: count(data.failed),
      });
      table.update(data.instances);
    },
  };
}
