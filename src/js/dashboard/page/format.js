// Numbers as texts. What is not known is a dash.

const NONE = '–';
const known = (value) => typeof value === 'number' && Number.isFinite(value);
const digits = (value, most) => value.toLocaleString('en-US', { maximumFractionDigits: most });

export const count = (value) => (known(value) ? digits(Math.round(value), 0) : NONE);
export const rate = (value) => (known(value) ? `${digits(value, value < 10 ? 1 : 0)}/s` : NONE);
/** A share from 0 to 1. */
export const percent = (value) =>
  known(value) ? `${(value * 100).toFixed(value > 0 && value < 0.1 ? 2 : 1)} %` : NONE;

export function duration(ms) {
  if (!known(ms)) return NONE;
  if (ms >= 3_600_000) return `${digits(ms / 3_600_000, 1)} h`;
  if (ms >= 60_000) return `${digits(ms / 60_000, 1)} min`;
  if (ms >= 1000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms >= 100) return `${digits(ms, 0)} ms`;
  return ms >= 10 ? `${ms.toFixed(1)} ms` : `${ms.toFixed(2)} ms`;
}

export function bytes(value) {
  if (!known(value)) return NONE;
  const units = ['B', 'KB', 'MB', 'GB', 'TB'];
  const step = value < 1 ? 0 : Math.min(Math.floor(Math.log(value) / Math.log(1024)), units.length - 1);
  const scaled = value / 1024 ** step;
  return `${digits(scaled, scaled < 10 && step > 0 ? 1 : 0)} ${units[step]}`;
}

export const clock = (ms) => {
  const date = new Date(ms);
  return Number.isNaN(date.getTime()) ? NONE : date.toLocaleTimeString('en-GB');
};

/** How long ago it was, as seen at `now`. */
export function ago(ms, now) {
  if (!known(ms)) return NONE;
  const seconds = Math.max((now - ms) / 1000, 0);
  if (seconds < 60) return `${digits(seconds, 0)} s ago`;
  return seconds < 3600 ? `${digits(seconds / 60, 0)} min ago` : `${digits(seconds / 3600, 1)} h ago`;
}
