// The pool as plain JavaScript writes it: an object for each connection, searched in an array, and a set of the lent.

export class BaselinePool {
  constructor({ minConnections = 2, maxConnections = 10, connectionTimeout = 5000 } = {}) {
    this.minConnections = minConnections;
    this.maxConnections = maxConnections;
    this.connectionTimeout = connectionTimeout;
    this.connections = [];
    this.activeConnections = new Set();
    this.waitingQueue = [];
    this.stats = { created: 0, acquired: 0, released: 0, failures: 0, activeCount: 0 };
    this.initialized = false;
  }

  async initialize() {
    if (this.initialized) return;
    for (let index = 0; index < this.minConnections; index += 1) await this.add(false);
    this.initialized = true;
  }

  async add(acquired) {
    const conn = await this.createConnection();
    this.connections.push({ conn, acquired, createdAt: Date.now() });
    this.stats.created += 1;
    return conn;
  }

  async acquire() {
    if (!this.initialized) await this.initialize();
    const free = this.connections.find((item) => !item.acquired);
    if (free) {
      free.acquired = true;
      return this.lend(free.conn);
    }
    if (this.connections.length < this.maxConnections) return this.lend(await this.add(true));
    return new Promise((resolve, reject) => {
      const timeout = setTimeout(() => {
        this.waitingQueue = this.waitingQueue.filter((waiter) => waiter.resolve !== resolve);
        reject(new Error('Connection acquisition timeout'));
      }, this.connectionTimeout);
      this.waitingQueue.push({ resolve, reject, timeout });
    });
  }

  lend(conn) {
    this.activeConnections.add(conn);
    this.stats.acquired += 1;
    this.stats.activeCount = this.activeConnections.size;
    return conn;
  }

  release(conn) {
    const item = this.connections.find((candidate) => candidate.conn === conn);
    if (!item) return;
    this.activeConnections.delete(conn);
    this.stats.released += 1;
    this.stats.activeCount = this.activeConnections.size;
    const waiter = this.waitingQueue.shift();
    if (waiter) {
      clearTimeout(waiter.timeout);
      waiter.resolve(this.lend(conn));
    } else {
      item.acquired = false;
    }
  }

  async createConnection() {
    return { id: Math.random().toString(36) };
  }
}
