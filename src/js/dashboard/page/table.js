// Tables whose rows are kept by a key, so that focus and selection survive an update.

import { element, say, uniqueId } from './dom.js';

/** A region that can be scrolled by keyboard wherever it has something to scroll. */
export function scrollable(child, labelledBy) {
  const node = element('div', { className: 'scroll', role: 'region', 'aria-labelledby': labelledBy }, child);
  new ResizeObserver(() => {
    if (node.scrollWidth > node.clientWidth) node.tabIndex = 0;
    else node.removeAttribute('tabindex');
  }).observe(child);
  return node;
}

export class Table {
  #columns;
  #key;
  #body = element('tbody');
  #rows = new Map();
  #head;
  #nothing;

  /**
   * `columns`: `[{ title, text(row), cell(), number, minor, wide, bar }]`; `cell()` makes `{ node, set(row) }`
   * for what is more than a text. `key(row)` names a row.
   */
  constructor({ caption, columns, key, nothing, quiet = false }) {
    this.#columns = columns;
    this.#key = key;
    const id = uniqueId('table');
    const head = columns.map(({ title, number, minor }) =>
      element(
        title === '' ? 'td' : 'th',
        {
          scope: title === '' ? undefined : 'col',
          className: [number && 'number', minor && 'minor'].filter(Boolean).join(' '),
        },
        title,
      ),
    );
    this.table = element(
      'table',
      {},
      element('caption', { id, className: quiet ? 'hidden' : '' }, caption),
      (this.#head = element('thead', {}, element('tr', {}, head))),
      this.#body,
    );
    this.#nothing = element('p', { className: 'nothing muted' }, nothing);
    this.node = element('div', { className: 'table' }, scrollable(this.table, id), this.#nothing);
  }

  update(rows) {
    this.#nothing.hidden = rows.length > 0;
    this.#head.hidden = rows.length === 0;
    const wanted = new Set();
    rows.forEach((row, index) => {
      const key = this.#key(row);
      wanted.add(key);
      let entry = this.#rows.get(key);
      if (entry === undefined) this.#rows.set(key, (entry = this.#make()));
      entry.cells.forEach((set) => set(row));
      if (this.#body.children[index] !== entry.node)
        this.#body.insertBefore(entry.node, this.#body.children[index] ?? null);
    });
    for (const [key, { node }] of this.#rows) {
      if (wanted.has(key)) continue;
      node.remove();
      this.#rows.delete(key);
    }
  }

  #make() {
    const node = element('tr');
    const cells = this.#columns.map(({ text, cell, number, minor, wide, bar }, index) => {
      const holder = element(index === 0 ? 'th' : 'td', {
        className: [number && 'number', minor && 'minor', wide && 'wide', bar && 'bar-cell'].filter(Boolean).join(' '),
      });
      if (index === 0) holder.scope = 'row';
      node.append(holder);
      if (cell === undefined) return (row) => say(holder, text(row));
      const made = cell();
      holder.append(made.node);
      return (row) => made.set(row);
    });
    return { node, cells };
  }
}
