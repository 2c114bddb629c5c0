// The plain-JavaScript baseline: a Map, gzipSync and writeFile, as the contract describes the original.
import fs from 'node:fs/promises';
import path from 'node:path';
import zlib from 'node:zlib';

export class PersistentCache {
  constructor(options = {}) {
    this.cacheDir = options.cacheDir;
    this.ttl = options.ttl || 3_600_000;
    this.memoryCache = new Map();
    this.maxMemoryItems = options.maxMemoryItems || 1000;
    this.stats = { hits: 0, misses: 0, writes: 0, reads: 0 };
    this.init();
  }

  async init() {
    await fs.mkdir(this.cacheDir, { recursive: true }).catch((error) => console.warn(error.message));
  }

  async get(key) {
    const item = this.memoryCache.get(key);
    if (item && !this.isExpired(item)) {
      this.stats.hits += 1;
      return item.value;
    }
    try {
      const stored = await this.readFromDisk(this.getFilePath(key));
      if (stored && !this.isExpired(stored)) {
        this.memoryCache.set(key, stored);
        this.stats.hits += 1;
        return stored.value;
      }
    } catch {
      // a miss
    }
    this.stats.misses += 1;
    return null;
  }

  async set(key, value, ttl = this.ttl) {
    const now = Date.now();
    const item = { key, value, expiresAt: now + ttl, createdAt: now };
    this.memoryCache.set(key, item);
    if (this.memoryCache.size > this.maxMemoryItems) this.memoryCache.delete(this.memoryCache.keys().next().value);
    this.stats.writes += 1;
    this.written = this.writeToDisk(key, item).catch((error) => console.warn(error.message));
  }

  async cleanup() {
    let cleaned = 0;
    for (const [key, item] of this.memoryCache) {
      if (this.isExpired(item)) {
        this.memoryCache.delete(key);
        cleaned += 1;
      }
    }
    for (const name of await fs.readdir(this.cacheDir)) {
      const file = path.join(this.cacheDir, name);
      if (this.isExpired(await this.readFromDisk(file))) {
        await fs.unlink(file);
        cleaned += 1;
      }
    }
    return cleaned;
  }

  getFilePath(key) {
    return path.join(this.cacheDir, `${Buffer.from(key).toString('base64').replace(/[/+=]/g, '-')}.json.gz`);
  }

  async readFromDisk(file) {
    const item = JSON.parse(zlib.gunzipSync(await fs.readFile(file)));
    this.stats.reads += 1;
    return item;
  }

  async writeToDisk(key, item) {
    await fs.writeFile(this.getFilePath(key), zlib.gzipSync(JSON.stringify(item)));
  }

  isExpired(item) {
    return item.expiresAt && Date.now() > item.expiresAt;
  }
}
