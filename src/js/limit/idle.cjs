'use strict';
// Forgets idle clients, one chunk at a time, from an unref'd timer that keeps neither the process nor the limiter.

/** Between two chunks: often enough to look at every client twice in the idle time. */
function pause(state) {
  const share = state.idleMs / 2 / Math.max(state.clients.chunks.length, 1);
  return Math.min(Math.max(share, 5), 60_000);
}

function sweep(limiter, state) {
  const { clients } = state;
  state.idleTimer = null;
  if (state.sweepAt >= clients.chunks.length) state.sweepAt = 0;
  if (clients.chunks.length > 0) {
    const count = clients.forgetIdle(state.sweepAt, state.idleMs, state.store === null, state.usualLimit, state.usualRate);
    // A full batch means there may be more in this chunk.
    if (count < clients.found.length) state.sweepAt += 1;
  }
  watch(limiter, state);
}

/** Keeps a sweep planned while there are clients. */
function watch(limiter, state) {
  if (state.idleTimer !== null || state.clients.size === 0 || state.closed) return;
  // The state's views lead to the limiter: neither may be held.
  const [held, heldState] = [new WeakRef(limiter), new WeakRef(state)];
  state.idleTimer = setTimeout(() => {
    const alive = held.deref();
    if (alive !== undefined) sweep(alive, heldState.deref());
  }, pause(state));
  state.idleTimer.unref?.();
}

exports.watch = watch;
