// Limits by client id, from a list or a file, changed at run time.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { RateLimiter } from '../src/js/lib/rate-limiter.mjs';
import { until } from './support/until.mjs';

const MODULE = new URL('../src/js/lib/rate-limiter.mjs', import.meta.url);
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-limits-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const limiters = [];
const make = (limits, options) => {
  const limiter = new RateLimiter({ rateLimit: 10, refillRate: 1e-6, ...options, limits });
  limiters.push(limiter);
  return limiter;
};
test.afterEach(() => limiters.splice(0).forEach((limiter) => limiter.shutdown()));

test('an own id comes first, then the first that matches in the list, then the usual limit', () => {
  const limiter = make([
    { match: /^USER:\d+$/i, rateLimit: 1 },
    { match: 'user:*', rateLimit: 2, refillRate: 3 },
    { match: 'user:7', rateLimit: 3 },
    { match: /./g, rateLimit: Infinity },
  ]);
  const limits = ['user:5', 'user:x', 'user:7', 'service'].map((id) => limiter.getBucket(id).limit);
  assert.deepEqual(limits, [1, 2, 3, Number.MAX_SAFE_INTEGER]);
  assert.equal(limiter.getBucket('user:x').refillRate, 3);
  assert.equal(limiter.peek('user:9').limit, 1);
  assert.equal(make([{ match: 'a', rateLimit: 1 }]).peek('b').limit, 10);
});

test('a change reaches known clients with the same part left, and not who was given his own', async () => {
  const limiter = make([{ match: 'a*', rateLimit: 10 }]);
  limiter.isAllowed('a1', 5);
  limiter.isAllowed('a2', 10);
  limiter.setLimit('a3', 7);
  const waiting = limiter.acquire('a2', 5);
  limiter.setLimits([{ match: 'a*', rateLimit: 100, refillRate: 1000 }]);
  assert.deepEqual(['a1', 'a2', 'a3'].map((id) => [limiter.getBucket(id).tokens, limiter.getBucket(id).limit]), [[50, 100], [0, 100], [7, 7]]);
  assert.equal((await waiting).acquired, true);
});

test('a change among many clients reaches whoever is seen or waits at once, and all the others soon', async () => {
  const limiter = make([{ match: 'a*', rateLimit: 10 }]);
  for (let index = 0; index < 100_000; index += 1) limiter.isAllowed(`a${index}`, 10);
  limiter.setLimit('a99998', 7);
  const held = limiter.getBucket('a99997');
  const waiting = limiter.acquire('a99999', 5);
  limiter.setLimits([{ match: 'a*', rateLimit: 20 }]);
  limiter.setLimits([{ match: 'a*', rateLimit: 100, refillRate: 1000 }]);
  assert.equal(limiter.peek('a99996').limit, 100);
  assert.deepEqual([held.limit, held.tokens], [100, 0]);
  assert.equal(limiter.isAllowed('a99995', 1), false, 'an empty bucket stays empty');
  assert.equal(limiter.getBucket('a99998').limit, 7);
  assert.equal((await waiting).acquired, true);
  limiter.getBucket('a99994').tokens = 50;
  await until(() => limiter.getBusiest(1000).every(({ limit }) => limit === 100 || limit === 7));
  assert.ok(Object.values(limiter.getStats().buckets).filter(({ limit }) => limit !== 100).length === 1);
  limiter.setLimits([{ match: 'a*', rateLimit: 3 }]);
  limiter.shutdown();
});

test('limits that cannot be used throw, and the old ones stay', () => {
  const limiter = make([{ match: 'a', rateLimit: 1 }]);
  const wrong = [
    5, {}, 'no such file', true, () => {}, [5], [null], [{}], [{ match: 'a' }], [{ rateLimit: 1 }], [{ match: '', rateLimit: 1 }],
    [{ match: 5, rateLimit: 1 }], [{ match: {}, rateLimit: 1 }], [{ match: { regexp: '(' }, rateLimit: 1 }],
    ...[-1, NaN, -Infinity, '5', null, {}, true].map((rateLimit) => [{ match: 'a', rateLimit }]),
    ...[-1, NaN, -Infinity, '5', {}, true].map((refillRate) => [{ match: 'a', rateLimit: 5, refillRate }]),
    [{ match: 'a', rateLimit: 1, limit: 5 }], [{ match: { regexp: 'a', flags: 'q' }, rateLimit: 1 }],
  ];
  for (const limits of wrong) {
    assert.throws(() => limiter.setLimits(limits), Error, JSON.stringify(limits));
    assert.throws(() => make(limits), Error);
  }
  assert.equal(limiter.getBucket('a').limit, 1);
});

test('a file is read again when it changes; a broken one is refused loudly', async () => {
  const file = path.join(folder, 'limits.json');
  const write = (text) => {
    fs.writeFileSync(`${file}.new`, text);
    fs.renameSync(`${file}.new`, file);
  };
  write('[{ "match": { "regexp": "^a" }, "rateLimit": 3 }]');
  const limiter = make(file);
  assert.equal(limiter.getBucket('a1').limit, 3);
  write('[{ "match": "a*", "rateLimit": 40 }]');
  await until(() => limiter.getBucket('a1').limit === 40);
  let warned;
  process.once('warning', (warning) => { warned = warning; });
  write('[{ "match": "a*", "rateLimit": "many" }]');
  await until(() => warned !== undefined);
  const { code, message } = warned;
  assert.equal(code, 'TOOLOO_LIMITS_REFUSED');
  assert.match(message, /limits\[0\]\.rateLimit/);
  assert.equal(limiter.getBucket('a1').limit, 40);
  write('[{ "match": "a*", "rateLimit": "Infinity" }]');
  await until(() => limiter.getBucket('a1').limit === Number.MAX_SAFE_INTEGER);
});

test('a watched file keeps no process alive', () => {
  const file = path.join(folder, 'alive.json');
  fs.writeFileSync(file, '[{ "match": "a", "rateLimit": 3 }]');
  const script = `import { RateLimiter } from ${JSON.stringify(MODULE.href)};
    console.log(new RateLimiter({ limits: ${JSON.stringify(file)} }).getBucket('a').limit);`;
  const { stdout, status } = spawnSync(process.execPath, ['--input-type=module', '-e', script], { timeout: 60_000, encoding: 'utf8' });
  assert.deepEqual([status, stdout.trim()], [0, '3']);
});

test('clients with a limit by id are forgotten when idle; who was given his own is not', async () => {
  const limiter = make([{ match: 'a*', rateLimit: 3 }], { idleMs: 20 });
  for (let index = 0; index < 100; index += 1) limiter.peek(`a${index}`), limiter.getBucket(`a${index}`);
  limiter.setLimit('a5', 3);
  await until(() => limiter.buckets.size === 1);
  assert.ok(limiter.buckets.has('a5'));
});
