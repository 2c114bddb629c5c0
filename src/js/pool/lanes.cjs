'use strict';
// Queries that need no connection of their own, pipelined over few: what is asked in one turn of the event loop leaves
// in one write, and does not wait for the answers before it.

const { native, request } = require('../addon.cjs');
const { decode } = require('./decoder.cjs');

const NUMBERS = Symbol.for('tooloo-native.connection');

class Lane {
  constructor(lend, giveBack) {
    this.lend = lend;
    this.giveBack = giveBack;
    this.connection = undefined;
    this.waiting = [];
    this.load = 0;
    this.due = false;
  }

  add(item) {
    this.waiting.push(item);
    this.load += 1;
    if (this.due) return;
    this.due = true;
    queueMicrotask(() => this.leave());
  }

  async leave() {
    if (this.connection === undefined || this.connection.lost) {
      try {
        const old = this.connection;
        this.connection = undefined;
        if (old !== undefined) this.giveBack(old);
        this.connection = await this.lend();
      } catch (error) {
        this.due = false;
        for (const item of this.waiting.splice(0)) this.settle(item, { error });
        return;
      }
    }
    this.due = false;
    const items = this.waiting;
    this.waiting = [];
    this.send(this.connection, items);
  }

  send(connection, items) {
    const parameters = [];
    const counts = new Int32Array(items.length);
    items.forEach((item, index) => {
      counts[index] = item.parameters.length;
      for (const parameter of item.parameters) parameters.push(parameter);
    });
    let next = 0;
    const rest = (error) => {
      while (next < items.length) this.settle(items[next++], { error });
      this.rest(connection);
    };
    const progress = ([count, delivery]) => {
      const first = next;
      let results;
      try {
        results = decode(delivery, count, (index) => items[first + index].how);
      } catch (error) {
        results = new Array(count).fill({ error });
      }
      for (const result of results) {
        if (result.error?.lost === true) connection.lost = true;
        this.settle(items[next++], result);
      }
    };
    const failed = (error) => {
      connection.lost = true;
      rest(error);
    };
    const texts = items.map(({ text }) => text);
    const start = (number) => native.pgPipeline(...connection[NUMBERS], number, texts, counts, parameters);
    request.inParts(start, () => rest(), failed, progress);
  }

  settle(item, { value, error }) {
    // Nothing was sent, because the connection was closed: another one will do.
    if (error?.unsent === true && item.attempts < 3) {
      item.attempts += 1;
      this.load -= 1;
      this.add(item);
      return;
    }
    this.load -= 1;
    if (error === undefined) item.resolve(value);
    else item.reject(error);
  }

  /** Nothing is under way any more: the connection goes back to the pool. */
  rest(connection) {
    if (this.load > 0 || this.connection !== connection) return;
    this.connection = undefined;
    this.giveBack(connection);
  }
}

class Lanes {
  constructor(count, lend, giveBack) {
    this.lanes = Array.from({ length: count }, () => new Lane(lend, giveBack));
  }

  query(text, parameters, how) {
    let lane = this.lanes[0];
    for (const other of this.lanes) if (other.load < lane.load) lane = other;
    return new Promise((resolve, reject) => {
      lane.add({ text, parameters, how, resolve, reject, attempts: 0 });
    });
  }
}

exports.Lanes = Lanes;
