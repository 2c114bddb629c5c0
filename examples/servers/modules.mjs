// The one place that decides whether the services use the modules: TOOLOO_MODULES=off gives the plain variants, which
// do not even load the addon.
const variant = process.env.TOOLOO_MODULES === 'off' ? 'plain' : 'native';

export const { openLedger } = await import(`./budget/data-${variant}.mjs`);
export const {
  createBreaker, createDashboard, createHealth, createLimiter, createMetrics, createTracer,
} = await import(`./guards-${variant}.mjs`);
