// The files in docs/observability: the rules hold and fire, and every metric that they or the dashboard name is one that
// the demo's services report, in a query that Prometheus understands.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from './support/app.mjs';
import { familiesOf, seriesOf } from './support/metrics.mjs';
import { promtool, startPrometheus, withoutPrometheus } from './support/prometheus.mjs';
import { until } from './support/until.mjs';

const FOLDER = path.join(ROOT, 'docs', 'observability');
const ALERTS = path.join(FOLDER, 'alerts.yml');
const alerts = fs.readFileSync(ALERTS, 'utf8');
const dashboard = JSON.parse(fs.readFileSync(path.join(FOLDER, 'grafana-dashboard.json'), 'utf8'));
const expressions = dashboard.panels.flatMap(({ title, targets = [] }) => targets.map(({ expr }) => ({ title, expr })));
const NAME = /\b(?:tooloo|process|nodejs)_[a-z0-9_]+/g;

let home;
let demo;
let services;

before(async () => {
  home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-test-'));
  // PostgreSQL may run as another user.
  fs.chmodSync(home, 0o777);
  const start = path.join(ROOT, 'examples', 'servers', 'start.mjs');
  const child = spawn(process.execPath, [start, '--seconds', '2', '--rate', '100', '--calls', '20000'], {
    env: { ...process.env, DATABASE_URL: '', TMPDIR: home }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  demo = { child, output: '', ended: once(child, 'close') };
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (text) => (demo.output += text));
  await until(() => {
    if (child.exitCode !== null) throw new Error(demo.output);
    return demo.output.includes('Ctrl-C ends everything');
  }, 120_000);
  services = /^scrape +(\S+) and (\S+)$/m.exec(demo.output).slice(1);
}, { timeout: 180_000 });

after(async () => {
  demo?.child.kill('SIGINT');
  await demo?.ended;
  fs.rmSync(home, { recursive: true, force: true });
});

/** The scrapes of both services together. */
const scraped = async () => (await Promise.all(services.map(async (url) => (await fetch(url)).text()))).join('');

/** Names of series without labels, and of families. */
async function known() {
  const text = await scraped();
  return new Set([...familiesOf(text).keys(), ...[...seriesOf(text).keys()].map((series) => series.replace(/\{.*/s, ''))]);
}

const missing = (names, text) => [...new Set(text.match(NAME))].filter((name) => !names.has(name));

test('promtool finds nothing wrong with the rules, and they fire when they should', { skip: withoutPrometheus() }, () => {
  const checked = promtool(['check', 'rules', '--lint=all', '--lint-fatal', ALERTS]);
  assert.equal(checked.status, 0, checked.said);
  const fired = promtool(['test', 'rules', path.join(ROOT, '__test__', 'support', 'alerts.test.yml')]);
  assert.equal(fired.status, 0, fired.said);
});

test('promtool finds nothing wrong with what the demo reports', { skip: withoutPrometheus() }, async () => {
  for (const url of services) {
    const text = await (await fetch(url)).text();
    assert.deepEqual(promtool(['check', 'metrics'], text), { status: 0, said: '' });
  }
});

test('every metric that the alerts name is in a scrape of the demo', async () => {
  assert.ok(alerts.match(NAME).length >= 20);
  assert.deepEqual(missing(await known(), alerts), []);
});

test('every metric that the dashboard names is in a scrape of the demo', async () => {
  assert.ok(expressions.length > 40, `${expressions.length} expressions`);
  assert.deepEqual(missing(await known(), JSON.stringify(dashboard)), []);
});

test('the dashboard is whole: ids once, a title and a description for each panel, nothing on top of another', () => {
  const { panels } = dashboard;
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  for (const panel of panels) {
    assert.ok(panel.title.length > 0);
    if (panel.type !== 'row') assert.ok(panel.description.length > 0 && panel.targets.length > 0, panel.title);
  }
  const taken = new Set();
  for (const { gridPos: { x, y, w, h }, title } of panels) {
    assert.ok(x + w <= 24, title);
    for (let column = x; column < x + w; column += 1) {
      for (let line = y; line < y + h; line += 1) {
        assert.ok(!taken.has(`${column},${line}`), title);
        taken.add(`${column},${line}`);
      }
    }
  }
});

test('Prometheus understands every expression of the dashboard, and the demo answers them', { skip: withoutPrometheus() }, async () => {
  const targets = services.map((url) => new URL(url).host);
  const prometheus = await startPrometheus(targets, { rules: [ALERTS], native: false });
  try {
    const ask = (expr) => {
      const plain = expr.replaceAll('$__rate_interval', '5s').replace(/\$(job|instance)/g, '.*');
      return prometheus.query(`query?query=${encodeURIComponent(plain)}`);
    };
    await until(async () => (await ask('sum_over_time(up[3s]) >= 10')).result.length === 2);
    await Promise.all(services.map((url) => fetch(new URL('/api/quote/7?tokens=5000', url)).then((response) => response.text())));
    const silent = [];
    for (const { title, expr } of expressions) {
      const { result } = await ask(expr);
      assert.ok(Array.isArray(result), `${title}: ${expr}`);
      if (result.length === 0) silent.push(title);
    }
    assert.deepEqual(silent, []);
    const { groups } = await prometheus.query('rules');
    const rules = groups.flatMap((group) => group.rules);
    assert.equal(rules.length, alerts.match(/- alert:/g).length);
    await until(async () => (await prometheus.query('rules')).groups.every((group) => group.rules.every(({ health }) => health === 'ok')));
  } finally {
    await prometheus.stop();
  }
});
