// The dashboard in a real Chromium, on the demo's budget service with all modules, under load.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { ROOT } from '../support/app.mjs';
import { launchBrowser, whyNoBrowser } from '../support/browser.mjs';
import { startDemo } from '../support/dashboard-demo.mjs';
import { until } from '../support/until.mjs';
import { contrastOf, figuresOf, overflowing, tabStops } from './page.mjs';

const options = { skip: whyNoBrowser() };
const PANELS = [
  'operations',
  'traces',
  'cache',
  'pool',
  'optimizer',
  'limiter',
  'breakers',
  'health',
  'router',
  'balancer',
  'instances',
];
const SHOTS = path.join(ROOT, 'target', 'screenshots');
/** The picture in the README; `UPDATE_SCREENSHOTS=1` takes a new one. */
const README_SHOT = path.join(ROOT, 'docs', 'images', 'dashboard.png');

let demo;
let browser;
const pages = [];

before(
  async () => {
    if (options.skip) return;
    fs.mkdirSync(SHOTS, { recursive: true });
    [demo, browser] = await Promise.all([startDemo(), launchBrowser()]);
  },
  { timeout: 120_000 },
);

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** The page with live figures in every chart, in place of the one before. */
async function open(context, at = '/dashboard/') {
  await pages.at(-1)?.close();
  const page = await browser.newPage(context);
  pages.push(page);
  await page.goto(demo.url + at);
  await page.waitForFunction(() => document.querySelector('#state')?.dataset.state === 'live');
  await page.waitForFunction(() => document.querySelectorAll('.canvas canvas').length >= 6);
  return page;
}

test(
  'under load every panel is there, its charts are drawn, and nothing lies over the edge, in light and dark, wide and narrow',
  options,
  async () => {
    const page = await open();
    assert.deepEqual(await page.locator('main > section').evaluateAll((all) => all.map(({ id }) => id)), PANELS);
    await page.waitForFunction(() =>
      [...document.querySelectorAll('.chart .canvas')].every((each) =>
        /\d/.test(each.ariaLabel ?? each.getAttribute('aria-label')),
      ),
    );
    await page.waitForFunction(() => document.querySelectorAll('#traces tbody tr').length >= 15);
    // Until the charts have something to show.
    await page.waitForTimeout(Number(process.env.UPDATE_SCREENSHOTS ? 45_000 : 3000));
    for (const colorScheme of ['light', 'dark']) {
      for (const width of [1440, 360]) {
        await page.setViewportSize({ width, height: 900 });
        await page.emulateMedia({ colorScheme });
        await page.waitForTimeout(700);
        assert.deepEqual(await page.evaluate(overflowing), [], `${colorScheme}, ${width} px`);
        await page.screenshot({ path: path.join(SHOTS, `dashboard-${colorScheme}-${width}.png`), fullPage: true });
        if (process.env.UPDATE_SCREENSHOTS && width === 1440 && colorScheme === 'light') {
          await page.setViewportSize({ width: 1280, height: 1000 });
          await page.waitForTimeout(1200);
          await page.screenshot({ path: README_SHOT });
        }
      }
    }
  },
);

test('the README’s picture is there, and small', options, () => {
  assert.ok(fs.statSync(README_SHOT).size < 300 * 1024);
});

test(
  'a trace opens as a waterfall by Enter, its spans open to tags and logs, and Escape goes back',
  options,
  async () => {
    const page = await open();
    await page.locator('#traces input[value="failed"]').focus();
    await page.keyboard.press('Space');
    const opener = page.locator('#traces .link', { hasText: 'nightly invoices' }).first();
    await opener.focus();
    await page.keyboard.press('Enter');
    const dialog = page.getByRole('dialog', { name: 'nightly invoices' });
    await dialog.locator('.spans > li').nth(4).waitFor();
    const rows = await dialog.locator('.spans button').evaluateAll((all) =>
      all.map((button) => ({
        name: button.querySelector('.span-name').textContent.replace('■ ', ''),
        depth: Number(button.querySelector('.span-name').style.getPropertyValue('--depth')),
        from: Number(button.querySelector('.span-bar').style.getPropertyValue('--from')),
        long: Number(button.querySelector('.span-bar').style.getPropertyValue('--long')),
        tone: button.querySelector('.span-bar').dataset.tone,
      })),
    );
    assert.deepEqual(
      rows.map(({ name, depth }) => [name, depth]),
      [
        ['nightly invoices', 0],
        ['invoices.collect', 1],
        ['ledger.read', 2],
        ['invoices.send', 1],
        ['mail.deliver', 2],
      ],
    );
    assert.deepEqual(
      rows.map(({ tone }) => tone),
      ['bad', 'calm', 'calm', 'bad', 'bad'],
    );
    assert.ok(rows[0].from === 0 && rows[0].long > 0.95);
    assert.ok(rows[3].from >= rows[1].from + rows[1].long - 0.05, 'what came after lies to the right');
    assert.ok(rows.every(({ from, long }) => from + long <= 1.01));
    // The request's own row is open, and has the focus.
    assert.match(
      await dialog.locator('.span-details').first().innerText(),
      /job\s+invoices[\s\S]*the mail server said 451/,
    );
    for (let row = 1; row <= 4; row += 1) await page.keyboard.press('ArrowDown');
    await page.keyboard.press('Enter');
    assert.match(await dialog.locator('.span-details').nth(4).innerText(), /451 try again later/);
    assert.deepEqual(await page.evaluate(overflowing), []);
    await page.screenshot({ path: path.join(SHOTS, 'trace-light-1440.png') });

    const id = await dialog.locator('.facts code').innerText();
    const trace = demo.modules.tracer.getTrace(id);
    assert.equal(trace.spans.length, 4);
    assert.match(
      await dialog.locator('.facts').first().innerText(),
      new RegExp(
        `Duration\\s${trace.duration >= 100 ? Math.round(trace.duration) : trace.duration.toFixed(trace.duration < 10 ? 2 : 1)} ms`,
      ),
    );

    await page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'hidden' });
    assert.equal(await page.evaluate(() => document.activeElement.textContent), 'nightly invoices');
  },
);

test('a waterfall fits a narrow screen, and a trace that is gone says so', options, async () => {
  const page = await open({ viewport: { width: 360, height: 740 }, colorScheme: 'dark' });
  await page.locator('#traces input[value="slowest"]').focus();
  await page.keyboard.press('Space');
  await page.locator('#traces .link').first().focus();
  await page.keyboard.press('Enter');
  await page.locator('.spans > li').first().waitFor();
  assert.deepEqual(await page.evaluate(overflowing), []);
  await page.screenshot({ path: path.join(SHOTS, 'trace-dark-360.png') });
  await page.keyboard.press('Escape');

  await page.route('**/trace?*', (route) =>
    route.fulfill({ status: 404, contentType: 'application/json', body: '{"error":"This trace is no longer kept."}' }),
  );
  await page.locator('#traces .link').first().click();
  await page.getByText('This trace is no longer kept.').waitFor();
  page.seen.messages = page.seen.messages.filter((text) => !text.includes('404'));
});

test('a pause holds the figures, and going on brings them up to date', options, async () => {
  const page = await open();
  const button = page.locator('#pause');
  await button.click();
  assert.equal(await button.getAttribute('aria-pressed'), 'true');
  const shown = async () => (await page.evaluate(figuresOf)).limiter.facts.Allowed;
  const before = await shown();
  await page.waitForTimeout(1500);
  assert.equal(await shown(), before);
  await button.click();
  assert.notEqual(await shown(), before);
});

test('a client called <script> is text, and so is markup in a tag', options, async () => {
  const page = await open();
  const client = page.locator('#limiter tbody th', { hasText: '<script>window.injected = true</script>' });
  await client.waitFor();
  assert.equal(await page.evaluate(() => window.injected), undefined);
  assert.equal(await page.locator('main script').count(), 0);
  await page.locator('#traces input[value="failed"]').focus();
  await page.keyboard.press('Space');
  await page.locator('#traces .link').first().click();
  await page.locator('.span-details dd', { hasText: '<script>window.injected = true</script>' }).first().waitFor();
  assert.equal(await page.evaluate(() => window.injected), undefined);
});

test('the policy lets no script in, no markup, and nothing from elsewhere', options, async () => {
  const page = await open();
  const tried = await page.evaluate(async () => {
    const broken = [];
    document.addEventListener('securitypolicyviolation', ({ effectiveDirective }) => broken.push(effectiveDirective));
    // From a timer: what the protocol evaluates may do what the page may not.
    const attempt = (work) =>
      new Promise((resolve) => {
        setTimeout(() => {
          try {
            work();
            resolve('done');
          } catch (error) {
            resolve(error.name);
          }
        });
      });
    const results = {
      markup: await attempt(() => {
        document.createElement('div').innerHTML = '<b>x</b>';
      }),
      code: await attempt(() => {
        (0, eval)('window.injected = 1');
      }),
      inline: await attempt(() => {
        document.body.append(Object.assign(document.createElement('script'), { text: 'window.injected = 1' }));
      }),
      handler: await attempt(() => {
        const button = document.createElement('button');
        button.setAttribute('onclick', 'window.injected = 1');
        document.body.append(button);
        button.click();
        button.remove();
      }),
    };
    document.body.append(Object.assign(document.createElement('img'), { src: 'http://127.0.0.1:9/x.png' }));
    await fetch('http://127.0.0.1:9/').catch(() => {});
    await new Promise((resolve) => {
      setTimeout(resolve, 300);
    });
    return { results, broken, injected: window.injected };
  });
  assert.equal(tried.injected, undefined);
  for (const how of ['markup', 'code', 'inline']) assert.notEqual(tried.results[how], 'done', how);
  for (const directive of ['img-src', 'connect-src']) assert.ok(tried.broken.includes(directive), directive);
  // All of that was meant to be complained about.
  page.seen.messages = [];
  page.seen.requests = page.seen.requests.filter((url) => !url.startsWith('http://127.0.0.1:9/'));
});

test('a keyboard reaches everything, in the order of the page, and shows where it is', options, async () => {
  for (const width of [1440, 360]) {
    const page = await open({ viewport: { width, height: 900 } });
    // Without giving it the focus: the way begins at the top.
    await page.evaluate(() => document.getElementById('pause').click());
    const wanted = await page.evaluate(tabStops);
    assert.ok(wanted.length > 40, `${wanted.length} stops`);
    const reached = [];
    for (let stop = 0; stop < wanted.length + 5; stop += 1) {
      await page.keyboard.press('Tab');
      const seen = await page.evaluate(() => {
        const { activeElement: at } = document;
        const shown = at.type === 'radio' ? at.nextElementSibling : at;
        return {
          number: at.dataset.stop,
          outline: getComputedStyle(shown).outlineStyle,
          shown: shown.checkVisibility(),
        };
      });
      if (seen.number === undefined) break;
      assert.deepEqual([seen.outline !== 'none', seen.shown], [true, true], wanted[seen.number]);
      reached.push(Number(seen.number));
    }
    assert.deepEqual(
      reached,
      wanted.map((_, index) => index),
      `${width} px`,
    );
  }
});

test('the skip link leads past the head, and each tile to its panel', options, async () => {
  const page = await open();
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the panels');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.id === 'panels');
  await page.locator('.tile', { hasText: 'Open circuits' }).focus();
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.activeElement.id === 'breakers');
});

test('landmarks, headings, captions and labels say what is what', options, async () => {
  const page = await open();
  for (const role of ['banner', 'navigation', 'main', 'contentinfo', 'status'])
    assert.equal(await page.getByRole(role).count(), 1, role);
  const wrong = await page.evaluate(() => {
    const all = (selector) => [...document.querySelectorAll(selector)];
    const ids = all('[id]').map(({ id }) => id);
    return {
      sections: all('main > section').filter(
        (each) => !document.getElementById(each.getAttribute('aria-labelledby'))?.textContent,
      ).length,
      captions: all('table').filter((each) => !each.caption?.textContent).length,
      columns: all('thead th').filter((each) => each.scope !== 'col' || !each.textContent).length,
      rows: all('tbody tr').filter((each) => each.firstElementChild.scope !== 'row').length,
      charts: all('.canvas').filter((each) => each.getAttribute('role') !== 'img' || !each.getAttribute('aria-label'))
        .length,
      doubled: ids.filter((id, index) => ids.indexOf(id) !== index),
      buttons: all('button, a').filter((each) => !each.textContent && !each.getAttribute('aria-label')).length,
      levels: all('h1, h2, h3')
        .map(({ tagName }) => tagName)
        .filter((tag, index, tags) => tag === 'H3' && tags[index - 1] === 'H1'),
    };
  });
  assert.deepEqual(wrong, {
    sections: 0,
    captions: 0,
    columns: 0,
    rows: 0,
    charts: 0,
    doubled: [],
    buttons: 0,
    levels: [],
  });
});

test('every colour stands out from its ground, in light and dark', options, async () => {
  const page = await open();
  for (const colorScheme of ['light', 'dark']) {
    await page.emulateMedia({ colorScheme });
    const texts = await page.evaluate(contrastOf, [
      ['text', 'muted', 'accent', 'good', 'warn', 'bad'],
      ['card', 'ground'],
    ]);
    for (const [pair, ratio] of Object.entries(texts)) assert.ok(ratio >= 4.5, `${colorScheme} ${pair}: ${ratio}`);
    const lines = await page.evaluate(contrastOf, [
      ['series-1', 'series-2', 'series-3', 'series-4', 'series-5'],
      ['card'],
    ]);
    for (const [pair, ratio] of Object.entries(lines)) assert.ok(ratio >= 3, `${colorScheme} ${pair}: ${ratio}`);
    const alarm = await page.evaluate(contrastOf, [['bad', 'muted'], ['bad-ground']]);
    for (const [pair, ratio] of Object.entries(alarm)) assert.ok(ratio >= 4.5, `${colorScheme} ${pair}: ${ratio}`);
  }
});

test('who asked for less motion gets none', options, async () => {
  const page = await open();
  assert.deepEqual(
    await page.evaluate(() => [
      getComputedStyle(document.documentElement).scrollBehavior,
      document.getAnimations().length,
    ]),
    ['auto', 0],
  );
});

test('when the load has ended, each panel shows what its module says', options, async () => {
  const page = await open();
  await demo.load.stop();
  const { cache, pool, optimizer, limiter, tracer, breakers, router, balancer, instances, health } = demo.modules;
  const count = (number) => Math.round(number).toLocaleString('en-US');
  let shown;
  await until(async () => {
    shown = await page.evaluate(figuresOf);
    return (
      shown.operations.facts.Ended === count(tracer.getMetrics().totalRequests) && shown.cache.facts.Lookups === '0/s'
    );
  });
  const metrics = tracer.getMetrics();
  assert.equal(shown.operations.facts.Errors, metrics.errorRate);
  const operations = Object.fromEntries(shown.operations.tables[0].map(([name, , calls]) => [name, calls]));
  for (const [name, { count: calls }] of Object.entries(metrics.requests))
    assert.equal(operations[name], count(calls), name);
  assert.equal(shown.traces.tables[0].length, 15);

  const kept = cache.getStats();
  assert.equal(shown.cache.facts['Hit rate'], `${((kept.hits / (kept.hits + kept.misses)) * 100).toFixed(1)} %`);
  assert.equal(shown.cache.facts['In memory'], `${count(kept.memorySize)} of ${count(kept.maxMemory)}`);
  assert.equal(shown.cache.facts.Writes, count(kept.writes));
  assert.notEqual(shown.cache.facts['On disk'], '–');

  const lent = pool.getStats();
  assert.equal(shown.pool.facts['In use'], `${lent.activeCount} of ${pool.maxConnections}`);
  assert.ok(shown.pool.facts.Borrowed.startsWith(`${count(lent.acquired)} ·`));

  const [top] = optimizer.getTopQueries({ limit: 1 });
  assert.equal(shown.optimizer.tables[0][0][1], count(top.calls));
  assert.ok(shown.optimizer.tables[0][0][0].startsWith(top.query.slice(0, 60)));
  assert.ok(shown.optimizer.facts.Queries.startsWith(count(optimizer.getStats().queriesBatched)));
  assert.ok(shown.optimizer.tables[1].length > 0, 'slow batches');
  await page.locator('#optimizer summary').first().click();
  const [advice] = optimizer.optimizeQuery(top.query).suggestions;
  assert.equal(await page.locator('#optimizer details').first().locator('.advice li').first().innerText(), advice);

  const limits = limiter.getStats({ buckets: false });
  assert.ok(limits.deniedRequests > 0, 'the crawler was turned away');
  assert.ok(shown.limiter.facts.Denied.startsWith(`${count(limits.deniedRequests)} ·`));
  assert.equal(shown.limiter.facts.Clients, count(limits.activeBuckets));

  assert.deepEqual(
    shown.breakers.tables[0].map(([name, state]) => [name, state.replace(/^\W/, '')]),
    [
      ['mail', 'closed'],
      ['payments', 'open'],
      ['search', 'half-open'],
    ],
  );
  assert.equal(shown.breakers.tables[0][0][2], count(breakers.get('mail').getState().metrics.totalAttempts));
  assert.deepEqual(
    shown.health.tables[0].map(([name, , status]) => [name, status.replace(/^\W/, '')]),
    Object.values(health.getAllHealth()).map(({ name, status }) => [name, status]),
  );
  assert.equal(shown.router.facts.Routed, count(router.getStats().routeCount));
  assert.equal(shown.router.tables[0].length, 2);
  assert.deepEqual(
    shown.balancer.tables[0].map(([name, requests]) => [name, requests]),
    Object.entries(balancer.getStats().byTarget).map(([name, { requests }]) => [name, count(requests)]),
  );
  assert.deepEqual(
    shown.instances.tables[0].map(([, , pid]) => Number(pid)),
    instances.getInstanceDetails('worker').map(({ pid }) => pid),
  );
});

test('no page complained, and none asked anybody else', options, () => {
  for (const { seen } of pages) {
    assert.deepEqual(seen.messages, []);
    assert.deepEqual(
      seen.requests.filter((url) => !url.startsWith(`${demo.url}/dashboard/`)),
      [],
    );
  }
  assert.ok(pages.length > 8);
});
