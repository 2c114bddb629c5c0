// A real Chromium: the one on the PATH. In CI a missing one is a failure, elsewhere a loud skip.
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

const NAMES = ['chromium', 'chromium-browser', 'google-chrome'];
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Where Chromium is, `undefined` where there is none. */
export function chromiumPath() {
  const folders = (process.env.PATH ?? '').split(path.delimiter).filter(Boolean);
  const found = folders
    .flatMap((folder) => NAMES.map((name) => path.join(folder, name)))
    .find((file) => fs.existsSync(file));
  if (found === undefined && process.env.CI) throw new Error('Chromium is not installed: apt-get install chromium');
  return found;
}

/** `false`, or why the tests with a browser cannot run here. */
export function whyNoBrowser() {
  if (chromiumPath() !== undefined) return false;
  console.error(
    '\n*** NO CHROMIUM ON THE PATH: the dashboard is not tested in a browser. apt-get install chromium ***\n',
  );
  return 'there is no Chromium on the PATH';
}

/**
 * `{ newPage(options), close() }` with an empty profile. Each page comes with `seen`: its console messages, errors and
 * requests.
 */
export async function launchBrowser() {
  const { chromium } = await import('playwright-core');
  const profile = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-browser-'));
  const browser = await chromium.launch({
    executablePath: chromiumPath(),
    args: FLAGS,
    env: { ...process.env, HOME: profile },
  });
  return {
    async newPage(options = {}) {
      const page = await browser.newPage({
        viewport: { width: 1440, height: 900 },
        reducedMotion: 'reduce',
        ...options,
      });
      const seen = { messages: [], requests: [] };
      page.on(
        'console',
        (message) => ['error', 'warning'].includes(message.type()) && seen.messages.push(message.text()),
      );
      page.on('pageerror', (error) => seen.messages.push(String(error)));
      page.on('request', (request) => seen.requests.push(request.url()));
      return Object.assign(page, { seen });
    },
    async close() {
      await browser.close();
      fs.rmSync(profile, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
    },
  };
}
