// Whatever comes in: never a crash, an abort or an unhandled rejection.
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import { QueryOptimizer } from '../src/js/lib/query-optimizer.mjs';

const FACE = new URL('../src/js/lib/query-optimizer.mjs', import.meta.url);
const LONG = 60_000;
const hostile = {
  get batchSize() {
    throw new Error('getter');
  },
  toString() {
    throw new Error('toString');
  },
};
const revoked = (() => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
})();
const throwingThen = Object.defineProperty({}, 'then', {
  get() {
    throw new Error('then');
  },
});

/** Strange values of every kind. */
const STRANGE = [
  undefined, null, true, false, 0, -0, -1, 1.5, NaN, Infinity, -Infinity, 2 ** 31, 2 ** 53, Number.MAX_VALUE,
  Number.MIN_VALUE, 0n, 10n ** 40n, '', ' ', 'x', '10', '__proto__', 'constructor', '\0', '\ud800', '💡'.repeat(2000),
  "';--", Symbol('s'), Symbol.iterator, [], [1, 2], {}, Object.create(null), hostile, revoked, throwingThen,
  new Proxy({}, {}), () => 1, class {}, new Date(NaN), new Map(), Promise.resolve(1), /x/, new Uint8Array(3),
];

const OPTIONS = [
  'batchSize', 'batchTimeout', 'slowQueryThreshold', 'enablePreparedStatements', 'executor', 'pool', 'nPlusOneThreshold',
  'recordParameters', 'mergeLookups', 'deduplicate',
];

/** Runs a call that may throw or reject, but only with an error of the boundary's making or the value's own. */
async function survives(call) {
  try {
    return await call();
  } catch (error) {
    assert.ok(error instanceof Error);
    return error;
  }
}

let unhandled = 0;
process.on('unhandledRejection', () => {
  unhandled += 1;
});

test('there are at least 40 of them', () => assert.ok(STRANGE.length >= 40));

test('as options, and as each option', async () => {
  for (const value of STRANGE) {
    await survives(() => new QueryOptimizer(value));
    for (const name of OPTIONS) {
      await survives(async () => {
        const optimizer = new QueryOptimizer({ batchTimeout: 1, [name]: value });
        const answer = survives(() => optimizer.queueQuery('SELECT 1'));
        await optimizer.flush();
        await answer;
      });
    }
  }
});

test('options that cannot be used are refused by name, without showing a pool', () => {
  for (const [name, value] of [
    ['batchSize', -1], ['batchSize', 'many'], ['batchTimeout', -5], ['slowQueryThreshold', {}], ['executor', 'run'],
    ['pool', 'select'],
  ]) {
    const expected = { code: 'ERR_TOOLOO_INVALID_ARGUMENT', message: new RegExp(`"${name}"`) };
    assert.throws(() => new QueryOptimizer({ [name]: value }), expected);
  }
});

test('as query, parameters, key and latency', async () => {
  const optimizer = new QueryOptimizer({ batchTimeout: 1 });
  for (const value of STRANGE) {
    await survives(() => optimizer.queueQuery(value, value));
    await survives(() => optimizer.queueQuery('SELECT 1', value));
    await survives(() => optimizer.optimizeQuery(value));
    await survives(() => optimizer.analyze(value));
    await survives(() => optimizer.getTopQueries(value));
    for (const method of ['on', 'once', 'off']) await survives(() => optimizer[method](value, value));
    await survives(() => optimizer.normalizeQuery(value));
    await survives(() => optimizer.executeBatch(value));
    await survives(() => optimizer.executeBatchQueries(value));
    await survives(() => optimizer.recordQueryLatency(value, value, value));
    await survives(() => optimizer.recordQueryLatency(5000, value, value));
  }
  JSON.stringify([optimizer.getStats(), optimizer.getSlowQueries(), optimizer]);
  assert.match(optimizer.getStats().averageLatency, /^\d.*ms$/);
  await optimizer.close();
});

test('as a field that is written, and as a key that an override makes', async () => {
  for (const value of STRANGE) {
    const optimizer = new QueryOptimizer();
    for (const name of ['batchSize', 'batchTimeout', 'slowQueryThreshold', 'queryQueue', 'batchTimers', 'stats']) {
      optimizer[name] = value;
    }
    optimizer.normalizeQuery = () => value;
    const answer = optimizer.queueQuery('SELECT 1');
    await optimizer.flush();
    assert.deepEqual(await answer, { success: true });
    optimizer.getStats();
  }
});

test('as the result of the hook, as one of its results, and as what it throws', async () => {
  for (const value of STRANGE) {
    for (const executor of [() => value, () => [value], () => [Promise.resolve(value)], () => { throw value; }]) {
      const optimizer = new QueryOptimizer({ batchSize: 2, batchTimeout: 1, executor });
      const settled = await Promise.allSettled([optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 1')]);
      assert.equal(settled.length, 2);
      await optimizer.flush();
    }
  }
});

test('as what a pool answers', async () => {
  for (const value of STRANGE) {
    for (const pool of [
      { queryBatch: () => value },
      { queryBatch: async () => [value, { error: value }] },
      { query: () => value },
      { acquire: () => value, release() { throw value; } },
    ]) {
      const optimizer = new QueryOptimizer({ batchSize: 2, batchTimeout: 1, pool });
      await Promise.allSettled([optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 1')]);
      await optimizer.flush();
    }
  }
});

test('an array that throws when it is read rejects the batch', async () => {
  const trap = new Proxy([], {
    get(target, name) {
      if (name === '0') throw new Error('trap');
      return Reflect.get(target, name);
    },
  });
  const optimizer = new QueryOptimizer({ batchSize: 1, executor: () => trap });
  await assert.rejects(optimizer.queueQuery('SELECT 1'), /trap/);
});

test('a thenable that settles twice, or never looks at its callbacks, harms nobody else', async () => {
  const twice = { then(resolve, reject) { resolve(1); reject(new Error('twice')); throw new Error('thrice'); } };
  const optimizer = new QueryOptimizer({ batchSize: 2, batchTimeout: LONG, executor: () => [twice, 2] });
  assert.deepEqual(await Promise.all([optimizer.queueQuery('SELECT 1'), optimizer.queueQuery('SELECT 1')]), [1, 2]);
});

test('no rejection was left unhandled', async () => {
  await new Promise((resolve) => setTimeout(resolve, 20));
  assert.equal(unhandled, 0);
});

test('a worker that is terminated with queries waiting goes cleanly', async () => {
  const source = `
    import { parentPort } from 'node:worker_threads';
    import { QueryOptimizer } from ${JSON.stringify(FACE.href)};
    const optimizer = new QueryOptimizer({ batchTimeout: 60000 });
    optimizer.executeBatchQueries = () => new Promise(() => {});
    for (let index = 0; index < 1000; index += 1) optimizer.queueQuery('SELECT ' + (index % 150)).catch(() => {});
    parentPort.postMessage('ready');`;
  for (let round = 0; round < 3; round += 1) {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`));
    await new Promise((resolve, reject) => {
      worker.once('message', resolve);
      worker.once('error', reject);
    });
    assert.equal(await worker.terminate(), 1);
  }
});

/** Runs a module in a process of its own. */
function run(body) {
  const source = `import { QueryOptimizer } from ${JSON.stringify(FACE.href)};\n${body}`;
  return spawnSync(process.execPath, ['--input-type=module', '-e', source], {
    cwd: fileURLToPath(new URL('..', import.meta.url)), encoding: 'utf8', timeout: 30_000,
  });
}

test('G-D3: an idle optimizer keeps no process alive, a waiting query does', () => {
  const idle = run("const o = new QueryOptimizer(); o.optimizeQuery('SELECT 1'); console.log('idle');");
  assert.deepEqual([idle.status, idle.stdout], [0, 'idle\n']);
  const waiting = run(`const o = new QueryOptimizer({ batchTimeout: 50 });
    o.queueQuery('SELECT 1').then((r) => console.log(r.success));`);
  assert.deepEqual([waiting.status, waiting.stdout], [0, 'true\n']);
});
