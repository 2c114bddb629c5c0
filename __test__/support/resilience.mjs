// What the resilience specs share.
export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
export const fails = (error = new Error('down')) => () => Promise.reject(error);
export const never = () => new Promise(() => {});

/** A promise with its handles outside. */
export function deferred() {
  const handles = {};
  handles.promise = new Promise((resolve, reject) => Object.assign(handles, { resolve, reject }));
  return handles;
}

/** Values that no API expects, 40 of them. */
export const ODD = [
  undefined, null, true, false, 0, -0, -1, NaN, Infinity, -Infinity, 2 ** 53, 1e308, 5e-324, '', 'x', '__proto__', '\ud800', 'é\u0000',
  'a'.repeat(100_000), 10n, 2n ** 200n, Symbol('s'), Symbol.iterator, {}, [], [[[]]], Object.create(null), new Map(), new Date(NaN),
  new Proxy({}, {}), new Proxy(() => {}, {}), () => { throw new Error('called'); }, class {}, /x/g, new Uint8Array(4), Buffer.from('b'),
  Object.freeze({}), { toString() { throw new Error('toString'); } },
  { get then() { throw new Error('then'); }, get name() { throw new Error('name'); }, get timeout() { throw new Error('t'); } },
  new Proxy({}, { get() { throw new Error('trap'); } }),
];

/** Runs `body` with each odd value; errors are fine, a crash or an unhandled rejection is not. */
export async function survives(body) {
  const unhandled = [];
  const note = (error) => unhandled.push(error);
  process.on('unhandledRejection', note);
  let answered = 0;
  for (const value of ODD) {
    try {
      await body(value);
    } catch {
      // An error is an answer.
    }
    answered += 1;
  }
  await sleep(20);
  process.off('unhandledRejection', note);
  if (unhandled.length > 0) throw new Error(`${unhandled.length} unhandled rejections: ${String(unhandled[0]?.stack)}`);
  return answered;
}
