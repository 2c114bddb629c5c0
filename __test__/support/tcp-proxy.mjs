// A small TCP proxy on a loopback port, to break a network with: `silence()` lets bytes vanish in both directions and
// answers no new connection, `restore()` ends that for new connections, `cut()` resets all.
import net from 'node:net';

export async function startTcpProxy(port) {
  const pairs = new Set();
  let silent = false;
  const server = net.createServer((inner) => {
    const pair = { inner, outer: undefined, silent };
    pairs.add(pair);
    inner.on('error', () => {});
    inner.on('close', () => {
      pairs.delete(pair);
      pair.outer?.destroy();
    });
    if (silent) return;
    const outer = net.connect(port, '127.0.0.1');
    pair.outer = outer;
    outer.on('error', () => inner.destroy());
    outer.on('close', () => inner.destroy());
    inner.on('data', (bytes) => pair.silent || outer.write(bytes));
    outer.on('data', (bytes) => pair.silent || inner.write(bytes));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: server.address().port,
    silence() {
      silent = true;
      for (const pair of pairs) pair.silent = true;
    },
    restore() {
      silent = false;
    },
    cut() {
      for (const { inner } of pairs) inner.resetAndDestroy();
    },
    async stop() {
      for (const { inner } of pairs) inner.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
