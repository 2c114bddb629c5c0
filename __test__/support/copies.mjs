// The package's files loaded once more in this process, as a test runner's module registry does it.
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(import.meta.url);
const OURS = ['', 'src', 'js', ''].join(path.sep);

/** What a file of `src/js/lib` exports, by a new copy of all files; the binary stays. */
export function freshCopy(name) {
  for (const file of Object.keys(require.cache)) if (file.includes(OURS) && !file.endsWith('.node')) delete require.cache[file];
  return require(`../../src/js/lib/${name}.cjs`);
}
