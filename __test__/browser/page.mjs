// What the tests ask a page, from inside of it: each function is sent there as it is.

/** What lies over the edge of the screen, but for what can be scrolled. */
export function overflowing() {
  const edge = document.documentElement.clientWidth;
  const out = [...document.querySelectorAll('body *')].filter((node) => {
    if (!node.checkVisibility() || node.closest('.scroll, .hidden, .canvas, .skip, dialog:not([open])')) return false;
    const { left, right, width } = node.getBoundingClientRect();
    return width > 0 && (right > edge + 1 || left < -1);
  });
  const scrolls = document.documentElement.scrollWidth > edge ? ['the page scrolls sideways'] : [];
  return [...scrolls, ...out.map((node) => `${node.tagName} ${node.className} ${node.textContent.slice(0, 40)}`)];
}

/** Panel → `{ facts, tables }`, as texts. */
export function figuresOf() {
  const facts = (section) =>
    Object.fromEntries(
      [...section.querySelectorAll('.facts > div')]
        .filter(({ hidden }) => !hidden)
        .map((fact) => [fact.firstElementChild.textContent, fact.lastElementChild.textContent]),
    );
  const cell = (node) => (node.querySelector('details') ? node.querySelector('details > code') : node).textContent;
  const tables = (section) =>
    [...section.querySelectorAll('table')].map((table) =>
      [...table.tBodies[0].rows].map((row) => [...row.cells].map(cell)),
    );
  return Object.fromEntries(
    [...document.querySelectorAll('main > section')].map((section) => [
      section.id,
      { facts: facts(section), tables: tables(section) },
    ]),
  );
}

/** Everything that can be operated, in the order of the page; each is numbered in `data-stop`. */
export function tabStops() {
  const all = [...document.querySelectorAll('a[href], button, summary, input, [tabindex="0"]')].filter(
    (node) => node.checkVisibility() && !(node.type === 'radio' && !node.checked),
  );
  all.forEach((node, index) => (node.dataset.stop = String(index)));
  return all.map((node) => `${node.tagName} ${node.textContent.slice(0, 30)}`);
}

/** `[fronts, grounds]` → the contrast of each pair by WCAG 2. */
export function contrastOf([fronts, grounds]) {
  const probe = document.createElement('canvas').getContext('2d', { willReadFrequently: true });
  const luminance = (name) => {
    probe.fillStyle = getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
    probe.fillRect(0, 0, 1, 1);
    const [red, green, blue] = [...probe.getImageData(0, 0, 1, 1).data].map((value) => {
      const share = value / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  return Object.fromEntries(
    fronts.flatMap((front) =>
      grounds.map((ground) => {
        const [one, other] = [luminance(front), luminance(ground)];
        return [`${front} on ${ground}`, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)];
      }),
    ),
  );
}
