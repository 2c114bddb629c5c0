// Runs an Express app as a process of the demo: listens on loopback, reports to its parent, and drains when the parent
// says so, when the parent is gone, or (without a parent) at Ctrl-C.
import http from 'node:http';

const DRAIN_MS = 5000;

function listen(server, port) {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => {
      server.off('error', reject);
      resolve(server.address().port);
    });
  });
}

/** Listens on `port`, or on a free one when that is taken. */
async function listenSomewhere(server, port, name) {
  try {
    return await listen(server, port);
  } catch (error) {
    if (error.code !== 'EADDRINUSE') throw error;
    console.error(`${name}: port ${port} is taken, using a free one`);
    return listen(server, 0);
  }
}

/** `report()` answers the parent's question for figures; `close()` releases what the app holds. */
export async function serve({ name, app, port = 0, report, close }) {
  const server = http.createServer(app);
  // Longer than any pause between two requests of the other service, which keeps its connections open.
  server.keepAliveTimeout = 60_000;

  let stopping = false;
  const stop = async () => {
    if (stopping) return;
    stopping = true;
    setTimeout(() => process.exit(1), DRAIN_MS).unref();
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeIdleConnections();
    // Connections that were busy a moment ago turn idle one by one.
    const sweep = setInterval(() => server.closeIdleConnections(), 20);
    await closed;
    clearInterval(sweep);
    await close();
    if (process.connected) process.disconnect();
  };
  const stopOrFail = () => stop().catch((error) => {
    console.error(`${name}: ${error.message}`);
    process.exit(1);
  });

  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  if (process.send) {
    // The parent hears the same Ctrl-C and decides in which order things stop.
    for (const signal of signals) process.on(signal, () => {});
    process.on('message', ({ ask }) => {
      if (ask === 'stop') stopOrFail();
      if (ask === 'report') process.send({ report: report() });
    });
    process.on('disconnect', stopOrFail);
  } else {
    for (const signal of signals) process.on(signal, stopOrFail);
  }

  const actual = await listenSomewhere(server, port, name);
  if (process.send) process.send({ port: actual });
  else if (process.env.QUIET === undefined) console.log(`${name}: http://127.0.0.1:${actual}`);
}
