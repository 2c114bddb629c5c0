// A disk that is soon full: a small tmpfs, which only root on Linux can mount.
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';

function mounted(megabytes) {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-disk-'));
  const { status, stderr } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m,mode=0777`, 'tmpfs', folder], { encoding: 'utf8' });
  if (status === 0) return { folder };
  fs.rmdirSync(folder);
  return { why: stderr };
}

function unmount(folder) {
  const { status, stderr } = spawnSync('umount', [folder], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${folder} could not be unmounted: ${stderr}`);
  fs.rmdirSync(folder);
}

/** For `{ skip }` of a test: false, or why there is no such disk (which is a failure for root in CI). */
export function noSmallDisk() {
  if (process.platform !== 'linux' || process.getuid() !== 0) return 'NO SMALL DISK: only root on Linux can mount one';
  const { folder, why } = mounted(1);
  if (folder !== undefined) {
    unmount(folder);
    return false;
  }
  if (process.env.CI) throw new Error(`a tmpfs could not be mounted: ${why}`);
  return `NO SMALL DISK: ${why}`;
}

/** Mounts one: `{ folder, grow(megabytes), unmount() }`. */
export function smallDisk(megabytes) {
  const { folder, why } = mounted(megabytes);
  if (folder === undefined) throw new Error(`a tmpfs could not be mounted: ${why}`);
  const grow = (size) => {
    const { status, stderr } = spawnSync('mount', ['-o', `remount,size=${size}m`, folder], { encoding: 'utf8' });
    if (status !== 0) throw new Error(`${folder} could not be made larger: ${stderr}`);
  };
  return { folder, grow, unmount: () => unmount(folder) };
}
