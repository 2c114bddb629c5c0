// The `import` half of `register` on Node 18 and 20, where resolve hooks run on a thread of their own and do not see
// `require`. Newer versions of Node answer both from `registerHooks` in register.mjs.
import { answer, appFiles, logger } from './app-files.cjs';

let settings;

export function initialize({ root, except, log, seen }) {
  settings = { replaced: appFiles({ root, except }), log: logger(log, seen) };
}

export async function resolve(specifier, context, nextResolve) {
  const found = await nextResolve(specifier, context);
  return answer(settings, specifier, context, found.url) ?? found;
}
