// What the charts are drawn from: one list of times, and a list of as many values for each name.

const MOST = 180;

export class Series {
  times = [];
  #values = new Map();

  clear() {
    this.times = [];
    this.#values.clear();
  }

  push(at, points) {
    this.times.push(at / 1000);
    for (const [name, value] of Object.entries(points)) {
      if (!this.#values.has(name)) this.#values.set(name, new Array(this.times.length - 1).fill(null));
      this.#values.get(name).push(value);
    }
    for (const values of this.#values.values()) {
      if (values.length < this.times.length) values.push(null);
      if (values.length > MOST) values.shift();
    }
    if (this.times.length > MOST) this.times.shift();
  }

  values(name) {
    return this.#values.get(name) ?? new Array(this.times.length).fill(null);
  }
}
