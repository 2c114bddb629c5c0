// A line chart with a legend of the newest values, or of those under the pointer. Drawn by uPlot; where that is
// missing, the legend is all there is.

import { element, say } from './dom.js';

const HEIGHT = 150;
/** Seconds from edge to edge: as many as there are, between these. */
const [LEAST, MOST] = [30, 180];

const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
/** The times at an axis; one that would stick out at the end is left out. */
function timesOf(plot, splits) {
  return splits.map((at) =>
    plot.valToPos(at, 'x') > plot.over.clientWidth - 22 ? '' : new Date(at * 1000).toLocaleTimeString('en-GB'),
  );
}

const charts = new Set();
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => {
  for (const chart of charts) chart.redraw();
});

export class Chart {
  #lines;
  #format;
  #plot;
  #canvas = element('div', { className: 'canvas', role: 'img' });
  #values;
  #data = [[]];
  #title;
  #hovered = null;

  /** `lines`: `[{ name, title, colour, fill }]`, where `name` is the one of a series; `most` a fixed upper end. */
  constructor({ title, lines, format, most }) {
    this.#title = title;
    this.#lines = lines;
    this.#format = format;
    this.#values = lines.map(() => element('span', { className: 'number' }));
    const legend = element(
      'ul',
      { className: 'legend' },
      lines.map((line, index) =>
        element(
          'li',
          {},
          element('span', { className: `key series-${line.colour}`, 'aria-hidden': 'true' }),
          `${line.title} `,
          this.#values[index],
        ),
      ),
    );
    this.node = element(
      'figure',
      { className: 'chart' },
      element('figcaption', {}, element('span', { className: 'chart-title' }, title), legend),
      this.#canvas,
    );
    if (globalThis.uPlot === undefined) this.#canvas.hidden = true;
    else this.#start(most);
  }

  #start(most) {
    const axis = {
      stroke: () => colour('--muted'),
      grid: { stroke: () => colour('--grid'), width: 1 },
      ticks: { show: false },
      font: '11px system-ui, sans-serif',
    };
    const options = {
      width: 300,
      height: HEIGHT,
      padding: [8, 8, 0, 0],
      legend: { show: false },
      cursor: { y: false, drag: { x: false, y: false }, sync: { key: 'dashboard' }, points: { size: 6 } },
      scales: {
        x: { range: () => this.#range() },
        y: { range: (_plot, _least, highest) => [0, most ?? Math.max(highest * 1.15, 1)] },
      },
      axes: [
        { ...axis, space: 70, size: 24, values: timesOf },
        { ...axis, space: 32, size: 52, values: (_plot, splits) => splits.map((value) => this.#format(value)) },
      ],
      series: [
        {},
        ...this.#lines.map((line) => ({
          label: line.title,
          stroke: () => colour(`--series-${line.colour}`),
          fill: line.fill ? () => colour(`--fill-${line.colour}`) : undefined,
          width: 1.75,
          spanGaps: false,
          points: { show: false },
        })),
      ],
      hooks: {
        setCursor: [
          (plot) => {
            this.#hovered = plot.cursor.idx ?? null;
            this.#say();
          },
        ],
      },
    };
    this.#plot = new globalThis.uPlot(options, this.#data, this.#canvas);
    new ResizeObserver(([{ contentRect }]) => {
      if (contentRect.width > 0) this.#plot.setSize({ width: Math.floor(contentRect.width), height: HEIGHT });
    }).observe(this.#canvas);
    charts.add(this);
  }

  #range() {
    const last = this.#data[0].at(-1) ?? Date.now() / 1000;
    const seen = last - (this.#data[0][0] ?? last);
    return [last - Math.min(Math.max(seen, LEAST), MOST), last];
  }

  redraw() {
    this.#plot?.redraw(false, true);
  }

  update(series, prefix) {
    this.#data = [series.times, ...this.#lines.map(({ name }) => series.values(prefix + name))];
    this.#plot?.setData(this.#data);
    this.#say();
  }

  #say() {
    const at = this.#hovered ?? this.#data[0].length - 1;
    const texts = this.#lines.map((line, index) => this.#format(this.#data[index + 1]?.[at]));
    texts.forEach((text, index) => say(this.#values[index], text));
    this.#canvas.setAttribute(
      'aria-label',
      `${this.#title}: ${this.#lines.map(({ title }, index) => `${title} ${texts[index]}`).join(', ')}`,
    );
  }
}
