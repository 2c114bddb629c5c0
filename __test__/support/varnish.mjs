// Varnish with vmod xkey (Debian's packages `varnish` and `varnish-modules`) for tests, in front of a port. Where it is
// missing it is installed if that is possible; in CI it is a failure if it is not.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import net from 'node:net';
import os from 'node:os';
import path from 'node:path';
import { ROOT } from './app.mjs';
import { freePort } from './free-port.mjs';
import { until } from './until.mjs';

const PATH = `${process.env.PATH}:/usr/sbin:/usr/local/sbin`;
const run = (command, args, options) => spawnSync(command, args, { env: { ...process.env, PATH }, ...options });
const hasXkey = () => ['/usr/lib', '/usr/local/lib'].some((folder) => run('find', [folder, '-name', 'libvmod_xkey.so']).stdout?.length > 0);
const isThere = () => run('varnishd', ['-V']).status === 0 && hasXkey();

/** `undefined` when Varnish is there, else why not, for a test's `skip`. */
export function withoutVarnish() {
  if (isThere()) return undefined;
  if (process.platform === 'linux' && process.getuid() === 0 && run('apt-get', ['--version']).status === 0) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    spawnSync('apt-get', ['update', '-qq'], { env, stdio: 'ignore' });
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'varnish', 'varnish-modules'], { env, stdio: 'ignore' });
    if (isThere()) return undefined;
  }
  if (process.env.CI) throw new Error('varnish with vmod xkey is not to be had');
  return 'varnish and varnish-modules are not installed';
}

const answers = (port) =>
  new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1', () => socket.end(() => resolve(true)));
    socket.on('error', () => resolve(false));
  });

/** Varnish in front of `backend` with the VCL of the documents: `{ port, url, stop }`. */
export async function startVarnish(backend) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-varnish-'));
  // The worker runs as another user.
  fs.chmodSync(home, 0o755);
  const port = await freePort();
  const vcl = fs.readFileSync(path.join(ROOT, 'docs', 'cdn', 'varnish.vcl'), 'utf8');
  const file = path.join(home, 'test.vcl');
  fs.writeFileSync(file, vcl.replace('.port = "3000"', `.port = "${backend}"`));
  const args = ['-F', '-n', path.join(home, 'work'), '-a', `127.0.0.1:${port}`, '-f', file, '-s', 'malloc,32m', '-T', 'none', '-j', 'none'];
  const child = spawn('varnishd', args, { env: { ...process.env, PATH }, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (said += chunk));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  await until(async () => {
    if (child.exitCode !== null) throw new Error(`varnishd ended: ${said}`);
    return answers(port);
  });
  return {
    port,
    url: `http://127.0.0.1:${port}`,
    async stop() {
      child.kill('SIGTERM');
      await ended;
      fs.rmSync(home, { recursive: true, force: true });
    },
  };
}
