'use strict';
// The clients that ask for the most, found in the shared arrays without an object for each client.
// A call looks at a bounded number of them: with more clients than that it goes round, and looks again at what it found
// before.

const { native } = require('../addon.cjs');
const { now, CHUNK_BITS, CHUNK_SLOTS } = require('./clients.cjs');
const { textOf } = require('./waiters.cjs');

/** Numbers that native code says of a client. */
const FIELDS = 5;
/** Of 4,096 clients each, that one call looks at. */
const CHUNKS_AT_ONCE = 8;

/** Looks at slots of a chunk and adds the busy ones among them. */
function look(clients, chunk, from, count, out, found) {
  const seen = native.limitBusiest(clients.handle, clients.chunks[chunk], from, count, now(), out);
  for (let at = 0; at < seen * FIELDS; at += FIELDS) {
    const [index, tokens, limit, queueSize, blockedMs] = out.subarray(at, at + FIELDS);
    const slot = (chunk << CHUNK_BITS) + index;
    found.set(slot, { slot, tokens, limit, queueSize, blockedMs });
  }
}

/** `{ chunk, slots }` by the clients they belong to: where the round goes on, and who was busy. */
const rounds = new WeakMap();

/** The busiest clients, those with the longest line first, then those with the emptiest bucket. */
function busiest(clients, most) {
  const { chunk: begin, slots } = rounds.get(clients) ?? { chunk: 0, slots: [] };
  const found = new Map();
  const out = new Float64Array(most * FIELDS);
  const chunks = clients.chunks.length;
  const looked = Math.min(chunks, CHUNKS_AT_ONCE);
  for (let step = 0; step < looked; step += 1) look(clients, (begin + step) % chunks, 0, CHUNK_SLOTS, out, found);
  for (const slot of slots) {
    const chunk = slot >>> CHUNK_BITS;
    if (chunk < chunks && !found.has(slot)) look(clients, chunk, slot & (CHUNK_SLOTS - 1), 1, out, found);
  }
  const used = ({ tokens, limit, blockedMs }) => (limit > 0 && blockedMs === 0 ? 1 - tokens / limit : 1);
  const sorted = [...found.values()]
    .sort((one, other) => other.queueSize - one.queueSize || used(other) - used(one))
    .slice(0, most);
  rounds.set(clients, { chunk: chunks > 0 ? (begin + looked) % chunks : 0, slots: sorted.map(({ slot }) => slot) });
  return sorted.map(({ slot, tokens, limit, queueSize, blockedMs }) => ({
    client: textOf(clients.idOf(slot)),
    tokens: native.limitShown(tokens),
    limit,
    utilization: native.limitUtilization(tokens, limit),
    queueSize,
    blockedMs,
  }));
}

module.exports = { busiest };
