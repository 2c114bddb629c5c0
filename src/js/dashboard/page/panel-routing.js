// Routers and balancers: which target gets what.

import { badge, element } from './dom.js';
import { facts } from './facts.js';
import { count, duration } from './format.js';
import { Table } from './table.js';

function healthCell() {
  const { node, set } = badge();
  return {
    node,
    set: ({ health, breaker }) =>
      set(
        health !== 'healthy' || breaker === 'tripped' ? 'bad' : 'good',
        breaker === 'tripped' ? `${health}, tripped` : health,
      ),
  };
}

export function router() {
  const totals = facts({
    algorithm: 'Algorithm',
    routed: 'Routed',
    errors: 'Without a target',
    trips: 'Breaker trips',
  });
  const table = new Table({
    caption: 'Targets',
    quiet: true,
    nothing: 'There is no target.',
    key: ({ service, target }) => `${service} ${target}`,
    columns: [
      { title: 'Target', text: ({ service, target }) => `${service} · ${target}`, wide: true },
      { title: 'Health', cell: healthCell },
      { title: 'Under way', text: ({ active }) => count(active), number: true },
      { title: 'Weight', text: ({ weight }) => String(weight), number: true, minor: true },
      { title: 'Mean', text: ({ avg, count: seen }) => (seen > 0 ? duration(avg) : '–'), number: true, minor: true },
      { title: 'p95', text: ({ p95, count: seen }) => (seen > 0 ? duration(p95) : '–'), number: true },
    ],
  });
  return {
    node: element('div', {}, totals.node, table.node),
    update(data) {
      totals.set({
        algorithm: data.algorithm,
        routed: count(data.routed),
        errors: count(data.errors),
        trips: count(data.trips),
      });
      table.update(data.services.flatMap(({ service, targets }) => targets.map((target) => ({ service, ...target }))));
    },
  };
}

export function balancer() {
  const totals = facts({ algorithm: 'Algorithm', served: 'Served', targets: 'Targets' });
  const table = new Table({
    caption: 'Targets',
    quiet: true,
    nothing: 'There is no target.',
    key: ({ target }) => target,
    columns: [
      { title: 'Target', text: ({ target }) => target, wide: true },
      { title: 'Requests', text: ({ requests }) => count(requests), number: true },
      { title: 'Latency', text: ({ latencyMs }) => duration(latencyMs), number: true },
    ],
  });
  return {
    node: element('div', {}, totals.node, table.node),
    update(data) {
      totals.set({ algorithm: data.algorithm, served: count(data.served), targets: count(data.targetCount) });
      table.update(data.targets);
    },
  };
}
