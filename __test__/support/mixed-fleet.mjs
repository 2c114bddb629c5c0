// Starts processes under mixed load, is their database, and judges what they read.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./mixed-load.mjs', import.meta.url));

export class MixedFleet {
  versions = new Map();
  /** Key → loads under way in the fleet; the most there were at once. */
  loading = new Map();
  mostLoads = 0;
  loads = 0;
  /** Loads of keys that do not expire and that nothing had happened to since the load before. */
  needless = 0;
  /** Key → whether it was written or invalidated since its last load began; how many invalidations are under way. */
  changed = new Map();
  changing = new Map();
  writes = 0;
  reads = [];
  removals = [];
  unhandled = [];
  slowest = 0;
  children = [];

  static async start(t, optionsList) {
    const fleet = new MixedFleet();
    await Promise.all(optionsList.map((options) => fleet.add(t, options)));
    return fleet;
  }

  async add(t, options) {
    const child = fork(SCRIPT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
    this.children.push(child);
    t.after(() => child.kill('SIGKILL'));
    await once(child, 'message');
    child.on('message', (message) => this.#heard(child, message));
    child.send({ open: options });
    await once(child, 'message');
  }

  #heard(child, { id, what, key, report }) {
    if (report !== undefined) {
      for (const read of report.reads) this.reads.push(read);
      for (const removal of report.removals) this.removals.push(removal);
      this.unhandled = [...this.unhandled, ...report.unhandled];
      this.slowest = Math.max(this.slowest, report.counts.slowest);
    }
    if (id === undefined) return;
    let version = this.versions.get(key) ?? 0;
    const loading = this.loading.get(key) ?? 0;
    if (what === 'begin') {
      this.loads += 1;
      this.loading.set(key, loading + 1);
      this.mostLoads = Math.max(this.mostLoads, loading + 1);
      const expires = Number(key.slice(1)) % 10 === 0;
      if (!expires && this.changed.get(key) === false && !this.changing.get(key)) this.needless += 1;
      this.changed.set(key, false);
    } else if (what === 'end') this.loading.set(key, loading - 1);
    else if (what === 'write') {
      this.writes += 1;
      version += 1;
      this.changed.set(key, true);
      this.changing.set(key, (this.changing.get(key) ?? 0) + 1);
      this.versions.set(key, version);
    } else if (what === 'told') {
      this.changed.set(key, true);
      this.changing.set(key, this.changing.get(key) - 1);
    }
    child.send({ id, version });
  }

  run() {
    this.ended = Promise.all(this.children.map((child) => new Promise((resolve, reject) => {
      child.on('message', (message) => message.done && resolve(message.stats));
      child.once('exit', (code, signal) => reject(new Error(`a process ended: ${code ?? signal}`)));
      child.send({ run: true });
    })));
    this.ended.catch(() => {});
  }

  /** Ends the load; rejects when a process hangs. */
  async stop(ms = 20_000) {
    for (const child of this.children) child.send({ stop: true });
    let timer;
    const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Error('a process hangs')), ms); });
    try {
      return await Promise.race([this.ended, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** What each process has of every key now. */
  look() {
    return Promise.all(this.children.map((child) => new Promise((resolve) => {
      child.on('message', ({ looked }) => looked && resolve(looked));
      child.send({ look: true });
    })));
  }

  /**
   * The reads that gave something older than the bound allows: a version below one whose invalidation was acknowledged `bound`
   * milliseconds or more before the read began. With the largest age of any read.
   */
  judge(bound) {
    const acknowledged = new Map();
    for (const { key, version, told, at } of this.removals) {
      if (!told) continue;
      if (!acknowledged.has(key)) acknowledged.set(key, []);
      acknowledged.get(key).push({ version, at });
    }
    const violations = [];
    let oldest = 0;
    for (const { key, version, at } of this.reads) {
      for (const removal of acknowledged.get(key) ?? []) {
        if (removal.version <= version || removal.at > at) continue;
        oldest = Math.max(oldest, at - removal.at);
        if (at - removal.at > bound) violations.push({ key, version, newer: removal.version, ms: Math.round(at - removal.at) });
      }
    }
    return { violations, oldest: Math.round(oldest) };
  }
}
