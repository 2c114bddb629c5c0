'use strict';
// What `dashboard()` understands. Nothing else reads its options.

const { inspect } = require('node:util');

/** What each panel's module must be able to do: one of these methods. */
const PANELS = Object.freeze({
  cache: ['getStats'],
  pool: ['getStats'],
  optimizer: ['getStats'],
  limiter: ['getStats'],
  tracer: ['getMetrics'],
  breakers: ['getState'],
  health: ['getAllHealth', 'getAllProbeStatus'],
  router: ['getRoutingMetrics'],
  balancer: ['getStats'],
  instances: ['getAllInstances'],
});

/** Default, least and most of the options that are whole numbers. */
const NUMBERS = Object.freeze({ intervalMs: [1000, 250, 60_000], maxViewers: [10, 1, 1000] });
const SHORTEST_TOKEN = 16;
const LONGEST_TITLE = 100;

const shown = (value) => inspect(value, { depth: 0, maxStringLength: 40, breakLength: Infinity });
const able = (value, methods) =>
  value !== null && typeof value === 'object' && methods.some((name) => typeof value[name] === 'function');
const isPlain = (value) => [Object.prototype, null].includes(Object.getPrototypeOf(value));

/**
 * Name → module of what was given for a panel: one module, or an array, Map or plain object of several, as they are
 * now.
 */
function membersOf(panel, given) {
  if (able(given, PANELS[panel])) return [['', given]];
  if (Array.isArray(given)) return given.map((module, index) => [nameOf(module) ?? String(index + 1), module]);
  return [...(given instanceof Map ? given : Object.entries(given))].map(([name, module]) => [String(name), module]);
}

const nameOf = (module) => [module?.name, module?.serviceName].find((name) => typeof name === 'string' && name !== '');

function checkPanel(panel, given) {
  const methods = PANELS[panel];
  const one = methods.map((name) => `${name}()`).join(' or ');
  const wanted = `something with ${one}, or an array, Map or plain object of such`;
  const wrong = (name, value) => new TypeError(`option "${name}" must be ${wanted}, got ${shown(value)}`);
  if (able(given, methods)) return;
  if (given === null || typeof given !== 'object') throw wrong(panel, given);
  if (!Array.isArray(given) && !(given instanceof Map) && !isPlain(given)) throw wrong(panel, given);
  for (const [name, module] of membersOf(panel, given))
    if (!able(module, methods)) throw wrong(`${panel}.${name}`, module);
}

function readNumber(name, value) {
  const [preset, least, most] = NUMBERS[name];
  if (value === undefined) return preset;
  if (typeof value !== 'number') throw new TypeError(`option "${name}" must be a number, got ${shown(value)}`);
  if (Number.isInteger(value) && value >= least && value <= most) return value;
  throw new RangeError(`option "${name}" must be a whole number from ${least} to ${most}, got ${shown(value)}`);
}

function readText(name, value, preset) {
  if (value === undefined) return preset;
  if (typeof value !== 'string') throw new TypeError(`option "${name}" must be a string, got ${shown(value)}`);
  return value;
}

/** The errors name no part of the token. */
function readToken(token) {
  if (token === undefined) return undefined;
  if (typeof token !== 'string')
    throw new TypeError(`option "token" must be a string, got a value of type ${typeof token}`);
  if (token.length < SHORTEST_TOKEN) {
    throw new RangeError(`option "token" must have at least ${SHORTEST_TOKEN} characters, got ${token.length}`);
  }
  if (!/^[\x21-\x7e]+$/.test(token)) throw new RangeError('option "token" must be of visible ASCII characters');
  return token;
}

function readHosts(hosts) {
  if (hosts === undefined) return new Set();
  if (!Array.isArray(hosts)) throw new TypeError(`option "hosts" must be an array of host names, got ${shown(hosts)}`);
  for (const host of hosts) {
    if (typeof host !== 'string' || !/^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$/i.test(host)) {
      throw new TypeError(`option "hosts" must hold host names without scheme or port, got ${shown(host)}`);
    }
  }
  return new Set(hosts.map((host) => host.toLowerCase()));
}

function readPath(value) {
  const path = readText('path', value, '');
  if (path !== '' && !/^(\/[^/?#\\\s]+)+\/?$/.test(path)) {
    throw new RangeError(`option "path" must begin with "/" and have no query, got ${shown(path)}`);
  }
  return path.replace(/\/$/, '');
}

function readTitle(value) {
  const title = readText('title', value, 'tooloo-native');
  if (title === '' || title.length > LONGEST_TITLE) {
    throw new RangeError(`option "title" must have 1 to ${LONGEST_TITLE} characters, got ${title.length}`);
  }
  return title;
}

/** `{ panels, token, hosts, title, path, intervalMs, maxViewers }`; throws where an option cannot be meant. */
function readOptions(options = {}) {
  if (options === null || typeof options !== 'object' || Array.isArray(options)) {
    throw new TypeError(`dashboard needs an object of options, got ${shown(options)}`);
  }
  const { token, hosts, title, path, intervalMs, maxViewers, ...modules } = options;
  const panels = {};
  for (const [panel, given] of Object.entries(modules)) {
    if (!Object.hasOwn(PANELS, panel)) {
      throw new TypeError(`option "${panel}" is not known; panels are ${Object.keys(PANELS).join(', ')}`);
    }
    if (given === undefined) continue;
    checkPanel(panel, given);
    panels[panel] = given;
  }
  if (Object.keys(panels).length === 0)
    throw new TypeError(`dashboard needs at least one of ${Object.keys(PANELS).join(', ')}`);
  return {
    panels,
    token: readToken(token),
    hosts: readHosts(hosts),
    title: readTitle(title),
    path: readPath(path),
    intervalMs: readNumber('intervalMs', intervalMs),
    maxViewers: readNumber('maxViewers', maxViewers),
  };
}

module.exports = { membersOf, readOptions };
