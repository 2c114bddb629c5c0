// One of several processes that share a limit: asks as much as it can for so long, and says what it was granted.
import { RateLimiter } from '../../src/js/lib/rate-limiter.mjs';

const { options, ms } = JSON.parse(process.argv[2]);
const limiter = new RateLimiter(options);
const granted = { exact: 0, mixed: 0, slowest: 0, first: undefined, last: 0 };
const count = (client, tokens) => {
  granted[client] += tokens;
  granted.first ??= Date.now();
  granted.last = Date.now();
};

process.send('ready');
process.once('message', async () => {
  const until = Date.now() + ms;
  const asking = (client) => async () => {
    while (Date.now() < until) {
      const from = performance.now();
      try {
        const cost = 1 + (granted[client] % 3);
        const { acquired } = await limiter.acquire(client, cost, { timeoutMs: Math.max(1, until - Date.now()) });
        if (acquired) count(client, cost);
      } catch (error) {
        if (!['ERR_TOOLOO_TIMEOUT', 'ERR_TOOLOO_CONNECT'].includes(error.code)) throw error;
      }
      granted.slowest = Math.max(granted.slowest, performance.now() - from);
    }
  };
  const probing = async () => {
    while (Date.now() < until) {
      for (let index = 0; index < 50; index += 1) if (limiter.isAllowed('mixed')) count('mixed', 1);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
  };
  const exact = Array.from({ length: 10 }, asking('exact'));
  await Promise.all([...exact, asking('mixed')(), asking('mixed')(), probing()]);
  process.send({ ...granted, store: limiter.getStats().store });
  limiter.shutdown();
  process.disconnect();
});
