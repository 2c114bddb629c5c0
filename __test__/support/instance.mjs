// A service of the scaling tests. Environment: PORT, and MODE: `stubborn` ignores SIGTERM, `late` is ready a little later.
import http from 'node:http';

const { PORT, MODE } = process.env;
const begun = Date.now();
const server = http.createServer((request, response) => {
  if (request.url === '/health/ready') response.writeHead(MODE === 'late' && Date.now() - begun < 200 ? 503 : 200).end();
  else if (request.url === '/crash') process.exit(3);
  else if (request.url === '/slow') setTimeout(() => response.end('slow'), 300);
  else response.end(String(process.pid));
});
server.listen(Number(PORT), '127.0.0.1');
process.on('SIGTERM', () => { if (MODE !== 'stubborn') server.close(() => process.exit(0)); });
process.on('SIGINT', () => {});
