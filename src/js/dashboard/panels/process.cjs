'use strict';
// The process itself.

const { performance } = require('node:perf_hooks');

class ProcessReader {
  #cpu = process.cpuUsage();
  #loop = performance.eventLoopUtilization();
  #at = performance.now();

  read(now) {
    const { user, system } = process.cpuUsage(this.#cpu);
    const loop = performance.eventLoopUtilization();
    const elapsedMs = Math.max(now - this.#at, 1);
    const read = {
      pid: process.pid,
      node: process.version,
      uptimeMs: Math.round(process.uptime() * 1000),
      rssBytes: process.memoryUsage.rss(),
      cpu: (user + system) / 1000 / elapsedMs,
      eventLoop: performance.eventLoopUtilization(loop, this.#loop).utilization,
    };
    this.#cpu = process.cpuUsage();
    this.#loop = loop;
    this.#at = now;
    return read;
  }
}

module.exports = { ProcessReader };
