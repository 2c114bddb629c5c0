export * from './HealthMonitor.cjs';
export { HealthMonitor as default } from './HealthMonitor.cjs';
