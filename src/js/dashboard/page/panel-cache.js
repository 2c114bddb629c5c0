import { Chart } from './chart.js';
import { element, say } from './dom.js';
import { facts } from './facts.js';
import { bytes, count, percent, rate } from './format.js';

const TIERS = {
  memory: ['Memory', 1],
  shared: ['Shared memory', 3],
  disk: ['Disk', 4],
  remote: ['Remote', 2],
  cdn: ['CDN', 5],
  misses: ['Misses', 0],
};

/** Which tier answered, as one bar and a list. */
function tierBar() {
  const bar = element('div', { className: 'tiers', 'aria-hidden': 'true' });
  const legend = element('ul', { className: 'legend' });
  const parts = Object.fromEntries(
    Object.entries(TIERS).map(([tier, [title, colour]]) => {
      const piece = element('span', { className: `series-${colour}` });
      const value = element('span', { className: 'number' });
      const item = element(
        'li',
        {},
        element('span', { className: `key series-${colour}`, 'aria-hidden': 'true' }),
        `${title} `,
        value,
      );
      bar.append(piece);
      legend.append(item);
      return [tier, { piece, item, value }];
    }),
  );
  return {
    node: element('div', { className: 'tier-bar' }, bar, legend),
    set(answers) {
      const all = Object.values(answers).reduce((sum, each) => sum + each, 0);
      for (const [tier, { piece, item, value }] of Object.entries(parts)) {
        const known = answers[tier] !== undefined;
        piece.hidden = item.hidden = !known;
        piece.style.setProperty('--share', String(all > 0 && known ? answers[tier] / all : 0));
        say(value, known ? `${percent(all > 0 ? answers[tier] / all : null)} · ${count(answers[tier])}` : '');
      }
    },
  };
}

export function cache() {
  const totals = facts({
    hitRate: 'Hit rate',
    lookups: 'Lookups',
    memory: 'In memory',
    disk: 'On disk',
    writes: 'Writes',
    evictions: 'Evictions',
    pending: 'Not on disk yet',
  });
  const tiers = tierBar();
  const hits = new Chart({
    title: 'Hit rate, by interval',
    format: percent,
    most: 1,
    lines: [{ name: 'hitRate', title: 'hits', colour: 1, fill: true }],
  });
  return {
    node: element('div', {}, totals.node, tiers.node, hits.node),
    update(data, { series, prefix }) {
      const most = data.memoryMost === undefined ? '' : ` of ${count(data.memoryMost)}`;
      totals.set({
        hitRate: percent(data.hitRate),
        lookups: rate(data.lookupsPerSecond),
        memory: data.memoryItems === undefined ? undefined : `${count(data.memoryItems)}${most}`,
        disk: data.diskBytes === undefined ? undefined : bytes(data.diskBytes),
        writes: data.writes === undefined ? undefined : count(data.writes),
        evictions: data.evictions === undefined ? undefined : count(data.evictions),
        pending: data.pendingWrites === undefined ? undefined : count(data.pendingWrites),
      });
      tiers.set({ ...data.tiers, misses: data.misses });
      hits.update(series, prefix);
    },
  };
}
