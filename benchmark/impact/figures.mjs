// Medians with their spread, and the lines of the table.

export const median = (values) => {
  const sorted = [...values].sort((one, other) => one - other);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};

const digits = (value) => (value >= 100 ? Math.round(value).toLocaleString('en') : value.toFixed(value >= 10 ? 1 : 2));
const spread = (values) => `${digits(median(values))} (${digits(Math.min(...values))}–${digits(Math.max(...values))})`;
export const percent = (share) => `${share > 0 ? '+' : '−'}${Math.abs(share * 100).toFixed(Math.abs(share) < 0.1 ? 1 : 0)} %`;

export const HEAD = '| what | plain `pg` | modules | change | promised | |\n|---|---|---|---|---|---|';

/** A line for one figure in every round; `promised` is a negative share, or undefined where nothing was promised. */
export function line(title, plain, native, promised) {
  const change = median(native) / median(plain) - 1;
  const verdict = promised === undefined ? '' : change <= promised ? 'reached' : 'MISSED';
  const promise = promised === undefined ? '' : percent(promised);
  return `| ${title} | ${spread(plain)} | ${spread(native)} | ${percent(change)} | ${promise} | ${verdict} |`;
}
