'use strict';
// The instances of this thread that share a folder: a change by one takes the old value from the memory of the others
// at once. Changes by other threads arrive through a listener, one for each folder.

const { isMainThread } = require('node:worker_threads');
const { native, listen, unlisten } = require('../addon.cjs');

/** Folder → its group */
const groups = new Map();
let draining = false;

class Group {
  /** WeakRefs of the instances */
  members = new Set();
  /** Key → the loader at work for it */
  loads = new Map();
  watch = 0;

  constructor(folder) {
    this.folder = folder;
    this.listener = listen(([keys, warning]) => {
      if (warning !== undefined) console.warn(`PersistentCache: a file could not be written: ${warning}`);
      if (keys === null) this.forgetAll();
      else for (const key of keys) this.forget(key);
    });
  }

  /** Takes a key from the memory of all instances but `except`. */
  forget(key, except) {
    for (const member of this.members) {
      if (member !== except) member.deref()?.forgetKey(key);
    }
  }

  forgetAll(except) {
    for (const member of this.members) {
      if (member !== except) member.deref()?.forgetAll();
    }
  }

  leave(member) {
    this.members.delete(member);
  }
}

const abandoned = new FinalizationRegistry(({ handle, group, member }) => {
  group.leave(member);
  if (group.members.size === 0 && groups.get(group.folder) === group) {
    groups.delete(group.folder);
    unlisten(group.listener);
    native.cacheUnwatch(handle);
  }
  native.cacheClose(handle);
});

/**
 * Makes `view` (`forgetKey`, `forgetAll`) a member of its folder's group and frees the handle when `view` is gone.
 * Returns the group and the member's name in it.
 */
function join(view, handle, folder) {
  if (!draining && isMainThread) {
    draining = true;
    // A natural end and `process.exit()` both come by here; the writer thread does not outlive the process.
    process.on('exit', () => native.cacheDrain());
  }
  let group = groups.get(folder);
  if (group === undefined) groups.set(folder, (group = new Group(folder)));
  group.watch = native.cacheWatch(handle, group.listener, group.watch);
  const member = new WeakRef(view);
  group.members.add(member);
  abandoned.register(view, { handle, group, member });
  return { group, member };
}

exports.join = join;
