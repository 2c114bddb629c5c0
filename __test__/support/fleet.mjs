// Processes that share a cache.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('./fleet-member.mjs', import.meta.url));

/** One process with a cache of these options: its methods are called by name, and `kill()` ends it at once. */
export async function startMember(t, options) {
  const child = fork(SCRIPT, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], serialization: 'advanced' });
  t.after(() => child.kill('SIGKILL'));
  await once(child, 'message');
  const waiting = new Map();
  let last = 0;
  child.on('message', ({ id, result, error }) => {
    const { resolve, reject } = waiting.get(id);
    waiting.delete(id);
    if (error === undefined) resolve(result);
    else reject(Object.assign(new Error(error.message), { code: error.code }));
  });
  const call = (method, ...args) => new Promise((resolve, reject) => {
    last += 1;
    waiting.set(last, { resolve, reject });
    child.send({ id: last, method, args });
  });
  const own = {
    pid: child.pid,
    kill: (signal = 'SIGKILL') => child.kill(signal),
    call,
  };
  const member = new Proxy(own, {
    get: (target, name) => {
      if (name in target || name === 'then') return target[name];
      return (...args) => call(name, ...args);
    },
  });
  await member.open(options);
  return member;
}

/** So many of them. */
export const startFleet = (t, count, options) =>
  Promise.all(Array.from({ length: count }, (_, index) => startMember(t, typeof options === 'function' ? options(index) : options)));
