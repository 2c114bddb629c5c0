'use strict';
// SELECTs that go out again and again within one trace. Which trace runs now the tracer's AsyncLocalStorage knows; what
// counts as a loop is decided in native code.

const { EventEmitter } = require('node:events');
const { native } = require('../addon.cjs');
const { storage } = require('../trace/context.cjs');

class Repeats {
  constructor(handle, threshold) {
    this.handle = handle;
    this.threshold = threshold;
    this.emitter = undefined;
  }

  /** Notes that a query of the active trace goes out with a batch. `analysisOf` is asked only when there is a trace. */
  note(query, batch, analysisOf) {
    const active = storage.getStore();
    if (active === undefined) return;
    const { fingerprint, statement } = analysisOf(query);
    if (statement !== 'select') return;
    const { traceId } = active;
    if (!native.queryRepeat(this.handle, traceId, fingerprint, batch, this.threshold)) return;
    if (this.emitter === undefined) return;
    const event = { fingerprint, query: native.queryWithoutLiterals(query), traceId, count: this.threshold };
    // A listener that throws is its owner's affair, not that of whoever queued a query.
    process.nextTick(() => this.emitter.emit('n-plus-one', event));
  }

  /** The finding about a text that ran in a loop, if it did. */
  finding(query, fingerprint) {
    const found = native.queryLooped(this.handle, fingerprint);
    return found === undefined ? [] : [{ ...found, start: 0, end: query.length, fix: null }];
  }

  listen(how, event, listener) {
    this.emitter ??= new EventEmitter();
    this.emitter[how](event, listener);
  }
}

module.exports = { Repeats };
