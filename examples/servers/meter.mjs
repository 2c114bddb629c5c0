// What a service measures about itself, in the same way with and without the modules.

const percentile = (sorted, share) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;

/** `{ count, meanMs, p50Ms, p95Ms, p99Ms }` of a list of milliseconds. */
export function summary(milliseconds) {
  const sorted = Float64Array.from(milliseconds).sort();
  const sum = sorted.reduce((total, value) => total + value, 0);
  return {
    count: sorted.length,
    meanMs: sorted.length === 0 ? 0 : sum / sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p95Ms: percentile(sorted, 0.95),
    p99Ms: percentile(sorted, 0.99),
  };
}

export class Meter {
  #questions = [];
  #rss = [];
  #cpu = process.cpuUsage();

  constructor() {
    setInterval(() => this.#rss.push(process.memoryUsage.rss()), 250).unref();
  }

  /** Times a question to the data layer. */
  async time(work) {
    const start = performance.now();
    try {
      return await work();
    } finally {
      this.#questions.push(performance.now() - start);
    }
  }

  /** The figures since the last report. */
  report() {
    const { user, system } = process.cpuUsage(this.#cpu);
    const rss = this.#rss.length === 0 ? [process.memoryUsage.rss()] : this.#rss;
    const report = {
      questions: summary(this.#questions),
      rssBytes: rss.reduce((sum, value) => sum + value, 0) / rss.length,
      cpuMs: (user + system) / 1000,
    };
    this.#questions = [];
    this.#rss = [];
    this.#cpu = process.cpuUsage();
    return report;
  }
}
