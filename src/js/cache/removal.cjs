'use strict';
// Making things old: here, on the server and in other processes, with what depends on it; and hearing of it.

const { nameOf, keyOf } = require('./names.cjs');
const { overtake, overtakeRead } = require('./lookup.cjs');

/** Takes a key from this process. */
async function removeHere(manager, inner, key) {
  overtake(inner, key);
  const inHand = manager.memory?.delete(key) ?? false;
  const onDisk = (await manager.disk?.has(key)) ?? false;
  await manager.disk?.delete(key);
  // A read that began meanwhile may have seen what is gone now. A load has not.
  overtakeRead(inner, key);
  if (inHand || onDisk) manager.stats.deletes += 1;
}

/** Keys and what depends on them in any way, each once, nearest first. */
function chainOf(manager, keys) {
  const chain = new Set(keys);
  for (const each of chain) for (const dependent of manager.dependencies.get(each) ?? []) chain.add(dependent);
  return chain;
}

/** Kinds and names in turn for keys; those that have no name outside this process are left out. */
const pairsOf = (kind, keys) => [...keys].map(nameOf).filter((name) => name !== undefined).flatMap((name) => [kind, name]);

/** Removes keys everywhere: true once every process knows it within its bound. */
async function removeKeys(manager, inner, keys) {
  const { remote } = inner;
  // Sent first: what is removed here while that is under way cannot come back from there.
  const pairs = remote === null ? [] : pairsOf('k', keys);
  const told = pairs.length === 0 ? true : remote.remove(pairs);
  await Promise.all([...keys].map((key) => removeHere(manager, inner, key)));
  return told;
}

/** A tag is old, here; `version`: what it has on the server now, where that is known. */
function stampTag(manager, inner, tag, version) {
  const { loads, reads, tags, remote } = inner;
  remote?.forgetTag(tag);
  const stamp = tags.invalidate(tag);
  for (const [key, load] of [...loads]) if (load.belongsTo(tag, version)) overtake(inner, key);
  // What is being read may belong to it.
  for (const read of reads.values()) read.overtaken = true;
  reads.clear();
  manager.stats.invalidations += 1;
  return manager.disk?._stampTag(tag, stamp);
}

/** The keys of this process that match. */
async function matchingHere(manager, pattern) {
  const regex = manager._patternToRegex(pattern);
  const keys = new Set([...(manager.memory?.cache.keys() ?? []), ...((await manager.disk?.keys()) ?? [])]);
  return [...keys].filter((key) => typeof key === 'string' && regex.test(key));
}

/** Keys that another process has removed: here too, with what depends on them here, of which the others hear in turn. */
async function removeHeard(manager, inner, keys, kept, seen) {
  const known = new Set([...keys, ...seen]);
  const more = [...chainOf(manager, keys)].filter((key) => !known.has(key));
  await Promise.all([...keys.filter((key) => !kept.has(key)), ...more].map((key) => removeHere(manager, inner, key)));
  // Who hears of these does not tell of those again, so that cycles over several processes end.
  if (more.length > 0) inner.remote.remove([...pairsOf('k', more), ...pairsOf('s', known)]);
  for (const key of [...keys, ...more]) {
    manager.stats.invalidations += 1;
    manager._notifyInvalidationListeners(key);
  }
}

/** A version, and what has it. */
function parted(text) {
  const end = text.indexOf(':');
  return [Number(text.slice(0, end)), text.slice(end + 1)];
}

/**
 * Forgets what this process has of a key, or loads for it, unless that began when the invalidation of that version had been
 * made: true if so.
 */
function forgetOlder(manager, inner, key, version) {
  overtakeRead(inner, key);
  const [load, entry] = [inner.loads.get(key), manager.memory?.cache.get(key)];
  const isLater = (seen) => version !== undefined && seen === version;
  // The load may have begun after a later invalidation than this one, which the bus tells of next.
  if (load !== undefined && !isLater(load.seen)) overtake(inner, key, true);
  if (entry !== undefined && !isLater(entry.more?.seen)) manager.memory.delete(key);
  return isLater(load?.seen) || isLater(entry?.more?.seen);
}

/** Applies what was heard: kinds and names in turn. */
function applyNotices(manager, inner, pairs) {
  const [keys, kept, seen] = [[], new Set(), []];
  for (let index = 0; index < pairs.length; index += 2) {
    const kind = pairs[index];
    const [version, text] = kind === 'k' || kind === 't' ? parted(pairs[index + 1]) : [undefined, pairs[index + 1]];
    if (kind === 'k' || kind === 'w') {
      const key = keyOf(text);
      // At once, before anything is awaited.
      if (forgetOlder(manager, inner, key, version)) kept.add(key);
      else if (kind === 'w' && manager.disk !== null) removeHere(manager, inner, key).catch(() => {});
      if (kind === 'k') keys.push(key);
      inner.waiters.wake(text);
    } else if (kind === 's') seen.push(keyOf(text));
    else if (kind === 'l') inner.waiters.wake(text);
    else if (kind === 't') Promise.resolve(stampTag(manager, inner, text, version)).catch(() => {});
    else if (kind === 'p') removeMatching(manager, inner, text);
    else if (kind === 'e') manager._hearEvent(text);
  }
  if (keys.length > 0) removeHeard(manager, inner, keys, kept, seen).catch(() => {});
}

function removeMatching(manager, inner, pattern) {
  const regex = manager._patternToRegex(pattern);
  for (const key of [...inner.loads.keys(), ...inner.reads.keys()]) if (regex.test(String(key))) overtake(inner, key);
  for (const key of [...(manager.memory?.cache.keys() ?? [])]) if (typeof key === 'string' && regex.test(key)) manager.memory.delete(key);
  matchingHere(manager, pattern).then(async (matching) => {
    await Promise.all(matching.map((key) => removeHere(manager, inner, key)));
    for (const key of matching) manager._notifyInvalidationListeners(key);
  }).catch(() => {});
}

Object.assign(exports, { removeKeys, chainOf, stampTag, matchingHere, applyNotices });
