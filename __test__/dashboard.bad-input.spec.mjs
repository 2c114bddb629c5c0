// What cannot be meant is refused when the dashboard is made, with the name of the option.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dashboard, DistributedTracer, RateLimiter } from '../src/js/index.mjs';

const limiter = new RateLimiter();
const good = { limiter };
const SECRET = 'a-very-secret-token-é';

const BAD = [
  ['nothing at all', undefined, TypeError, /at least one of/],
  ['null', null, TypeError, /dashboard needs an object of options, got null/],
  ['a number', 7, TypeError, /got 7/],
  ['a text', 'limiter', TypeError, /got 'limiter'/],
  ['an array', [limiter], TypeError, /object of options/],
  ['no module', {}, TypeError, /at least one of cache, pool/],
  ['only undefined modules', { cache: undefined }, TypeError, /at least one of/],
  ['an unknown option', { ...good, cashe: limiter }, TypeError, /option "cashe" is not known/],
  ['an option of Object', { ...good, constructor: limiter }, TypeError, /option "constructor" is not known/],
  ['null for a module', { limiter: null }, TypeError, /option "limiter" must be something with getStats\(\)/],
  ['a number for a module', { limiter: 1 }, TypeError, /option "limiter" .* got 1/],
  ['a text for a module', { tracer: 'web' }, TypeError, /option "tracer" .* got 'web'/],
  ['a function for a module', { limiter: () => limiter }, TypeError, /option "limiter"/],
  ['a class for a module', { limiter: RateLimiter }, TypeError, /option "limiter"/],
  ['a module of another kind', { tracer: limiter }, TypeError, /option "tracer" must be something with getMetrics\(\)/],
  ['a tracer for breakers', { breakers: new DistributedTracer() }, TypeError, /getState\(\)/],
  ['a Set of modules', { limiter: new Set([limiter]) }, TypeError, /array, Map or plain object/],
  ['a hole in an array', { limiter: [limiter, undefined] }, TypeError, /option "limiter\.2"/],
  ['a wrong one in an array', { limiter: [limiter, {}] }, TypeError, /option "limiter\.2"/],
  ['a wrong one in a Map', { limiter: new Map([['api', {}]]) }, TypeError, /option "limiter\.api"/],
  ['a wrong one in an object', { limiter: { api: 'x' } }, TypeError, /option "limiter\.api"/],
  ['an array in an array', { limiter: [[limiter]] }, TypeError, /option "limiter\.1"/],
  ['health without checks', { health: limiter }, TypeError, /getAllHealth\(\) or getAllProbeStatus\(\)/],
  [
    'an interval as text',
    { ...good, intervalMs: '1000' },
    TypeError,
    /option "intervalMs" must be a number, got '1000'/,
  ],
  ['an interval of null', { ...good, intervalMs: null }, TypeError, /option "intervalMs"/],
  ['an interval of NaN', { ...good, intervalMs: NaN }, RangeError, /option "intervalMs" .* got NaN/],
  ['too short an interval', { ...good, intervalMs: 249 }, RangeError, /from 250 to 60000, got 249/],
  ['too long an interval', { ...good, intervalMs: 60_001 }, RangeError, /got 60001/],
  ['a fraction of an interval', { ...good, intervalMs: 300.5 }, RangeError, /whole number/],
  ['no viewers', { ...good, maxViewers: 0 }, RangeError, /option "maxViewers" .* got 0/],
  ['endless viewers', { ...good, maxViewers: Infinity }, RangeError, /got Infinity/],
  [
    'a token that is no text',
    { ...good, token: 1234567890123456 },
    TypeError,
    /option "token" must be a string, got a value of type number/,
  ],
  ['an empty token', { ...good, token: '' }, RangeError, /at least 16 characters, got 0/],
  ['a short token', { ...good, token: 'short' }, RangeError, /at least 16 characters, got 5/],
  ['a token no header can carry', { ...good, token: SECRET }, RangeError, /visible ASCII/],
  ['a token with a space', { ...good, token: 'with a space in it' }, RangeError, /visible ASCII/],
  ['hosts as text', { ...good, hosts: 'example.com' }, TypeError, /option "hosts" must be an array/],
  ['a host with a scheme', { ...good, hosts: ['https://example.com'] }, TypeError, /without scheme or port/],
  ['a host with a port', { ...good, hosts: ['example.com:80'] }, TypeError, /without scheme or port/],
  ['any host', { ...good, hosts: ['*'] }, TypeError, /got '\*'/],
  ['a title that is no text', { ...good, title: 5 }, TypeError, /option "title" must be a string/],
  ['an empty title', { ...good, title: '' }, RangeError, /option "title" must have 1 to 100 characters/],
  ['a long title', { ...good, title: 'x'.repeat(101) }, RangeError, /got 101/],
  ['a path that is no text', { ...good, path: /x/ }, TypeError, /option "path" must be a string/],
  ['a path without a slash', { ...good, path: 'dashboard' }, RangeError, /option "path" must begin with "\/"/],
  ['a path with a query', { ...good, path: '/d?x=1' }, RangeError, /option "path"/],
  ['a path to another host', { ...good, path: '//evil.example' }, RangeError, /option "path"/],
];

for (const [name, options, type, message] of BAD) {
  test(`${name} is refused`, () => {
    assert.throws(
      () => dashboard(options),
      (error) => {
        assert.equal(error.constructor, type);
        assert.match(error.message, message);
        assert.ok(!error.message.includes(SECRET));
        return true;
      },
    );
  });
}

test('there are at least forty of them', () => assert.ok(BAD.length >= 40));
