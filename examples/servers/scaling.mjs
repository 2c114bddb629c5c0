// The third act: the budget service behind a router, from one process to three under load, and back.
import http from 'node:http';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { dashboard, HorizontalScalingManager, IntelligentRouter } from 'tooloo-native';
import { table } from './report.mjs';

const BUDGET = fileURLToPath(new URL('budget/server.mjs', import.meta.url));
/** How long three processes share the load. */
const TOGETHER_MS = 1000;

const pause = (ms) => new Promise((resolve) => { setTimeout(resolve, ms); });

/** Runs the act; `atEnd` is told what has to be ended when somebody stops it in the middle. */
export async function scalingAct({ fleet, env, rate, seconds, atEnd, say }) {
  const router = new IntelligentRouter();
  const manager = new HorizontalScalingManager({
    router, command: [process.execPath, BUDGET], readyPath: '/stats', env: { ...env, TOOLOO_MODULES: 'on', QUIET: '1' },
  });
  atEnd(() => manager.shutdown());
  manager.registerService('budget', 4000);
  const served = new Map();
  const handler = router.proxy('budget');
  const page = dashboard({ title: 'scaling', path: '/dashboard', router, instances: manager });
  const front = http.createServer((request, response) => page(request, response, () => handler(request, response)));
  front.listen(0, '127.0.0.1');
  atEnd(() => {
    handler.close();
    front.close();
    front.closeAllConnections();
  });
  await once(front, 'listening');
  say(`dashboard http://127.0.0.1:${front.address().port}/dashboard/, while it lasts`);

  await manager.scaleUp('budget');
  const web = await fleet.start('web', 'web/server.mjs', {
    env: { TOOLOO_MODULES: 'on', BUDGET_URL: `http://127.0.0.1:${front.address().port}`, PORT: '0' },
  });
  const url = `http://127.0.0.1:${web.hello.port}`;
  const remember = () => {
    for (const { port, latencyStats } of router.getRoutingMetrics('budget').targets) served.set(port, latencyStats.count);
  };

  const steps = [manager.getInstanceCount('budget')];
  let scaled = false;
  const scale = async () => {
    await manager.scaleUp('budget', 2);
    steps.push(manager.getInstanceCount('budget'));
    await pause(Math.max(TOGETHER_MS, (seconds * 1000) / 2));
    remember();
    await manager.scaleDown('budget', 2);
    steps.push(manager.getInstanceCount('budget'));
    scaled = true;
  };
  const scaling = scale();
  const loads = [];
  // In slices, until the last process has gone, and one more.
  for (let last = false; !last;) {
    last = scaled;
    loads.push(await Promise.race([
      fleet.load({ url, seconds: 1, rate, seed: 11 + loads.length, crawler: false }),
      scaling.then(() => new Promise(() => {})),
    ]));
  }
  await scaling;
  remember();
  await web.stop();
  await manager.shutdown();
  const sum = (pick) => loads.reduce((total, load) => total + pick(load), 0);
  say(`\n${table([
    ['the budget service under load', `${steps.join(' → ')} processes`],
    ['requests, failed', `${sum(({ requests }) => requests)}, ${sum(({ failed }) => failed)}`],
    ['answers by process', [...served.values()].join(', ')],
  ])}`);
  return loads.flatMap(({ problems }) => problems);
}
