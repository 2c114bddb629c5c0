// Holds the embedded PostgreSQL: in a process group of its own, so that Ctrl-C does not stop the database before the
// services have drained, and watching its parent, so that the database never outlives the demo.
// Arguments: JSON with { flags }.
import { startPostgres } from '../../__test__/support/postgres.mjs';

let stopping = false;
const starting = startPostgres(JSON.parse(process.argv[2] ?? '{}'));

async function stop() {
  if (stopping) return;
  stopping = true;
  const server = await starting.catch(() => null);
  // A server that has died by itself never reports its end.
  setTimeout(() => process.exit(1), 6000).unref();
  await server?.stop();
  process.exit(0);
}

process.on('message', ({ ask }) => ask === 'stop' && stop());
process.on('disconnect', stop);

try {
  const server = await starting;
  if (process.connected) process.send({ url: server.url, folder: server.socketDir });
} catch (error) {
  if (process.connected) process.send({ problem: error.message }, () => process.exit(1));
  else process.exit(1);
}
