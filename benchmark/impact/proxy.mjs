// Counts the bytes to and from the database: a loopback proxy in a process of its own. Argument: the database's port.
// Answers `{ ask: 'report' }` with the bytes since the last report.
import net from 'node:net';

const port = Number(process.argv[2]);
let bytes = { toDatabase: 0, fromDatabase: 0 };
const sockets = new Set();

const server = net.createServer((client) => {
  const database = net.connect(port, '127.0.0.1');
  for (const [from, to, direction] of [[client, database, 'toDatabase'], [database, client, 'fromDatabase']]) {
    sockets.add(from);
    from.setNoDelay(true);
    from.on('data', (chunk) => (bytes[direction] += chunk.length));
    from.on('error', () => to.destroy());
    from.on('close', () => sockets.delete(from));
    from.pipe(to);
  }
});

function stop() {
  server.close();
  for (const socket of sockets) socket.destroy();
  if (process.connected) process.disconnect();
}

process.on('SIGINT', () => {});
process.on('disconnect', stop);
process.on('message', ({ ask }) => {
  if (ask === 'stop') return stop();
  process.send({ bytes });
  bytes = { toDatabase: 0, fromDatabase: 0 };
});
server.listen(0, '127.0.0.1', () => process.send({ port: server.address().port }));
