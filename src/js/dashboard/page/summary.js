// The line at the top: the one figure of each panel that says whether it needs a look, and the way to it.

import { element, say } from './dom.js';
import { duration, percent, rate } from './format.js';

const sum = (members, key) => {
  const values = members.map((member) => member[key]).filter((value) => typeof value === 'number');
  return values.length === 0 ? null : values.reduce((total, value) => total + value, 0);
};
const most = (values) =>
  values.filter((value) => typeof value === 'number').reduce((high, value) => Math.max(high, value), -Infinity);

/** Where to go, what it is called, and what to say: `[text, tone]`. */
const FIGURES = [
  {
    source: 'tracer',
    to: 'operations',
    title: 'Throughput',
    read: (members) => [rate(sum(members, 'endedPerSecond'))],
  },
  {
    source: 'tracer',
    to: 'operations',
    title: 'Errors',
    read(members) {
      const [ended, failed] = [sum(members, 'endedPerSecond'), sum(members, 'failedPerSecond')];
      const share = ended > 0 ? failed / ended : 0;
      return [ended === null ? percent(null) : percent(share), share >= 0.05 ? 'bad' : share > 0 ? 'warn' : 'good'];
    },
  },
  {
    source: 'tracer',
    to: 'operations',
    title: 'p95',
    read: (members) => [duration(most(members.map(({ recent }) => recent?.p95)))],
  },
  {
    source: 'cache',
    to: 'cache',
    title: 'Cache hits',
    read(members) {
      const hits = members.reduce(
        (total, { tiers = {} }) => total + Object.values(tiers).reduce((all, each) => all + each, 0),
        0,
      );
      const lookups = hits + (sum(members, 'misses') ?? 0);
      return [percent(lookups > 0 ? hits / lookups : null)];
    },
  },
  {
    source: 'pool',
    to: 'pool',
    title: 'Connections',
    read(members) {
      const [active, limit, waiting] = ['active', 'most', 'waiting'].map((key) => sum(members, key));
      return [`${active ?? '–'} / ${limit ?? '–'}`, waiting > 0 ? 'warn' : 'good'];
    },
  },
  {
    source: 'limiter',
    to: 'limiter',
    title: 'Denied',
    read(members) {
      const denied = sum(members, 'deniedPerSecond');
      return [rate(denied), denied > 0 ? 'warn' : 'good'];
    },
  },
  {
    source: 'breakers',
    to: 'breakers',
    title: 'Open circuits',
    read(members) {
      const open = members.filter(({ state }) => state !== 'CLOSED').length;
      return [`${open} of ${members.length}`, open > 0 ? 'bad' : 'good'];
    },
  },
  {
    source: 'health',
    to: 'health',
    title: 'Healthy',
    read(members) {
      const checks = members.flatMap((member) => member.checks ?? []);
      const well = checks.filter(({ status }) => ['healthy', 'ready'].includes(status)).length;
      return [`${well} of ${checks.length}`, well < checks.length ? 'bad' : 'good'];
    },
  },
];

export class Summary {
  #tiles;

  constructor(sources) {
    this.#tiles = FIGURES.filter(({ source }) => sources.includes(source)).map((figure) => {
      const value = element('span', { className: 'value number' });
      const node = element(
        'a',
        { className: 'tile', href: `#${figure.to}` },
        element('span', { className: 'tile-title' }, figure.title),
        value,
      );
      return { ...figure, node, value };
    });
    this.nodes = this.#tiles.map(({ node }) => node);
  }

  update({ panels }) {
    for (const { source, read, node, value } of this.#tiles) {
      const [text, tone = 'calm'] = read((panels[source] ?? []).filter(({ unreadable }) => unreadable === undefined));
      say(value, text);
      node.dataset.tone = tone;
    }
  }
}
