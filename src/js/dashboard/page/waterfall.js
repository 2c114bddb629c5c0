// A trace as a waterfall: a row for each span, below its parent, with a bar where it was; each row opens to its
// tags and logs.

import { element, uniqueId } from './dom.js';
import { duration } from './format.js';

const MARKS = 4;

/** The spans in the order of a tree, each with its depth. Those without a parent here hang from the root. */
export function ordered(trace) {
  const { root, spans } = trace;
  const known = new Set([root.spanId, ...spans.map(({ spanId }) => spanId)]);
  const children = new Map();
  for (const span of spans) {
    const parent = known.has(span.parentSpanId) && span.parentSpanId !== span.spanId ? span.parentSpanId : root.spanId;
    children.set(parent, [...(children.get(parent) ?? []), span]);
  }
  const rows = [];
  const seen = new Set();
  const visit = (span, depth) => {
    if (seen.has(span)) return;
    seen.add(span);
    rows.push({ span, depth });
    for (const child of children.get(span.spanId) ?? []) visit(child, depth + 1);
  };
  visit(root, 0);
  // Spans that are each other's parents.
  for (const span of spans) visit(span, 1);
  return rows;
}

function list(title, pairs, className) {
  if (pairs.length === 0) return null;
  return element(
    'div',
    { className },
    element('h4', {}, title),
    element(
      'dl',
      {},
      pairs.map(([name, value]) => element('div', {}, element('dt', {}, name), element('dd', {}, value))),
    ),
  );
}

function details(span, start) {
  const logs = span.logs.map(({ timestamp, level, message }) => [
    `+${duration(Math.max(timestamp - start, 0))} ${level}`,
    message,
  ]);
  const parts = [
    list('Tags', span.tags, 'tags'),
    list('Result', span.metadata, 'tags'),
    list('Logs', logs, 'logs'),
  ].filter(Boolean);
  return parts.length > 0 ? parts : [element('p', { className: 'muted' }, 'No tags and no logs.')];
}

function row({ span, depth }, start, total, name) {
  const from = Math.max(span.offsetMs, 0);
  const open = span.durationMs === null;
  const long = open ? Math.max(total - from, 0) : span.durationMs;
  const failed = !open && span.status !== 'success';
  const id = uniqueId('span');
  const bar = element('span', {
    className: 'span-bar',
    'data-tone': failed ? 'bad' : open ? 'idle' : depth === 0 ? 'root' : 'calm',
  });
  bar.style.setProperty('--from', String(total > 0 ? Math.min(from / total, 1) : 0));
  bar.style.setProperty('--long', String(total > 0 ? Math.min(long / total, 1) : 1));
  const label = element(
    'span',
    { className: 'span-name' },
    failed ? element('span', { className: 'sign', 'aria-hidden': 'true' }, '■ ') : null,
    name || '(no name)',
  );
  label.style.setProperty('--depth', String(Math.min(depth, 12)));
  const time = open ? 'open' : duration(span.durationMs);
  const button = element(
    'button',
    {
      type: 'button',
      'aria-expanded': 'false',
      'aria-controls': id,
      'aria-label': [
        name || '(no name)',
        `level ${depth + 1}`,
        `after ${duration(from)}`,
        time,
        ...(failed ? [span.status] : []),
      ].join(', '),
    },
    label,
    element('span', { className: 'span-track', 'aria-hidden': 'true' }, bar),
    element('span', { className: 'number' }, time),
  );
  const more = element('div', { id, className: 'span-details', hidden: true });
  button.addEventListener('click', () => {
    const opened = button.getAttribute('aria-expanded') !== 'true';
    if (opened && more.childElementCount === 0) more.append(...details(span, start));
    button.setAttribute('aria-expanded', String(opened));
    more.hidden = !opened;
  });
  return element('li', {}, button, more);
}

/** Arrow keys go from row to row. */
function step(event, node) {
  const by = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (by === undefined || event.target.tagName !== 'BUTTON') return;
  const buttons = [...node.querySelectorAll('button')];
  buttons[buttons.indexOf(event.target) + by]?.focus();
  event.preventDefault();
}

export function waterfall(trace) {
  const start = trace.root.startTime;
  const ends = [trace.root, ...trace.spans].map((span) => Math.max(span.offsetMs, 0) + (span.durationMs ?? 0));
  const total = Math.max(...ends);
  const marks = Array.from({ length: MARKS + 1 }, (_, index) => {
    const mark = element('span', {}, duration((total * index) / MARKS));
    mark.style.setProperty('--from', String(index / MARKS));
    return mark;
  });
  const rows = ordered(trace).map((each) =>
    row(each, start, total, each.span === trace.root ? trace.root.name || 'trace' : each.span.name),
  );
  const node = element(
    'div',
    { className: 'waterfall' },
    element('div', { className: 'ruler', 'aria-hidden': 'true' }, marks),
    element('ol', { className: 'spans', 'aria-label': 'Spans' }, rows),
  );
  node.addEventListener('keydown', (event) => step(event, node));
  // The request itself says most: its tags stand open.
  rows[0].querySelector('button').click();
  return node;
}
