'use strict';
// Who may look. Without a token, only who sits at this machine; with one, only who has it. Either way the Host header
// must be one that no stranger's DNS entry can bring about.

const { createHash, createHmac, timingSafeEqual } = require('node:crypto');
const { isIP, isIPv4 } = require('node:net');

/** Headers that a proxy adds: behind one, every connection comes from loopback. */
const FORWARDING = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'];

const digest = (text) => createHash('sha256').update(text).digest();
/** Takes the same time whatever the difference, and whatever the lengths. */
const equal = (one, other) => timingSafeEqual(digest(one), digest(other));

function isLoopback(address) {
  if (typeof address !== 'string') return false;
  const plain = address.startsWith('::ffff:') ? address.slice('::ffff:'.length) : address;
  return plain === '::1' || (isIPv4(plain) && plain.startsWith('127.'));
}

/** The name in a Host header, without the port; `undefined` for what is none. */
function hostName(header) {
  const [, bracketed, name] = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+))(?::\d{1,5})?$/i.exec(header ?? '') ?? [];
  return (bracketed ?? name)?.toLowerCase();
}

function cookiesOf(header) {
  const pairs = String(header ?? '')
    .split(';')
    .map((pair) => pair.trim().split('='));
  return new Map(pairs.map(([name, value = '']) => [name, value]));
}

class Access {
  #token;
  #hosts;
  #cookieName;
  #cookieValue;

  constructor({ token, hosts }) {
    this.#token = token;
    this.#hosts = hosts;
    if (token === undefined) return;
    // Not the token itself, and the same in every process that has the token. The name tells dashboards apart that
    // share a host: cookies do not know ports.
    this.#cookieValue = createHmac('sha256', token).update('tooloo-native dashboard cookie').digest('hex');
    this.#cookieName = `tooloo_dashboard_${createHmac('sha256', token).update('name').digest('hex').slice(0, 8)}`;
  }

  /** `undefined` when the request may pass, else `{ status, reason }`. */
  refusal(request) {
    const { headers, socket } = request;
    const name = hostName(headers.host);
    if (name === undefined) return { status: 400, reason: 'The Host header is missing or malformed.' };
    // An address cannot be rebound to another one; a name can, unless its owner says that it is ours.
    if (isIP(name) === 0 && name !== 'localhost' && !name.endsWith('.localhost') && !this.#hosts.has(name)) {
      return { status: 403, reason: 'This host name is not allowed. The option "hosts" lists those that are.' };
    }
    if (headers['sec-fetch-site'] === 'cross-site' && headers['sec-fetch-mode'] !== 'navigate') {
      return { status: 403, reason: 'Another site may not read this.' };
    }
    if (this.#token === undefined) {
      const local = isLoopback(socket?.remoteAddress) && FORWARDING.every((header) => headers[header] === undefined);
      return local ? undefined : { status: 403, reason: 'Only from this machine. The option "token" lets others in.' };
    }
    return this.#isKnown(headers) ? undefined : { status: 401, reason: 'A token is needed.' };
  }

  #isKnown({ authorization, cookie }) {
    const [, bearer] = /^bearer +(\S+)$/i.exec(authorization ?? '') ?? [];
    if (bearer !== undefined && equal(bearer, this.#token)) return true;
    const known = cookiesOf(cookie).get(this.#cookieName);
    return known !== undefined && equal(known, this.#cookieValue);
  }

  /** The Set-Cookie header for who came with the token in the query, `undefined` for who did not. */
  admission(request, query) {
    const given = query.get('token');
    if (this.#token === undefined || given === null || !equal(given, this.#token)) return undefined;
    const secure = request.socket?.encrypted === true || request.headers['x-forwarded-proto'] === 'https';
    // Without a path: the browser takes the folder it asked for, also where a proxy in between has renamed it.
    return `${this.#cookieName}=${this.#cookieValue}; HttpOnly; SameSite=Lax${secure ? '; Secure' : ''}`;
  }
}

module.exports = { Access };
