// All breakers in one table: there are many, and each is one line.

import { badge, element, say } from './dom.js';
import { count, duration, percent } from './format.js';
import { Table } from './table.js';

const STATES = { CLOSED: ['good', 'closed'], HALF_OPEN: ['warn', 'half-open'], OPEN: ['bad', 'open'] };

function stateCell() {
  const { node, set } = badge();
  return {
    node,
    set({ state, isolated, unreadable }) {
      const [tone, word] = STATES[state] ?? [
        'idle',
        unreadable === undefined ? String(state) : `cannot be read: ${unreadable}`,
      ];
      set(tone, isolated ? `${word}, held` : word);
    },
  };
}

export class Breakers {
  id = 'breakers';
  title = 'Circuit breakers';
  #table = new Table({
    caption: 'Circuit breakers',
    quiet: true,
    nothing: 'There is none.',
    key: ({ name, breaker }) => `${name} ${breaker}`,
    columns: [
      { title: 'Breaker', text: ({ breaker, name }) => breaker || name, wide: true },
      { title: 'State', cell: stateCell },
      { title: 'Calls', text: ({ attempts }) => count(attempts), number: true },
      {
        title: 'Failed',
        text: ({ attempts, failures }) => percent(attempts > 0 ? failures / attempts : 0),
        number: true,
      },
      { title: 'In a row', text: ({ failuresInRow }) => count(failuresInRow), number: true, minor: true },
      {
        title: 'Next probe',
        text: ({ state, isolated, nextProbeInMs }) => (state === 'OPEN' && !isolated ? duration(nextProbeInMs) : '–'),
        number: true,
        minor: true,
      },
    ],
  });
  #summary = element('p', { className: 'muted' });
  node = element(
    'section',
    { id: 'breakers', className: 'panel', 'aria-labelledby': 'breakers-title', tabIndex: -1 },
    element('h2', { id: 'breakers-title' }, 'Circuit breakers'),
    this.#summary,
    this.#table.node,
  );

  update({ panels }) {
    const breakers = panels.breakers ?? [];
    const open = breakers.filter(({ state }) => state !== 'CLOSED').length;
    say(this.#summary, open === 0 ? `All ${breakers.length} closed.` : `${open} of ${breakers.length} not closed.`);
    this.#table.update(breakers);
  }
}
