// The text format 0.0.4 as a test reads it.

/** Series text such as `a_total{x="1"}` → value. */
export function seriesOf(text) {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(lines.map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))]));
}

/** The sum of all series of a name whose labels contain all of `parts`, each such as `name="web"`. */
export function sumOf(text, name, ...parts) {
  let sum = 0;
  for (const [series, value] of seriesOf(text)) {
    if (series !== name && !series.startsWith(`${name}{`)) continue;
    if (parts.every((part) => series.includes(part))) sum += value;
  }
  return sum;
}

/** Names of families, as `# TYPE` says them. */
export const familiesOf = (text) => new Map(Array.from(text.matchAll(/^# TYPE (\S+) (\S+)$/gm), ([, name, type]) => [name, type]));
