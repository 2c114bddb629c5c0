'use strict';
// Tells of queries on the diagnostics channel `tooloo-native:query`: `{ text, ends }`, where listeners leave what is called at
// the end, with the error if there was one. The text may hold literals; listeners must not pass it on.

const { channel } = require('node:diagnostics_channel');

const queries = channel('tooloo-native:query');

async function observed(text, run) {
  const event = { text, ends: [] };
  queries.publish(event);
  let failure;
  try {
    return await run();
  } catch (error) {
    failure = error ?? new Error('failed');
    throw error;
  } finally {
    for (const end of event.ends) end(failure);
  }
}

module.exports = { observed, queries };
