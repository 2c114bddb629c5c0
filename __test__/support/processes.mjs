// Which processes a process has started, for tests that nothing is left behind.
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';

/** `[pid, parent, state]` of every process; from /proc where there is one, as `ps` is not everywhere. */
function list() {
  if (!fs.existsSync('/proc/self/stat')) {
    const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,state='], { encoding: 'utf8' }).trim().split('\n');
    return lines.map((line) => line.trim().split(/\s+/)).map(([pid, parent, state]) => [Number(pid), Number(parent), state[0]]);
  }
  return fs.readdirSync('/proc').filter((name) => /^\d+$/.test(name)).flatMap((pid) => {
    try {
      const stat = fs.readFileSync(`/proc/${pid}/stat`, 'utf8');
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return [[Number(pid), Number(parent), state]];
    } catch {
      // It ended in between.
      return [];
    }
  });
}

/** The ids of all processes below `pid`. */
export function descendants(pid) {
  const all = list();
  const found = [pid];
  for (const one of found) found.push(...all.filter(([, parent]) => parent === one).map(([child]) => child));
  return found.slice(1);
}

/** Those of `pids` that still run; one that only waits to be collected has ended. */
export function running(pids) {
  const wanted = new Set(pids);
  return list().filter(([pid, , state]) => wanted.has(pid) && state !== 'Z').map(([pid]) => pid);
}
