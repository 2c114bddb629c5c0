// The page: builds the panels of the modules that are there, and hands each round of figures to them.

import { element, say } from './dom.js';
import { follow } from './feed.js';
import { bytes, duration, percent } from './format.js';
import { Breakers } from './panel-breakers.js';
import { cache } from './panel-cache.js';
import { health } from './panel-health.js';
import { instances } from './panel-instances.js';
import { limits } from './panel-limits.js';
import { operations } from './panel-operations.js';
import { pool } from './panel-pool.js';
import { queries } from './panel-queries.js';
import { balancer, router } from './panel-routing.js';
import { traces } from './panel-traces.js';
import { Panel } from './panel.js';
import { Series } from './series.js';
import { Summary } from './summary.js';

/** In the order of the page. */
const PANELS = [
  [
    'tracer',
    () => new Panel({ id: 'operations', title: 'Operations', source: 'tracer', wide: true, create: operations }),
  ],
  ['tracer', () => new Panel({ id: 'traces', title: 'Traces', source: 'tracer', wide: true, create: traces })],
  ['cache', () => new Panel({ id: 'cache', title: 'Cache', source: 'cache', create: cache })],
  ['pool', () => new Panel({ id: 'pool', title: 'Connections', source: 'pool', create: pool })],
  [
    'optimizer',
    () => new Panel({ id: 'optimizer', title: 'Queries', source: 'optimizer', wide: true, create: queries }),
  ],
  ['limiter', () => new Panel({ id: 'limiter', title: 'Rate limits', source: 'limiter', wide: true, create: limits })],
  ['breakers', () => new Breakers()],
  ['health', () => new Panel({ id: 'health', title: 'Health', source: 'health', create: health })],
  ['router', () => new Panel({ id: 'router', title: 'Routing', source: 'router', create: router })],
  ['balancer', () => new Panel({ id: 'balancer', title: 'Balancing', source: 'balancer', create: balancer })],
  ['instances', () => new Panel({ id: 'instances', title: 'Instances', source: 'instances', create: instances })],
];

const at = (id) => document.getElementById(id);
const series = new Series();
let parts;
let paused = false;
let newest;

function build({ panels }) {
  const sources = Object.keys(panels);
  const summary = new Summary(sources);
  const made = PANELS.filter(([source]) => sources.includes(source)).map(([, create]) => create());
  at('panels').replaceChildren(element('div', { className: 'tiles' }, summary.nodes), ...made.map(({ node }) => node));
  at('contents').replaceChildren(...made.map(({ id, title }) => element('a', { href: `#${id}` }, title)));
  return { key: sources.join(), all: [summary, ...made] };
}

function draw(snapshot) {
  if (parts?.key !== Object.keys(snapshot.panels).join()) parts = build(snapshot);
  for (const part of parts.all) part.update(snapshot, series);
  say(at('title'), snapshot.title);
  document.title = snapshot.title;
  const { pid, node, uptimeMs, rssBytes, cpu, eventLoop } = snapshot.process;
  say(
    at('process'),
    [
      `process ${pid}`,
      `Node ${node.slice(1)}`,
      `up ${duration(uptimeMs)}`,
      bytes(rssBytes),
      `processor ${percent(cpu)}`,
      `event loop ${percent(eventLoop)}`,
    ].join(' · '),
  );
  say(at('cost'), `Reading all of this took ${duration(snapshot.readMs)}.`);
}

at('pause').addEventListener('click', () => {
  paused = !paused;
  at('pause').setAttribute('aria-pressed', String(paused));
  say(at('pause'), paused ? 'Go on' : 'Pause');
  state(paused ? 'paused' : 'live', paused ? 'Paused' : 'Live');
  if (!paused && newest !== undefined) draw(newest);
});

function state(name, text) {
  at('state').dataset.state = name;
  say(at('state'), text);
}

follow({
  onHistory({ points }) {
    series.clear();
    for (const each of points) series.push(each.at, each.points);
  },
  onSnapshot(snapshot) {
    series.push(snapshot.at, snapshot.points);
    newest = snapshot;
    if (!paused) draw(snapshot);
  },
  onState: (name, text) => (paused && name === 'live' ? undefined : state(name, text)),
});
