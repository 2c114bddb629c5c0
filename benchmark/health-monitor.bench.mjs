// What asking 1,000 services once a second costs the event loop; the services are a process of their own.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { performance } from 'node:perf_hooks';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { HealthMonitor } from '../src/js/lib/resilience/HealthMonitor.mjs';

const SERVICES = 1000;
const SECONDS = 5;

if (process.argv[2] === 'services') {
  const server = http.createServer((request, response) => response.end('ok'));
  server.listen(0, '127.0.0.1', () => process.send(server.address().port));
  process.once('disconnect', () => process.exit(0));
}

async function activeMs(register) {
  const child = fork(fileURLToPath(import.meta.url), ['services']);
  const [port] = await once(child, 'message');
  const monitor = new HealthMonitor({ checkInterval: 1000 });
  if (register) for (let index = 0; index < SERVICES; index += 1) monitor.registerService(`s${index}`, port);
  await sleep(2500);
  const before = performance.eventLoopUtilization();
  await sleep(SECONDS * 1000);
  const { active } = performance.eventLoopUtilization(before);
  const { checksRun, healthyServices } = monitor.getStats();
  monitor.destroy();
  child.disconnect();
  if (register && (healthyServices !== SERVICES || checksRun < SERVICES * SECONDS)) throw new Error(`${healthyServices} healthy, ${checksRun} checks`);
  return active / SECONDS;
}

export async function run(table) {
  await table.limit({ title: '1,000 services asked once a second, event loop', unit: 'ms/s', limit: 1, ours: () => activeMs(true) });
}
