// Compares ours with the baseline in one process and in turns: medians over the rounds, and their ratio. The machine
// is shared and noisy; ratios last, absolute figures do not.

import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collect = runInNewContext('gc');
setFlagsFromString('--no-expose-gc');

/** Carries what is young on, twice, after which nothing is: no side pays for objects that the other one left. */
function age() {
  for (let times = 0; times < 2; times += 1) collect({ type: 'minor' });
}

const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

/** Nanoseconds per operation of a synchronous body run `count` times. */
export function timeSync(count, body) {
  const start = process.hrtime.bigint();
  for (let index = 0; index < count; index += 1) body(index);
  return Number(process.hrtime.bigint() - start) / count;
}

/** Nanoseconds per operation of an asynchronous body awaited `count` times, one at a time. */
export async function timeAwaited(count, body) {
  const start = process.hrtime.bigint();
  for (let index = 0; index < count; index += 1) await body(index);
  return Number(process.hrtime.bigint() - start) / count;
}

/**
 * Collects rows. A row: `{ title, goal, unit, baseline, ours, rounds }`, where `baseline` and `ours` are functions
 * (async or not) that do one round and return its figure (less is better), and `goal` is how many times better ours
 * has to be. A row without a baseline has a `limit` instead: ours has to stay at or below it.
 */
export class Table {
  rows = [];

  async compare({ title, goal, unit = 'ns', baseline, ours, rounds = 7 }) {
    const figures = { baseline: [], ours: [] };
    const sides = [['baseline', baseline], ['ours', ours]];
    for (let round = 0; round <= rounds; round += 1) {
      for (const [side, body] of round % 2 ? sides : [...sides].reverse()) {
        age();
        const figure = await body();
        // The first round warms both sides up.
        if (round > 0) figures[side].push(figure);
      }
    }
    const [before, after] = [median(figures.baseline), median(figures.ours)];
    this.#add({ title, unit, before, after, ratio: before / after, goal, met: before / after >= goal });
  }

  async limit({ title, limit, unit, ours, rounds = 3 }) {
    const figures = [];
    for (let round = 0; round < rounds; round += 1) figures.push(await ours());
    const after = median(figures);
    this.#add({ title, unit, after, limit, met: after <= limit });
  }

  #add(row) {
    this.rows.push(row);
    const number = (value) => (value === undefined ? '' : value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(2));
    const goal = row.goal === undefined ? `≤ ${number(row.limit)}` : `≥ ×${row.goal}`;
    const ratio = row.ratio === undefined ? '' : `×${row.ratio.toFixed(2)}`;
    console.log(
      `| ${row.title} | ${number(row.before)} | ${number(row.after)} ${row.unit} | ${ratio} | ${goal} | ${row.met ? 'met' : 'MISSED'} |`,
    );
  }
}
