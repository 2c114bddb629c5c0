// Elements. Text only ever becomes text: nothing here reads markup.

/** An element with properties, `data-`/`aria-` attributes and children, which are nodes or texts. */
export function element(tag, properties = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined) continue;
    if (name in node && !name.includes('-')) node[name] = value;
    else node.setAttribute(name, value);
  }
  node.append(...children.flat().filter((child) => child !== undefined && child !== null));
  return node;
}

/** Sets a text where it differs, so that what did not change is not laid out anew. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

let numbered = 0;
/** An id that is nobody else's. */
export const uniqueId = (prefix) => `${prefix}-${(numbered += 1)}`;

/** A state as a word with a sign, never by its colour alone. */
export function badge() {
  const sign = element('span', { className: 'sign', 'aria-hidden': 'true' });
  const word = element('span');
  const node = element('span', { className: 'badge' }, sign, word);
  const signs = { good: '●', warn: '▲', bad: '■', idle: '○' };
  return {
    node,
    set(tone, text) {
      node.dataset.tone = tone;
      say(sign, signs[tone]);
      say(word, text);
    },
  };
}

/** A share as a bar with its text in front. */
export function meter() {
  const fill = element('span', { className: 'fill' });
  const text = element('span', { className: 'number' });
  const node = element(
    'span',
    { className: 'meter' },
    element('span', { className: 'track', 'aria-hidden': 'true' }, fill),
    text,
  );
  return {
    node,
    set(share, label, tone = 'calm') {
      fill.style.setProperty('--share', String(Math.min(Math.max(share, 0), 1)));
      node.dataset.tone = tone;
      say(text, label);
    },
  };
}
