'use strict';
// Keeps the books of a service's instances. With a `command` or a module to `fork` they are processes; else what an
// instance is, is up to the hooks `spawnInstance` and `terminateInstance`, and without them nothing is really started, as in
// the original.

const { EventEmitter } = require('node:events');
const { native } = require('../../addon.cjs');
const { enroll } = require('../../metrics/members.cjs');
const { Processes, freePorts, programOf } = require('../../balance/processes.cjs');
const { limited } = require('../../resilience/attempt.cjs');
const { read, textOf } = require('../../resilience/text.cjs');

/** How long a termination takes that ends nothing. */
const PRETENDED_MS = 100;
const MAX_HISTORY = 1000;
const MOCK_PIDS = 10_000;

/** Where an instance keeps what belongs to nobody else: not enumerable, so copies and dumps show none of it. */
const INNER = Symbol('HorizontalScalingManager');

const messageOf = (error) => {
  const message = read(error, 'message');
  return typeof message === 'string' ? message : textOf(error);
};

/** A listener that throws must not change what is reported of the instances. */
function tell(manager, event, detail) {
  for (const listener of manager.rawListeners(event)) {
    try {
      listener.call(manager, detail);
    } catch (error) {
      process.emitWarning(`a listener of the scaling manager's event "${event}" threw: ${textOf(error)}`);
    }
  }
}

/** One change after the other for each service, so that two of them never pick the same instance. */
function inLine(manager, name, change) {
  const { lines } = manager[INNER];
  const before = lines.get(name) ?? Promise.resolve();
  const mine = before.then(change);
  const settled = mine.then(() => {}, () => {});
  lines.set(name, settled);
  settled.then(() => { if (lines.get(name) === settled) lines.delete(name); });
  return mine;
}

function instancesOf(manager, name) {
  const instances = manager.instances.get(name);
  if (instances === undefined) throw new Error(`Service '${textOf(name)}' not registered`);
  return instances;
}

function remember(manager, entry) {
  const { scalingHistory } = manager;
  scalingHistory.push({ timestamp: Date.now(), ...entry });
  if (scalingHistory.length > MAX_HISTORY) scalingHistory.splice(0, scalingHistory.length - MAX_HISTORY);
}

function takenPorts(manager) {
  const ports = [];
  for (const instances of manager.instances.values()) for (const { port } of instances.values()) ports.push(port);
  return Float64Array.from([...ports, ...manager[INNER].reserved]);
}

/** The next `count` free ports; they are reserved until the instances are there. */
function reservePorts(manager, name, count) {
  const cells = new Float64Array(count);
  const found = native.instancesPorts(manager.serviceBasePorts.get(name), takenPorts(manager), cells);
  const ports = [...cells.subarray(0, found)];
  for (const port of ports) manager[INNER].reserved.add(port);
  return ports;
}

/** What starts the instances of a service, if they are processes. */
const programFor = (manager, name) => manager[INNER].programs.get(name) ?? manager[INNER].program;

/** Ports for so many instances: of processes those that the system says are free. */
async function portsFor(manager, name, number) {
  if (programFor(manager, name) === undefined) return reservePorts(manager, name, number);
  const ports = await freePorts(number, new Set(takenPorts(manager)));
  for (const port of ports) manager[INNER].reserved.add(port);
  return ports;
}

/** What happens to a process by itself, in the books and at the router. */
function listenersOf(manager, serviceName, port) {
  const { router, processes } = manager[INNER];
  const update = (health) => {
    const instance = manager.instances.get(serviceName)?.get(`${textOf(serviceName)}:${port}`);
    if (instance === undefined) return {};
    const { pid } = instance;
    instance.health = health;
    return { instance, pid };
  };
  return {
    onDeath(how) {
      const { instance, pid } = update('restarting');
      if (instance === undefined) return;
      router?.removeTarget?.(serviceName, port);
      tell(manager, 'instance-died', { serviceName, port, pid, how });
    },
    onReturn() {
      const { instance } = update('healthy');
      if (instance === undefined) return;
      const { pid, since } = processes.byPort.get(port);
      Object.assign(instance, { pid, startTime: since });
      router?.addTarget?.(serviceName, port);
      tell(manager, 'instance-restarted', { serviceName, port, pid });
    },
  };
}

/** Ends one instance, after its last request where the router knows of those. */
async function endOne(manager, name, instance) {
  const { router, processes } = manager[INNER];
  instance.health = 'stopping';
  if (typeof router?.drainTarget === 'function') {
    // One that takes too long is broken off, as any other process that does not end.
    await limited(() => router.drainTarget(name, instance.port), manager.shutdownTimeout).catch(() => {});
  }
  router?.removeTarget?.(name, instance.port);
  // A process is ended by force in the end; there is nothing to give up.
  if (processes.byPort.has(instance.port)) await manager.terminateInstance(name, instance);
  else await limited(() => manager.terminateInstance(name, instance), manager.shutdownTimeout);
}

/** A number that stands for no process; never 0, and nobody else's. */
function mockPid(manager) {
  const used = new Set();
  for (const instances of manager.instances.values()) for (const { pid } of instances.values()) used.add(pid);
  let pid = 1 + Math.floor(Math.random() * (MOCK_PIDS - 1));
  while (used.has(pid)) pid += 1;
  return pid;
}

function count(manager, name, field, change) {
  const totals = manager[INNER].totals.get(name) ?? { spawned: 0, terminated: 0 };
  totals[field] += change;
  manager[INNER].totals.set(name, totals);
}

const detailOf = ({ port, pid, startTime, health }) => ({ port, pid, startTime, uptime: Date.now() - startTime, health });

async function spawnOne(manager, name, instances, port) {
  const { reserved, router } = manager[INNER];
  try {
    const { pid = mockPid(manager), startTime = Date.now(), health = 'starting' } = (await manager.spawnInstance(name, port)) ?? {};
    const instance = { port, pid, startTime, health };
    instances.set(`${textOf(name)}:${port}`, instance);
    router?.addTarget?.(name, port);
    return { port, pid, startTime };
  } finally {
    reserved.delete(port);
  }
}

class HorizontalScalingManager extends EventEmitter {
  constructor(options = {}) {
    super();
    const cells = new Float64Array(6);
    native.instancesConfig(options, cells);
    const [shutdownTimeout, fewest, most, startTimeout, restartFirst, restartLongest] = cells;
    this.instances = new Map();
    this.serviceBasePorts = new Map();
    this.runningInstances = new Map();
    this.scalingHistory = [];
    this.shutdownTimeout = shutdownTimeout;
    this.stats = { created: Date.now(), totalInstancesSpawned: 0, totalInstancesTerminated: 0, failedScaleAttempts: 0 };
    const processes = new Processes({ shutdownTimeout, startTimeout, restartFirst, restartLongest });
    const program = programOf(options);
    const inner = {
      fewest, most, router: options.router, processes, program, programs: new Map(), reserved: new Set(), lines: new Map(), totals: new Map(),
    };
    Object.defineProperty(this, INNER, { value: inner });
    enroll('HorizontalScalingManager', this, options, { stats: this.stats });
  }

  registerService(serviceName, basePort, options = {}) {
    const port = native.instancesBasePort(basePort);
    const program = programOf(options);
    const { processes, programs } = this[INNER];
    // Forgotten, but not left running.
    for (const forgotten of this.instances.get(serviceName)?.values() ?? []) processes.stop(forgotten.port)?.catch(() => {});
    this.serviceBasePorts.set(serviceName, port);
    if (program !== undefined) programs.set(serviceName, program);
    this.instances.set(serviceName, new Map());
    this.runningInstances.set(serviceName, 0);
  }

  /** Starts a process where there is a program; override it to start something else: `{ pid, startTime }`, or a promise of it. */
  spawnInstance(serviceName, port) {
    const program = programFor(this, serviceName);
    if (program === undefined) return undefined;
    return this[INNER].processes.start(serviceName, program, port, listenersOf(this, serviceName, port));
  }

  /** Ends an instance; override it with `spawnInstance`. It is waited for, at most `shutdownTimeout`. */
  terminateInstance(serviceName, instance) {
    return this[INNER].processes.stop(instance?.port) ?? new Promise((resolve) => setTimeout(resolve, PRETENDED_MS));
  }

  async scaleUp(serviceName, wanted = 1) {
    return inLine(this, serviceName, async () => {
      const instances = instancesOf(this, serviceName);
      const before = instances.size;
      const number = native.instancesCount(wanted, this[INNER].most - before);
      const ports = await portsFor(this, serviceName, number);
      const spawned = [];
      const failed = (error) => {
        this.stats.failedScaleAttempts += 1;
        tell(this, 'scale-error', { serviceName, error });
      };
      for (const port of ports) {
        try {
          spawned.push(await spawnOne(this, serviceName, instances, port));
        } catch (error) {
          failed(messageOf(error));
          continue;
        }
        this.stats.totalInstancesSpawned += 1;
        count(this, serviceName, 'spawned', 1);
        this.runningInstances.set(serviceName, instances.size);
        const { pid } = spawned.at(-1);
        tell(this, 'instance-spawned', { serviceName, port, pid });
      }
      if (ports.length < number) failed(`no free port for '${textOf(serviceName)}'`);
      remember(this, {
        action: 'SCALE_UP', serviceName, count: wanted, oldInstanceCount: before, newInstanceCount: instances.size, instances: spawned,
      });
      return spawned;
    });
  }

  async scaleDown(serviceName, wanted = 1) {
    return inLine(this, serviceName, async () => {
      const instances = instancesOf(this, serviceName);
      const before = instances.size;
      const number = native.instancesCount(wanted, before - this[INNER].fewest);
      let [stopped, skipped] = [0, 0];
      for (const [id, instance] of [...instances].reverse().slice(0, number)) {
        try {
          await endOne(this, serviceName, instance);
        } catch (error) {
          skipped += 1;
          tell(this, 'shutdown-error', { serviceName, error: messageOf(error) });
          continue;
        }
        instances.delete(id);
        stopped += 1;
        this.stats.totalInstancesTerminated += 1;
        count(this, serviceName, 'terminated', 1);
        if (this.instances.get(serviceName) === instances) this.runningInstances.set(serviceName, instances.size);
        tell(this, 'instance-terminated', { serviceName, port: instance.port, pid: instance.pid });
      }
      remember(this, {
        action: 'SCALE_DOWN', serviceName, count: wanted, skipped, oldInstanceCount: before, newInstanceCount: instances.size,
      });
      return { stopped, skipped };
    });
  }

  /** Ends every instance, for a shutdown; minInstances does not count. */
  async shutdown() {
    const ends = [...this.instances].map(([name, instances]) => inLine(this, name, async () => {
      await Promise.all([...instances].map(async ([id, instance]) => {
        await endOne(this, name, instance);
        instances.delete(id);
      }));
      this.runningInstances.set(name, instances.size);
    }));
    await Promise.all(ends);
  }

  getInstanceCount(serviceName) {
    return this.instances.get(serviceName)?.size ?? 0;
  }

  getInstanceDetails(serviceName) {
    return [...(this.instances.get(serviceName)?.values() ?? [])].map(detailOf);
  }

  getInstance(serviceName, index) {
    return this.getInstanceDetails(serviceName)[index] ?? null;
  }

  updateInstanceHealth(serviceName, port, health) {
    for (const instance of this.instances.get(serviceName)?.values() ?? []) {
      if (instance.port !== port) continue;
      instance.health = health;
      tell(this, 'instance-health-updated', { serviceName, port, health });
    }
  }

  getScalingHistory(serviceName = null) {
    if (serviceName === null) return this.scalingHistory;
    return this.scalingHistory.filter((entry) => entry.serviceName === serviceName);
  }

  isPortInUse(port) {
    for (const instances of this.instances.values()) {
      for (const instance of instances.values()) if (instance.port === port) return true;
    }
    return false;
  }

  getAllInstances() {
    const view = ({ port, pid, startTime, health }) => ({ port, pid, startTime, health });
    return Object.fromEntries([...this.instances].map(([name, instances]) => [textOf(name), [...instances.values()].map(view)]));
  }

  getStats() {
    const { created, totalInstancesSpawned, totalInstancesTerminated, failedScaleAttempts } = this.stats;
    const services = [...this.instances].map(([name, instances]) => {
      const { spawned = 0, terminated = 0 } = this[INNER].totals.get(name) ?? {};
      return [textOf(name), { currentInstanceCount: instances.size, totalSpawned: spawned, totalTerminated: terminated }];
    });
    return {
      created,
      uptime: Date.now() - created,
      totalInstancesSpawned,
      totalInstancesTerminated,
      failedScaleAttempts,
      scalingHistoryCount: this.scalingHistory.length,
      serviceStats: Object.fromEntries(services),
    };
  }
}

exports.HorizontalScalingManager = HorizontalScalingManager;
exports.default = HorizontalScalingManager;
Object.defineProperty(exports, '__esModule', { value: true });
