// A server that is taken down gracefully; the test runs it as a process of its own and reads what it prints.
import http from 'node:http';
import { gracefulShutdown, ReadinessProbe } from '../../src/js/index.mjs';

const mode = process.argv[2];
let [begun, answered] = [0, 0];
const readiness = new ReadinessProbe({ cacheMs: 1 });
const health = readiness.handler();
const server = http.createServer((request, response) => {
  health(request, response, () => {
    begun += 1;
    response.once('finish', () => { answered += 1; });
    if (request.url === '/hang') return;
    setTimeout(() => response.end('done'), Math.random() * 20);
  });
});
const drained = [];
gracefulShutdown(server, {
  readiness,
  delayMs: 200,
  deadlineMs: mode === 'deadline' ? 500 : 60_000,
  drain: [
    { drain: async () => drained.push('pool') },
    { close: async () => drained.push('cache') },
    () => {
      if (mode === 'failing') throw new Error('drain');
      drained.push('last');
    },
  ],
});
process.on('exit', () => console.log(JSON.stringify({ begun, answered, drained })));
server.listen(0, '127.0.0.1', () => console.log(server.address().port));
