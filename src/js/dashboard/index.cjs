'use strict';
// A page on what the modules do: one request handler, which serves the page, its live figures and single traces.

const { Access } = require('./access.cjs');
const { redirect, sendJson, sendText } = require('./answer.cjs');
const { hasAsset, sendAsset } = require('./assets.cjs');
const { Feed } = require('./feed.cjs');
const { readOptions } = require('./options.cjs');
const { Snapshots } = require('./snapshot.cjs');

const PAGE = 'index.html';
const LOGIN = 'login.html';
/** What the page that asks for the token is made of. */
const LOGIN_FILES = ['colours.css', 'style.css', 'icon.svg'];

/** `{ name, query, whole }` of a request below the dashboard's path, `undefined` of any other. */
function locate(request, below) {
  const [path, query = ''] = request.url.split('?', 2);
  // Express and Connect have taken the mount path off.
  const mounted = typeof request.originalUrl === 'string' && request.originalUrl !== request.url;
  const inside = path === below || path.startsWith(`${below}/`);
  if (!inside && !mounted) return undefined;
  const rest = inside ? path.slice(below.length) : path;
  const [whole] = (request.originalUrl ?? request.url).split('?', 1);
  return { name: rest.slice(1), query, whole };
}

function dashboard(options) {
  const { panels, path, title, intervalMs, maxViewers, ...who } = readOptions(options);
  const access = new Access(who);
  const snapshots = new Snapshots({ panels, title });
  const feed = new Feed({ read: () => snapshots.read(), intervalMs, maxViewers });

  const answer = (request, response, { name, query, whole }) => {
    const asked = new URLSearchParams(query);
    if (name === '' && !whole.endsWith('/')) {
      // Relative addresses in the page need the slash; the query may hold the token.
      redirect(request, response, `./${whole.split('/').pop()}/${query === '' ? '' : `?${query}`}`);
      return;
    }
    const refusal = access.refusal(request);
    if (name === '' && (refusal === undefined || refusal.status === 401)) {
      const cookie = access.admission(request, asked);
      if (cookie !== undefined) {
        redirect(request, response, './', { 'Set-Cookie': cookie });
        return;
      }
      if (asked.has('token') && refusal === undefined) {
        redirect(request, response, './');
        return;
      }
    }
    if (refusal?.status === 401 && name === '') sendAsset(request, response, LOGIN, 401);
    else if (refusal?.status === 401 && LOGIN_FILES.includes(name)) sendAsset(request, response, name);
    else if (refusal !== undefined) {
      sendText(
        request,
        response,
        refusal.status,
        refusal.reason,
        refusal.status === 401 ? { 'WWW-Authenticate': 'Bearer' } : {},
      );
    } else if (name === '') sendAsset(request, response, PAGE);
    else if (name === 'events' && request.method === 'GET') feed.add(request, response);
    else if (name === 'snapshot') sendJson(request, response, feed.latest());
    else if (name === 'trace') {
      const trace = snapshots.trace(asked.get('tracer') ?? '', asked.get('id') ?? '');
      sendJson(
        request,
        response,
        JSON.stringify(trace ?? { error: 'This trace is no longer kept.' }),
        trace === undefined ? 404 : 200,
      );
    } else sendAsset(request, response, name);
  };

  const handler = (request, response, next) => {
    const place = locate(request, path);
    const known =
      place !== undefined && (['', 'events', 'snapshot', 'trace'].includes(place.name) || hasAsset(place.name));
    if (!known && typeof next === 'function') next();
    else if (!known) sendText(request, response, 404, 'There is nothing here.');
    else if (request.method !== 'GET' && request.method !== 'HEAD') {
      sendText(request, response, 405, 'This can only be read.', { Allow: 'GET, HEAD' });
    } else answer(request, response, place);
  };
  /** Ends what viewers have open; the page can still be asked for. */
  handler.close = () => feed.close();
  return handler;
}

exports.dashboard = dashboard;
