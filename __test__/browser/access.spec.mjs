// Getting in with a token, and getting back after a break, as a browser does it.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { after, afterEach, before, test } from 'node:test';
import { dashboard, RateLimiter } from '../../src/js/index.mjs';
import { launchBrowser, whyNoBrowser } from '../support/browser.mjs';

const options = { skip: whyNoBrowser() };
const TOKEN = 'correct-horse-battery';
const closing = [];
let browser;
before(
  async () => {
    if (!options.skip) browser = await launchBrowser();
  },
  { timeout: 60_000 },
);
after(() => browser?.close());
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

async function serve(settings, port = 0) {
  const limiter = new RateLimiter();
  const server = http
    .createServer(dashboard({ limiter, title: 'the shop', intervalMs: 250, ...settings }))
    .listen(port, '127.0.0.1');
  await once(server, 'listening');
  const close = () =>
    new Promise((resolve) => {
      limiter.shutdown();
      server.close(resolve);
      server.closeAllConnections();
    });
  closing.push(close);
  return { server, close, url: `http://127.0.0.1:${server.address().port}/` };
}
const live = (page) => page.waitForFunction(() => document.querySelector('#state')?.dataset.state === 'live');

test(
  'a link with the token opens the page, whose address has no token, and a later visit needs none',
  options,
  async () => {
    const { url } = await serve({ token: TOKEN });
    const page = await browser.newPage();
    await page.goto(`${url}?token=${TOKEN}`);
    await live(page);
    assert.equal(page.url(), url);
    assert.equal(await page.title(), 'the shop');
    assert.equal(await page.evaluate(() => document.cookie), '', 'no script reads the cookie');
    await page.goto(url);
    await live(page);
    assert.deepEqual(page.seen.messages, []);
    await page.close();
  },
);

test('without a token the page asks for it, and a wrong one does not open it', options, async () => {
  const { url } = await serve({ token: TOKEN });
  const page = await browser.newPage({ viewport: { width: 360, height: 700 } });
  await page.goto(url);
  const field = page.getByLabel('Token');
  await field.fill('not the right one');
  await page.keyboard.press('Enter');
  await page.getByRole('heading', { name: 'A token is needed' }).waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
  await field.fill(TOKEN);
  await page.keyboard.press('Enter');
  await live(page);
  assert.equal(page.url(), url);
  await page.close();
});

test('when the service is away the page says so, and goes on when it is back', options, async () => {
  const { url, server, close } = await serve({});
  const { port } = server.address();
  const page = await browser.newPage();
  await page.goto(url);
  await live(page);
  await close();
  await page.waitForFunction(() => document.querySelector('#state').dataset.state === 'lost');
  assert.match(await page.getByRole('status').innerText(), /Connection lost/);
  await serve({}, port);
  await live(page);
  await page.close();
});

test('a page that is turned away because too many watch comes back by itself', options, async () => {
  const { url } = await serve({ maxViewers: 1 });
  const [first, second] = [await browser.newPage(), await browser.newPage()];
  await first.goto(url);
  await live(first);
  await second.goto(url);
  await second.waitForFunction(() => document.querySelector('#state').dataset.state === 'lost');
  await first.close();
  await live(second);
  await second.close();
});

test('a page that nobody can see asks for nothing, and goes on when it is seen', options, async () => {
  const { url } = await serve({ maxViewers: 1 });
  const [first, second] = [await browser.newPage(), await browser.newPage()];
  await first.goto(url);
  await live(first);
  const show = (hidden) =>
    first.evaluate((value) => {
      Object.defineProperty(document, 'hidden', { configurable: true, get: () => value });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await show(true);
  await second.goto(url);
  await live(second);
  await second.close();
  const process = first.locator('#process');
  const before = await process.innerText();
  await show(false);
  await first.waitForFunction((text) => document.querySelector('#process').innerText !== text, before);
  await first.close();
});
