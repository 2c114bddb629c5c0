// Prometheus and promtool (Debian's package `prometheus`) and the OpenMetrics parser of Python's prometheus_client, for
// tests. Where they are missing they are fetched if that is possible; in CI it is a failure if it is not.
import { spawn, spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { ROOT } from './app.mjs';
import { freePort } from './free-port.mjs';
import { until } from './until.mjs';

const PARSER = 'prometheus_client==0.23.1';

function works(command, args, env = process.env) {
  return spawnSync(command, args, { env, stdio: 'ignore' }).status === 0;
}

function missing(what) {
  if (process.env.CI) throw new Error(`${what} is not to be had`);
  return `${what} is not installed`;
}

/** `undefined` when promtool and prometheus are there, else why not, for a test's `skip`. */
export function withoutPrometheus() {
  if (works('promtool', ['--version'])) return undefined;
  if (process.platform === 'linux' && process.getuid() === 0 && works('apt-get', ['--version'])) {
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
    spawnSync('apt-get', ['update', '-qq'], { env, stdio: 'ignore' });
    spawnSync('apt-get', ['install', '-y', '-qq', '--no-install-recommends', 'prometheus'], { env, stdio: 'ignore' });
    if (works('promtool', ['--version'])) return undefined;
  }
  return missing('promtool (package prometheus)');
}

/** What promtool says about an input or files; empty when it has nothing to say. */
export function promtool(args, input) {
  const { status, stdout, stderr, error } = spawnSync('promtool', args, { input, encoding: 'utf8' });
  if (error) throw error;
  return { status, said: `${stdout}${stderr}` };
}

const PYTHON = path.join(ROOT, 'node_modules', '.cache', 'python');
const python = () => ({ ...process.env, PYTHONPATH: PYTHON });

/** `undefined` when the OpenMetrics parser is there, else why not. */
export function withoutParser() {
  const there = () => works('python3', ['-c', 'import prometheus_client.openmetrics.parser'], python());
  if (there()) return undefined;
  spawnSync('python3', ['-m', 'pip', 'install', '--quiet', '--target', PYTHON, PARSER], { stdio: 'ignore' });
  return there() ? undefined : missing(`the OpenMetrics parser (pip package ${PARSER})`);
}

const READ = `
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse
families = list(parse(sys.stdin.read()))
print(json.dumps([{
  'name': family.name, 'type': family.type, 'unit': family.unit, 'help': family.documentation,
  'samples': [[one.name, one.labels, str(one.value), one.exemplar and one.exemplar.labels] for one in family.samples],
} for family in families]))`;

/** The families of an OpenMetrics text as Python's parser reads them; throws with what it finds wrong. */
export function parseOpenMetrics(text) {
  const { status, stdout, stderr } = spawnSync('python3', ['-c', READ], { input: text, env: python(), encoding: 'utf8', maxBuffer: 1 << 26 });
  if (status !== 0) throw new Error(stderr);
  return JSON.parse(stdout);
}

/** A Prometheus that scrapes `targets` (`host:port`) five times a second: `{ query(path), stop() }`. With `native` it
 * asks for protobuf and takes native histograms in the place of classic ones. */
export async function startPrometheus(targets, { rules = [], native = true } = {}) {
  const home = fs.mkdtempSync(path.join(os.tmpdir(), 'tooloo-prometheus-'));
  const port = await freePort();
  const config = {
    global: { scrape_interval: '200ms', evaluation_interval: '1s' },
    rule_files: rules,
    scrape_configs: [{ job_name: 'app', static_configs: [{ targets }] }],
  };
  // JSON is YAML.
  fs.writeFileSync(path.join(home, 'prometheus.yml'), JSON.stringify(config));
  const args = [
    `--config.file=${path.join(home, 'prometheus.yml')}`, `--storage.tsdb.path=${path.join(home, 'data')}`,
    `--web.listen-address=127.0.0.1:${port}`, `--enable-feature=${native ? 'native-histograms,' : ''}exemplar-storage`,
  ];
  const child = spawn('prometheus', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.setEncoding('utf8').on('data', (text) => (log = (log + text).slice(-4000)));
  const ended = new Promise((resolve) => child.once('close', resolve));
  const query = async (query) => {
    const response = await fetch(`http://127.0.0.1:${port}/api/v1/${query}`);
    return (await response.json()).data;
  };
  const stop = async () => {
    child.kill('SIGTERM');
    await ended;
    fs.rmSync(home, { recursive: true, force: true });
  };
  try {
    await until(async () => {
      if (child.exitCode !== null) throw new Error(`Prometheus ended:\n${log}`);
      return (await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => ({ ok: false }))).ok;
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return { query, stop };
}
