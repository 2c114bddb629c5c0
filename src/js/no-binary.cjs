'use strict';
// What to say when the generated loader finds no binary, or one that does not load.

/** The reason worth telling, out of the chain the loader collects; undefined when there simply is no file. */
function reasonOf(error) {
  for (let at = error, depth = 0; at instanceof Error && depth < 20; at = at.cause, depth += 1) {
    if (at.code !== 'MODULE_NOT_FOUND' && !at.message.startsWith('Cannot find')) return at.message.split('\n')[0];
  }
  return undefined;
}

const HELP =
  'with cargo (https://rustup.rs) installed, run `npm rebuild tooloo-native`, on npm 11 after ' +
  '`npm install-scripts approve tooloo-native`; in a clone, `npm run build`';

function noBinary(cause) {
  const reason = reasonOf(cause);
  const platform = `${process.platform}-${process.arch}`;
  const what = reason
    ? `the native binary for ${platform} does not load: ${reason}`
    : `there is no native binary for ${platform}`;
  return Object.assign(new Error(`tooloo-native: ${what}; ${HELP}`, { cause }), { code: 'ERR_TOOLOO_NO_BINARY' });
}

module.exports = { HELP, noBinary, reasonOf };
