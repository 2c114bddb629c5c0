// A panel: a section with a heading, and in it a part for each module of its kind.

import { element, say } from './dom.js';

export class Panel {
  #create;
  #parts = new Map();
  #source;

  /** `source`: the name of the figures; `create(name)` makes `{ node, update(data, context) }` for a module. */
  constructor({ id, title, source, wide = false, create }) {
    this.#create = create;
    this.#source = source;
    this.id = id;
    this.title = title;
    const heading = element('h2', { id: `${id}-title` }, title);
    this.node = element(
      'section',
      { id, className: `panel ${wide ? 'wide-panel' : ''}`, 'aria-labelledby': heading.id, tabIndex: -1 },
      heading,
    );
  }

  static accepts(panels, source) {
    return panels[source] !== undefined;
  }

  update(snapshot, series) {
    const members = snapshot.panels[this.#source] ?? [];
    const names = new Set(members.map(({ name }) => name));
    for (const [name, part] of this.#parts) {
      if (names.has(name)) continue;
      part.frame.remove();
      this.#parts.delete(name);
    }
    for (const data of members) {
      let part = this.#parts.get(data.name);
      if (part === undefined) this.#parts.set(data.name, (part = this.#add(data.name)));
      const told =
        data.unreadable === undefined ? (data.pending ? 'Reading…' : '') : `Cannot be read: ${data.unreadable}`;
      say(part.note, told);
      part.note.hidden = told === '';
      part.node.hidden = told !== '';
      if (told === '') part.update(data, { series, prefix: `${this.#source}/${data.name}/`, now: snapshot.at });
    }
  }

  #add(name) {
    const made = this.#create(name);
    const note = element('p', { className: 'note' });
    const frame = element('div', { className: 'part' }, name === '' ? null : element('h3', {}, name), note, made.node);
    this.node.append(frame);
    return { ...made, frame, note };
  }
}
