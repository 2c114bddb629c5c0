// `npm start` serves a dashboard for each service, and what they show is what the services say.
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { launchBrowser, whyNoBrowser } from '../support/browser.mjs';
import { until } from '../support/until.mjs';
import { figuresOf } from './page.mjs';

const START = fileURLToPath(new URL('../../examples/servers/start.mjs', import.meta.url));
const options = { skip: whyNoBrowser() };
const count = (number) => Math.round(number).toLocaleString('en-US');

let browser;
let demo;
let output = '';
before(
  async () => {
    if (options.skip) return;
    browser = await launchBrowser();
    demo = spawn(process.execPath, [START, '--seconds', '4', '--rate', '60', '--calls', '20000'], {
      env: { ...process.env, DATABASE_URL: '' },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    demo.stdout.setEncoding('utf8').on('data', (text) => (output += text));
  },
  { timeout: 60_000 },
);
after(async () => {
  await browser?.close();
  if (demo === undefined || demo.exitCode !== null) return;
  demo.kill('SIGINT');
  await once(demo, 'close');
});

const printed = (pattern) =>
  until(() => pattern.test(output) || demo.exitCode !== null, 120_000).then(() => pattern.exec(output));

async function open(url) {
  const page = await browser.newPage();
  await page.goto(url);
  await page.waitForFunction(() => document.querySelector('#state')?.dataset.state === 'live');
  return page;
}

/** The page's figures once they are those of `/stats`, which changes while requests come in. */
async function agreeing(page, url) {
  let found;
  await until(async () => {
    const stats = await (await fetch(`${url}/stats`)).json();
    found = { stats, shown: await page.evaluate(figuresOf) };
    return found.shown.operations?.facts.Ended === count(stats.tracer.totalRequests);
  });
  return found;
}

test('while the service is scaled, its processes are shown', { ...options, timeout: 180_000 }, async () => {
  const [, url] = await printed(/dashboard (http:\S+\/dashboard\/)/);
  const page = await open(url);
  await page.waitForFunction(() => document.querySelectorAll('#instances tbody tr').length === 3, undefined, {
    timeout: 60_000,
  });
  await page.waitForFunction(() => document.querySelectorAll('#router tbody tr').length >= 1);
  assert.deepEqual(page.seen.messages, []);
  await page.close();
});

test('both services’ dashboards show what the services say', { ...options, timeout: 180_000 }, async () => {
  await printed(/Ctrl-C ends everything/);
  const [, web, budget] = /^watch +(\S+)\/dashboard\/ and (\S+)\/dashboard\//m.exec(output);
  const pages = [await open(`${web}/dashboard/`), await open(`${budget}/dashboard/`)];

  const front = await agreeing(pages[0], web);
  assert.deepEqual(Object.keys(front.shown), ['operations', 'traces', 'limiter', 'breakers', 'health']);
  assert.ok(front.shown.limiter.facts.Allowed.startsWith(`${count(front.stats.limiter.allowedRequests)} ·`));
  assert.equal(front.shown.breakers.tables[0][0][0], 'budget');
  assert.match(front.shown.breakers.tables[0][0][1], /closed/);
  await pages[0].waitForFunction(() => document.querySelector('#health tbody').textContent.includes('healthy'));

  const back = await agreeing(pages[1], budget);
  assert.deepEqual(Object.keys(back.shown), ['operations', 'traces', 'cache', 'pool', 'optimizer', 'limiter']);
  const { cache, pool, optimizer } = back.stats;
  assert.equal(
    back.shown.cache.facts['Hit rate'],
    `${((cache.hits / (cache.hits + cache.misses)) * 100).toFixed(1)} %`,
  );
  assert.ok(back.shown.pool.facts.Borrowed.startsWith(`${count(pool.acquired)} ·`));
  assert.ok(back.shown.optimizer.facts.Queries.startsWith(`${count(optimizer.queriesBatched)} ·`));

  await pages[1].locator('#traces .link').first().focus();
  await pages[1].keyboard.press('Enter');
  await pages[1].locator('.spans > li').first().waitFor();
  for (const { seen } of pages) assert.deepEqual(seen.messages, []);
});
