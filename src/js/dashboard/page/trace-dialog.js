// One trace in a dialog of its own. Escape closes it, and the focus goes back to where it came from.

import { element } from './dom.js';
import { clock, count, duration } from './format.js';
import { waterfall } from './waterfall.js';

const dialog = document.getElementById('trace');
// A click beside it closes it too.
dialog.addEventListener('click', ({ target }) => target === dialog && dialog.close());

function fill(title, ...content) {
  const close = element('button', { type: 'button', className: 'close' }, 'Close');
  close.addEventListener('click', () => dialog.close());
  dialog.replaceChildren(
    element(
      'div',
      { className: 'sheet' },
      element('header', {}, element('h2', { id: 'trace-title' }, title), close),
      ...content,
    ),
  );
}

export async function openTrace(tracer, { id, name }) {
  fill(name || id, element('p', { className: 'muted' }, 'Loading…'));
  dialog.showModal();
  let trace;
  try {
    const response = await fetch(`trace?${new URLSearchParams({ tracer, id })}`);
    trace = await response.json();
    if (!response.ok) throw new Error(trace.error);
  } catch (error) {
    fill(name || id, element('p', { className: 'note' }, error.message));
    return;
  }
  if (!dialog.open) return;
  const fact = (title, value) => element('div', {}, element('dt', {}, title), element('dd', {}, value));
  fill(
    trace.name || trace.id,
    element(
      'dl',
      { className: 'facts' },
      fact('Duration', duration(trace.durationMs)),
      fact('Status', trace.durationMs === null ? 'open' : trace.status),
      fact('Started', clock(trace.startTime)),
      fact('Spans', count(trace.spans.length)),
      fact('Service', trace.service),
      fact('Exported', trace.sampled ? 'yes' : 'no'),
      fact('Trace id', element('code', {}, trace.id)),
    ),
    waterfall(trace),
  );
  dialog.querySelector('.spans button')?.focus();
}
