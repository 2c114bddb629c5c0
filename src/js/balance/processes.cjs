'use strict';
// A service's instances as real processes: started by the guardian, ready when they say so, started again when they die.

const net = require('node:net');
const { native, request } = require('../addon.cjs');
const { limited } = require('../resilience/attempt.cjs');
const { textOf } = require('../resilience/text.cjs');
const { Guard } = require('./guard.cjs');

const LONGEST_TIMER = 2147483647;
const LOOK_EVERY = 50;
const LOOK_LIMIT = 2000;

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms).unref());

/** So many ports that the operating system says are free now, none of them in `taken`. */
async function freePorts(count, taken) {
  const servers = [];
  const ports = [];
  try {
    while (ports.length < count) {
      const server = net.createServer();
      servers.push(server);
      await new Promise((resolve, reject) => {
        server.once('error', reject);
        server.listen(0, '127.0.0.1', resolve);
      });
      const { port } = server.address();
      if (!taken.has(port)) ports.push(port);
    }
  } finally {
    // All at the end, so that none is given twice.
    await Promise.all(servers.map((server) => new Promise((resolve) => { server.close(resolve); })));
  }
  return ports;
}

/** Node's options for an instance: this process's own, but no inspector (its port is taken) and no script of the command line. */
function nodeOptions() {
  const options = [];
  for (let index = 0; index < process.execArgv.length; index += 1) {
    const option = process.execArgv[index];
    if (/^(-e|--eval|-p|-pe|--print)$/.test(option)) index += 1;
    else if (!/^--(inspect|eval=|print=)/.test(option)) options.push(option);
  }
  return options;
}

/** What starts an instance of a service, checked; undefined where nothing was said. */
function programOf({ command, fork, readyPath, env, cwd }) {
  native.instancesProgram(command, fork);
  if (command === undefined && fork === undefined) return undefined;
  const [file, ...args] = command ?? [process.execPath, ...nodeOptions(), fork];
  return { file, args, env, cwd, readiness: { host: '127.0.0.1', path: readyPath ?? '/health/ready' } };
}

/** One instance, through all the processes that it is one after the other. */
class Instance {
  constructor(processes, program, port, { onDeath, onReturn }) {
    Object.assign(this, { processes, program, port, onDeath, onReturn });
    this.member = null;
    this.stopping = false;
    this.repetition = 0;
    this.since = 0;
    this.timer = null;
  }

  get pid() {
    return this.member.pid;
  }

  /** Starts a process and waits until it is ready; leaves none behind when that fails. */
  async launch() {
    const { guard, startTimeout } = this.processes;
    const { file, args, cwd, env, readiness } = this.program;
    const member = guard.start({ file, args, cwd, env: { ...process.env, ...env, PORT: String(this.port) } });
    this.member = member;
    await member.started;
    try {
      await limited((signal) => this.untilReady(member, readiness, signal), startTimeout);
    } catch (error) {
      await guard.stop(member);
      throw error;
    }
    this.since = Date.now();
    member.onEnd = (how) => this.died(how);
    if (member.how !== undefined) this.died(member.how);
  }

  async untilReady(member, readiness, signal) {
    while (!signal.aborted) {
      if (member.how !== undefined) throw new Error(`the process ended before it was ready (${member.how})`);
      const ready = request((number) => native.instancesReady(this.port, readiness, LOOK_LIMIT, number));
      if (await Promise.race([ready, member.ended.then(() => false)])) return;
      await pause(LOOK_EVERY);
    }
  }

  died(how) {
    if (this.stopping) return;
    const { restartFirst, restartLongest } = this.processes;
    if (Date.now() - this.since > restartLongest) this.repetition = 0;
    this.onDeath(how);
    this.timer = setTimeout(() => this.again(), native.backoffDelay(restartFirst, restartLongest, this.repetition));
    this.timer.unref();
    this.repetition += 1;
  }

  async again() {
    try {
      await this.launch();
    } catch (error) {
      this.died(error.message);
      return;
    }
    if (this.stopping) await this.processes.guard.stop(this.member);
    else if (this.member.how === undefined) this.onReturn();
  }

  async stop() {
    this.stopping = true;
    clearTimeout(this.timer);
    if (this.member !== null) await this.processes.guard.stop(this.member);
  }
}

/** All instances of one manager, by port. */
class Processes {
  constructor({ shutdownTimeout, startTimeout, restartFirst, restartLongest }) {
    this.guard = new Guard(Math.min(shutdownTimeout, LONGEST_TIMER));
    Object.assign(this, { startTimeout, restartFirst, restartLongest });
    this.byPort = new Map();
  }

  /** `{ pid, startTime, health }` once the new instance is ready. */
  async start(name, program, port, listeners) {
    const instance = new Instance(this, program, port, listeners);
    this.byPort.set(port, instance);
    try {
      await this.guard.holding(() => instance.launch());
    } catch (error) {
      this.byPort.delete(port);
      instance.stopping = true;
      throw new Error(`an instance of '${textOf(name)}' did not start: ${error.message}`, { cause: error });
    }
    return { pid: instance.pid, startTime: instance.since, health: 'healthy' };
  }

  /** Ends an instance: a promise, or undefined where there is no process of that port. */
  stop(port) {
    const instance = this.byPort.get(port);
    if (instance === undefined) return undefined;
    return instance.stop().then(() => { this.byPort.delete(port); });
  }
}

exports.Processes = Processes;
exports.freePorts = freePorts;
exports.programOf = programOf;
