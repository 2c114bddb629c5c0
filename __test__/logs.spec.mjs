// The lines of a log lead to the trace in which they were written: the example of docs/observability, as it stands there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import test from 'node:test';
import { ROOT } from './support/app.mjs';

test('pino, winston and the console write the ids of the trace they run in', (t) => {
  const text = fs.readFileSync(path.join(ROOT, 'docs', 'observability', 'README.md'), 'utf8');
  const [, code] = /^```js\n(import pino[\s\S]*?)^```/m.exec(text);
  const folder = path.join(ROOT, '.tooloo', `logs-${process.pid}`);
  t.after(() => fs.rmSync(folder, { recursive: true, force: true }));
  fs.mkdirSync(folder, { recursive: true });
  const script = path.join(folder, 'logs.mjs');
  fs.writeFileSync(script, `${code}\nbyPino.info('outside');\n`);
  const out = execFileSync(process.execPath, [script], { encoding: 'utf8' });
  const lines = out.trim().split('\n').map((line) => JSON.parse(line));
  const [outside] = lines.filter(({ msg }) => msg === 'outside');
  assert.equal(outside.trace_id, undefined);
  const inside = lines.filter((line) => line !== outside);
  assert.deepEqual(inside.map(({ msg, message }) => msg ?? message).sort(), ['paid', 'sent', 'taken']);
  const [{ trace_id: traceId, span_id: spanId }] = inside;
  assert.match(traceId, /^[0-9a-f]{32}$/);
  assert.match(spanId, /^[0-9a-f]{16}$/);
  for (const line of inside) assert.deepEqual([line.trace_id, line.span_id, line.order], [traceId, spanId, 7]);
});
