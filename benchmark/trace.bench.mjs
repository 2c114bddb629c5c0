// Tracing with an export: a span's cost on the event loop beside OpenTelemetry's SDK, and what it costs the demo's web service by
// OpenTelemetry's method: https://opentelemetry.io/docs/specs/otel/performance-benchmark/ (10,000 spans a second, a collector in
// another process, runs of 15 s, with and without in turns). `npm run bench:trace -- --repeats 10 --seconds 15` is that;
// `npm run bench` takes a short look at the first half alone.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import http from 'node:http';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { closeConnections, request } from '../examples/servers/http.mjs';
import { startCollector } from '../__test__/support/collector.mjs';
import { peer } from './peers.mjs';

const SPANS_A_SECOND = 10_000;
/** Spans that a request to the web service makes. */
const SPANS_A_REQUEST = 40;
const script = (name) => fileURLToPath(new URL(`./trace/${name}`, import.meta.url));
const median = (values) => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];
const spread = (values, digits = 2) => `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;

async function answerOf(child) {
  const gone = new AbortController();
  const failed = (code) => gone.abort(new Error(`a process of the benchmark ended with ${code}`));
  child.once('exit', failed);
  try {
    return (await once(child, 'message', { signal: gone.signal }))[0];
  } finally {
    child.off('exit', failed);
  }
}

/** Nanoseconds of event loop and of process a span, for each side; what the empty loop takes is taken off. */
async function besideSdk({ repeats, seconds, warmup = 3 }) {
  const collector = await startCollector({ count: true });
  const figures = { none: [], ours: [], sdk: [] };
  const names = Object.keys(figures);
  for (let round = 0; round < repeats; round += 1) {
    for (const side of round % 2 ? names : [...names].reverse()) {
      const options = { side, endpoint: collector.url, perSecond: SPANS_A_SECOND, seconds, warmup };
      figures[side].push(await answerOf(fork(script('side.mjs'), [JSON.stringify(options)])));
      await collector.clear();
    }
  }
  await collector.stop();
  const cost = (side, key) => figures[side].map((one, round) => ((one[key] - figures.none[round][key]) * 1e6) / (one.spans || 1));
  return Object.fromEntries(['ours', 'sdk'].map((side) => [side, { loop: cost(side, 'loopMs'), cpu: cost(side, 'cpuMs') }]));
}

/** Asks a service `rate` times a second for `seconds`; the answers' times in milliseconds, least first. */
async function load(port, rate, seconds) {
  const times = [];
  const open = [];
  const began = performance.now();
  for (let sent = 0; sent < rate * seconds; sent += 1) {
    const wait = began + (sent * 1000) / rate - performance.now();
    if (wait > 1) await new Promise((resolve) => setTimeout(resolve, wait));
    const at = performance.now();
    open.push(request(`http://127.0.0.1:${port}`, `/api/usage/${sent % 100}`).then(({ status }) => {
      if (status !== 200) throw new Error(`HTTP ${status}`);
      times.push(performance.now() - at);
    }));
  }
  await Promise.all(open);
  return times.sort((a, b) => a - b);
}

async function inService({ repeats, seconds }) {
  const collector = await startCollector({ count: true });
  const budget = http.createServer((req, res) => res.setHeader('content-type', 'application/json').end('[{"day":"2026-11-25","calls":5}]'));
  budget.keepAliveTimeout = 60_000;
  await new Promise((resolve) => { budget.listen(0, '127.0.0.1', resolve); });
  const budgetUrl = `http://127.0.0.1:${budget.address().port}`;
  const rate = SPANS_A_SECOND / SPANS_A_REQUEST;
  const start = async (tracing) => {
    const child = fork(script('service.mjs'), [JSON.stringify({ tracing, endpoint: collector.url, spans: SPANS_A_REQUEST, budgetUrl })]);
    const { port } = await answerOf(child);
    const ask = (question) => {
      child.send({ ask: question });
      return answerOf(child);
    };
    return { child, port, ask, turns: [] };
  };
  const sides = { with: await start(true), without: await start(false) };
  for (const { port } of Object.values(sides)) await load(port, rate, 5);
  for (let round = 0; round < repeats; round += 1) {
    for (const name of round % 2 ? ['with', 'without'] : ['without', 'with']) {
      process.stderr.write(`web service: round ${round + 1} of ${repeats}, ${name} its tracer\n`);
      const { port, ask, turns } = sides[name];
      const before = await ask('report');
      const times = await load(port, rate, seconds);
      const after = await ask('report');
      turns.push({
        loop: (after.loopMs - before.loopMs) / (seconds * 10), cpu: (after.cpuUs - before.cpuUs) / (seconds * 1e4),
        mean: times.reduce((sum, time) => sum + time, 0) / times.length, p99: times[Math.floor(times.length * 0.99)],
      });
      await collector.clear();
    }
  }
  const { exporter } = await sides.with.ask('report');
  for (const { child } of Object.values(sides)) {
    child.send({ ask: 'stop' });
    await once(child, 'exit');
  }
  closeConnections();
  budget.close();
  budget.closeAllConnections();
  await collector.stop();
  const column = (name, key) => sides[name].turns.map((turn) => turn[key]);
  return { exporter, column, difference: (key) => column('with', key).map((figure, round) => figure - column('without', key)[round]) };
}

/** The first half, as rows of `npm run bench`. */
export async function run(table) {
  if (peer('@opentelemetry/sdk-trace-node') === undefined) return;
  const { ours, sdk } = await besideSdk({ repeats: 3, seconds: 4 });
  const turns = { ours: [...ours.loop], sdk: [...sdk.loop] };
  await table.compare({
    title: 'a span on the event loop, exported at 10,000 a second, against @opentelemetry/sdk-trace-node', goal: 5, rounds: 2,
    baseline: () => turns.sdk.pop(), ours: () => turns.ours.pop(),
  });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { repeats: { type: 'string', default: '3' }, seconds: { type: 'string', default: '15' } } });
  const [repeats, seconds] = [Number(values.repeats), Number(values.seconds)];
  console.log(`Node ${process.version}; ${repeats} repeats of ${seconds} s in turns, ${SPANS_A_SECOND.toLocaleString('en')} spans a second; medians (least–most)\n`);
  if (peer('@opentelemetry/sdk-trace-node') !== undefined) {
    const { ours, sdk } = await besideSdk({ repeats, seconds: Math.min(seconds, 5) });
    const ratio = median(sdk.loop) / median(ours.loop);
    console.log('| a span, ns | @opentelemetry/sdk-trace-node | ours | ratio |\n|---|---|---|---|');
    console.log(`| on the event loop | ${spread(sdk.loop, 0)} | ${spread(ours.loop, 0)} | ×${ratio.toFixed(1)}, goal ×5: ${ratio >= 5 ? 'met' : 'MISSED'} |`);
    console.log(`| of the process, the exporter's thread included | ${spread(sdk.cpu, 0)} | ${spread(ours.cpu, 0)} | ×${(median(sdk.cpu) / median(ours.cpu)).toFixed(1)} |\n`);
  }
  const { exporter, column, difference } = await inService({ repeats, seconds });
  console.log(`The demo's web service, ${SPANS_A_SECOND / SPANS_A_REQUEST} requests a second of ${SPANS_A_REQUEST} spans:\n`);
  console.log('| | without | with | difference |\n|---|---|---|---|');
  const row = (title, key) => console.log(`| ${title} | ${spread(column('without', key))} | ${spread(column('with', key))} | ${spread(difference(key))} |`);
  row('event loop busy, % of its time', 'loop');
  row('processor time of the process, % of a core', 'cpu');
  row('an answer, mean, ms', 'mean');
  row('an answer, p99, ms', 'p99');
  const verdict = (value) => (value < 1 ? 'met' : 'MISSED');
  console.log(`\nGoal below 1 %: of the event loop ${verdict(median(difference('loop')))}, of a core ${verdict(median(difference('cpu')))}. ` +
    `Exported ${exporter.exported}, lost ${exporter.droppedQueueFull + exporter.droppedFailed + exporter.rejected}.`);
}
