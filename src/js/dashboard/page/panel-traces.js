import { badge, element, uniqueId } from './dom.js';
import { clock, count, duration } from './format.js';
import { Table } from './table.js';
import { openTrace } from './trace-dialog.js';

const LISTS = { latest: 'Latest', slowest: 'Slowest', failed: 'Failed' };
const ORDER = { slowest: (one, other) => other.durationMs - one.durationMs };

/** The way into a trace. */
function opener(tracer) {
  let trace;
  const node = element('button', { type: 'button', className: 'link' });
  node.addEventListener('click', () => openTrace(tracer, trace));
  return {
    node,
    set(row) {
      trace = row;
      const name = row.name || row.id.slice(0, 16);
      if (node.textContent !== name) node.textContent = name;
    },
  };
}

/** The duration as a bar beside those of the other traces. */
function barCell(longest) {
  const fill = element('span', { className: 'fill' });
  return {
    node: element('span', { className: 'track', 'aria-hidden': 'true' }, fill),
    set({ durationMs }) {
      fill.style.setProperty('--share', String(longest() > 0 ? (durationMs ?? 0) / longest() : 0));
    },
  };
}

function statusCell() {
  const { node, set } = badge();
  return {
    node,
    set: ({ failed, durationMs, status }) =>
      set(
        failed ? 'bad' : durationMs === null ? 'idle' : 'good',
        failed ? status : durationMs === null ? 'open' : 'ok',
      ),
  };
}

export function traces(tracer) {
  let list = 'latest';
  let shown = [];
  let longest = 0;
  const table = new Table({
    caption: 'Recent traces',
    nothing: 'There is none.',
    key: ({ id }) => id,
    columns: [
      { title: 'Trace', cell: () => opener(tracer), wide: true },
      { title: '', cell: () => barCell(() => longest), bar: true, minor: true },
      { title: 'Started', text: ({ startTime }) => clock(startTime), number: true },
      { title: 'Duration', text: ({ durationMs }) => duration(durationMs), number: true },
      { title: 'Spans', text: ({ spanCount }) => count(spanCount), number: true, minor: true },
      { title: 'Status', cell: statusCell },
    ],
  });
  const draw = () => {
    const chosen = shown.filter(({ lists }) => lists.includes(list)).sort(ORDER[list] ?? (() => 0));
    longest = Math.max(...chosen.map(({ durationMs }) => durationMs ?? 0));
    table.update(chosen);
  };

  const name = uniqueId('list');
  const choices = Object.entries(LISTS).map(([value, title]) => {
    const input = element('input', { type: 'radio', name, value, checked: value === list });
    input.addEventListener('change', () => {
      list = value;
      draw();
    });
    return element('label', {}, input, element('span', {}, title));
  });
  const held = element('p', { className: 'muted held', hidden: true }, 'Held while you are in the list.');

  // A row must not slip away from under a finger, a pointer or the focus.
  let pointer = false;
  table.node.addEventListener('pointerenter', () => (pointer = true));
  table.node.addEventListener('pointerleave', () => (pointer = false));

  return {
    node: element(
      'div',
      {},
      element(
        'div',
        { className: 'bar' },
        element(
          'fieldset',
          { className: 'choice' },
          element('legend', { className: 'hidden' }, 'Which traces'),
          choices,
        ),
        held,
      ),
      table.node,
    ),
    update(data) {
      shown = data.traces;
      const holds = pointer || table.node.contains(document.activeElement);
      held.hidden = !holds;
      if (!holds) draw();
    },
  };
}
