// The engine by its raw functions, for what no class shows by itself.
import { createRequire } from 'node:module';

const { native, request, listen, unlisten } = createRequire(import.meta.url)('../../src/js/addon.cjs');

/** A user of an engine: `{ command(...words), isUp(), health, close() }`; `health` lists what it went through. */
export function openEngine(options) {
  const handle = native.clusterOpen(options);
  const health = [];
  const listener = listen((number) => health.push(number));
  native.clusterWatch(handle, listener);
  return {
    health,
    command: (...words) => request((number) => native.clusterCommand(handle, number, words.map(String))),
    isUp: () => native.clusterIsUp(handle),
    close() {
      unlisten(listener);
      native.clusterClose(handle);
    },
  };
}
