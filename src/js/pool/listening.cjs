'use strict';
// LISTEN: callbacks by channel over one connection of a pool's own.

const { listen, native, request, unlisten } = require('../addon.cjs');
const { errorOf } = require('./decoder.cjs');

const ears = new FinalizationRegistry(({ handle, number }) => {
  native.pgDeaf(handle);
  unlisten(number);
});

class Listening {
  #server;
  #handle;
  #number;
  /** Channel → Set of `{ callback, onReconnect }` */
  #channels = new Map();

  constructor(server) {
    this.#server = server;
    const weak = new WeakRef(this);
    this.#number = listen((heard) => weak.deref()?.hear(heard));
    this.#handle = native.pgEar(server.handle, this.#number);
    ears.register(this, { handle: this.#handle, number: this.#number }, this);
  }

  hear(heard) {
    if (heard === null) {
      for (const [channel, listeners] of this.#channels) {
        for (const { onReconnect } of [...listeners]) onReconnect?.({ channel, mayHaveMissed: true });
      }
      return;
    }
    const [channel, payload, processId] = heard;
    for (const { callback } of [...(this.#channels.get(channel) ?? [])]) callback({ channel, payload, processId });
  }

  async add(channel, callback, options = {}) {
    if (typeof channel !== 'string' || channel === '') throw new TypeError('listen needs the name of a channel');
    if (typeof callback !== 'function') throw new TypeError('listen needs a function');
    const { onReconnect } = options ?? {};
    if (onReconnect != null && typeof onReconnect !== 'function') {
      throw new TypeError('option "onReconnect" must be a function');
    }
    const listener = { callback, onReconnect };
    const known = this.#channels.get(channel);
    if (known !== undefined) known.add(listener);
    else this.#channels.set(channel, new Set([listener]));
    const failed = await request((number) => native.pgListen(this.#handle, number, channel));
    if (failed !== null) {
      this.#forget(channel, listener);
      throw errorOf(failed);
    }
    return {
      channel,
      unlisten: async () => {
        if (!this.#forget(channel, listener)) return;
        const error = await request((number) => native.pgUnlisten(this.#handle, number, channel));
        if (error !== null) throw errorOf(error);
      },
    };
  }

  /** Returns whether it was the channel's last. */
  #forget(channel, listener) {
    const listeners = this.#channels.get(channel);
    if (listeners === undefined || !listeners.delete(listener) || listeners.size > 0) return false;
    this.#channels.delete(channel);
    return true;
  }

  close() {
    ears.unregister(this);
    native.pgDeaf(this.#handle);
    unlisten(this.#number);
    this.#channels.clear();
  }
}

exports.Listening = Listening;
