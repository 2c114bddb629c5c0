'use strict';
// The clients that ask for the most, found in one pass over the shared arrays, without an object for each client.

const { native } = require('../addon.cjs');
const { now, CHUNK_BITS, CHUNK_SLOTS } = require('./clients.cjs');
const { textOf } = require('./waiters.cjs');

/** Numbers that native code says of a client. */
const FIELDS = 5;

/** The busiest clients, those with the longest line first, then those with the emptiest bucket. */
function busiest(clients, most) {
  const found = [];
  const out = new Float64Array(most * FIELDS);
  clients.chunks.forEach((chunk, number) => {
    const count = native.limitBusiest(clients.handle, chunk, 0, CHUNK_SLOTS, now(), out);
    for (let at = 0; at < count * FIELDS; at += FIELDS) {
      const [index, tokens, limit, queueSize, blockedMs] = out.subarray(at, at + FIELDS);
      found.push({ slot: (number << CHUNK_BITS) + index, tokens, limit, queueSize, blockedMs });
    }
  });
  const used = ({ tokens, limit }) => (limit > 0 ? 1 - tokens / limit : 1);
  found.sort((one, other) => other.queueSize - one.queueSize || used(other) - used(one));
  return found.slice(0, most).map(({ slot, tokens, limit, queueSize, blockedMs }) => ({
    client: textOf(clients.idOf(slot)),
    tokens: native.limitShown(tokens),
    limit,
    utilization: native.limitUtilization(tokens, limit),
    queueSize,
    blockedMs,
  }));
}

module.exports = { busiest };
