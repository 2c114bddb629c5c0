// A row of figures with their names.

import { element, say } from './dom.js';

/** `names`: key → title. `set({ key: text })`; what has no text is not shown. */
export function facts(names) {
  const items = Object.entries(names).map(([key, title]) => {
    const value = element('dd', { className: 'number' });
    return { key, value, node: element('div', {}, element('dt', {}, title), value) };
  });
  return {
    node: element(
      'dl',
      { className: 'facts' },
      items.map(({ node }) => node),
    ),
    set(texts) {
      for (const { key, value, node } of items) {
        node.hidden = texts[key] === undefined;
        say(value, texts[key] ?? '');
      }
    },
  };
}
