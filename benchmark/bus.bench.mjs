// What carries a notice: a stream that four readers wait at (what the bus uses), against publish/subscribe and against client
// tracking, over plain sockets, so that only the server's part differs. From the command until the last reader has it.
import { once } from 'node:events';
import net from 'node:net';
import { startValkey } from '../__test__/support/valkey.mjs';

const READERS = 4;
const NOTICES = 500;

const encode = (...words) => `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;

async function connect(port) {
  const socket = net.connect(port, '127.0.0.1').setNoDelay(true);
  await once(socket, 'connect');
  return socket;
}

/** Microseconds from a command until every reader has heard of it, and asked for the next where it has to. */
async function latency(port, { prepare, again, send }) {
  const writer = await connect(port);
  writer.on('data', () => {});
  const readers = await Promise.all(Array.from({ length: READERS }, () => connect(port)));
  let [heard, wake] = [0, () => {}];
  for (const reader of readers) {
    reader.write(prepare);
    await once(reader, 'data');
    let last = '$';
    const wait = () => again && reader.write(again(last));
    reader.on('data', (bytes) => {
      const text = bytes.toString();
      last = /\d+-\d+/.exec(text)?.[0] ?? last;
      heard += 1;
      wait();
      if (heard === READERS) wake();
    });
    wait();
  }
  await new Promise((resolve) => setTimeout(resolve, 50));
  const start = process.hrtime.bigint();
  for (let index = 0; index < NOTICES; index += 1) {
    heard = 0;
    const all = new Promise((resolve) => { wake = resolve; });
    writer.write(send(index));
    await all;
  }
  const took = Number(process.hrtime.bigint() - start) / 1e3 / NOTICES;
  for (const socket of [writer, ...readers]) socket.destroy();
  return took;
}

const HELLO = encode('HELLO', '3');
const stream = {
  prepare: HELLO,
  again: (last) => encode('XREAD', 'COUNT', '1000', 'BLOCK', '5000', 'STREAMS', 'bus', last),
  send: (index) => encode('XADD', 'bus', 'MAXLEN', '~', '10000', '*', 'm', `notice ${index}`),
};
const publish = { prepare: encode('SUBSCRIBE', 'bus'), send: (index) => encode('PUBLISH', 'bus', `notice ${index}`) };
const tracking = {
  prepare: HELLO + encode('CLIENT', 'TRACKING', 'ON', 'BCAST', 'PREFIX', 'k:'),
  send: (index) => encode('SET', `k:${index}`, 'x'),
};

export async function run(table) {
  const server = await startValkey();
  try {
    for (const [name, other] of [['publish/subscribe', publish], ['client tracking', tracking]]) {
      await table.compare({
        title: `a notice to ${READERS} readers, by a stream, against ${name}`,
        goal: 0.5,
        unit: 'µs',
        baseline: () => latency(server.port, other),
        ours: () => latency(server.port, stream),
      });
    }
  } finally {
    await server.stop();
  }
}
