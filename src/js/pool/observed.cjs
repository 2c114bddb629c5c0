'use strict';
// Tells of queries on the diagnostics channel `tooloo-native:query`: `{ text }`, see ../trace/observed.cjs. The text may hold
// literals; listeners must not pass it on.

const { channel } = require('node:diagnostics_channel');
const { observed } = require('../trace/observed.cjs');

const queries = channel('tooloo-native:query');

module.exports = { observed: (text, run) => observed(queries, { text }, run), queries };
