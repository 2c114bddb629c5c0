// Child processes of the demo and of the benchmark. They end when told, and also when this process is gone: every one
// of them watches its IPC channel.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const STOP_MS = 10_000;
const script = (name) => fileURLToPath(new URL(name, import.meta.url));

export class Fleet {
  #members = new Set();
  #onDeath;
  #closed = false;

  /** `onDeath(error)` is called when a member ends that was not told to. */
  constructor({ onDeath = () => {} } = {}) {
    this.#onDeath = onDeath;
  }

  /**
   * Starts a script (relative to this folder, or a URL) and waits for its first message: `{ hello, child, ask, stop }`.
   */
  async start(name, file, { env = {}, args = [], detached = false } = {}) {
    if (this.#closed) throw new Error('stopped');
    const child = fork(file instanceof URL ? fileURLToPath(file) : script(file), args, {
      env: { ...process.env, ...env },
      detached,
    });
    const member = { name, child, told: false };
    this.#members.add(member);
    const ended = new Promise((resolve) => {
      child.once('exit', (code, signal) => {
        this.#members.delete(member);
        const error = new Error(`${name} ended unexpectedly (${signal ?? `exit code ${code}`})`);
        resolve(error);
        if (!member.told && code !== 0) this.#onDeath(error);
      });
      child.once('error', resolve);
    });
    member.stop = async () => {
      member.told = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      if (child.connected) child.send({ ask: 'stop' }, () => {});
      const timer = setTimeout(() => child.kill('SIGKILL'), STOP_MS);
      await ended;
      clearTimeout(timer);
    };
    const nextMessage = () =>
      Promise.race([once(child, 'message').then(([message]) => message), ended.then((error) => Promise.reject(error))]);
    const ask = (question) => {
      const answer = nextMessage();
      child.send({ ask: question }, () => {});
      return answer;
    };
    return { child, ask, stop: member.stop, hello: await nextMessage() };
  }

  /** Starts web and budget: `{ url, budgetUrl, report(), stop() }`. */
  async startServices({ databaseUrl, schema, cacheDir, modules = 'on', port = 0 }) {
    const common = { TOOLOO_MODULES: modules };
    const budget = await this.start('budget', 'budget/server.mjs', {
      env: { ...common, DATABASE_URL: databaseUrl, LEDGER_SCHEMA: schema, CACHE_DIR: cacheDir, PORT: '0' },
    });
    const budgetUrl = `http://127.0.0.1:${budget.hello.port}`;
    const web = await this.start('web', 'web/server.mjs', {
      env: { ...common, BUDGET_URL: budgetUrl, PORT: String(port) },
    });
    return {
      url: `http://127.0.0.1:${web.hello.port}`,
      budgetUrl,
      report: async () => ({ web: (await web.ask('report')).report, budget: (await budget.ask('report')).report }),
      // The one that asks goes first.
      stop: async () => {
        await web.stop();
        await budget.stop();
      },
    };
  }

  /** Runs a load in a process of its own and answers with its result. */
  async load(options) {
    const member = await this.start('load', 'load.mjs', { args: [JSON.stringify(options)] });
    return member.hello;
  }

  /** Ends everything, the youngest first, and starts nothing more. */
  async stop() {
    this.#closed = true;
    for (const member of [...this.#members].reverse()) await member.stop();
  }
}
