'use strict';
// One load of a key in all processes: whoever has its lease loads, the others wait for what it stores. Without a server
// each process loads for itself.

const { steadyNow } = require('../resilience/steady.cjs');

/** Milliseconds between two looks, where no bus says when there is something to see. */
const LOOK_MS = 50;
/** … and where it should have said so. */
const LOOK_AGAIN_MS = 500;

/** The value of the key: what `make` makes under the lease, or what another process has stored. */
async function leased(manager, inner, key, name, load, make) {
  const { remote, waiters } = inner;
  while (load.seen !== undefined) {
    const answer = await remote.lease(name, load.seen);
    if (answer === null) break;
    const [outcome, detail, lives] = answer;
    if (outcome === 1) return alone(remote, name, load, detail, lives, make);
    if (outcome === 0) await waiters.wait(name, Math.min(Math.max(detail, 1), remote.bus?.inStep ? LOOK_AGAIN_MS : LOOK_MS));
    const other = begunAnew(inner, key, load);
    if (other !== undefined) return other.wait(Infinity, undefined);
    const there = await remote.read(name);
    load.seen = there?.version;
    if (there?.found !== undefined && steadyNow() <= there.found.expiresAt) {
      const { value, expiresAt, more } = there.found;
      if (!load.overtaken) manager.memory?.set(key, value, Math.min(expiresAt - steadyNow(), inner.ttl), more);
      return value;
    }
  }
  return make();
}

/** What happened to the key until now is in what is read from now on; unless another load has taken this one's place: that one. */
function begunAnew({ loads, tags }, key, load) {
  const other = loads.get(key);
  if (other !== undefined && other !== load) return other;
  loads.set(key, load);
  load.overtaken = load.inDoubt = false;
  load.begun = tags.now();
  return undefined;
}

/** Under the lease, which is kept while the load runs and given back whatever comes of it. */
async function alone(remote, name, load, token, lives, make) {
  const stop = remote.keep(name, token, lives);
  load.token = token;
  try {
    return await make();
  } finally {
    stop();
    // Storing the value has given it back already, if there was one.
    await remote.release(name, token);
    remote.publish(['l', name]);
  }
}

exports.leased = leased;
