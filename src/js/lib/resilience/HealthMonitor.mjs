import faces from './HealthMonitor.cjs';

export const { HealthMonitor } = faces;
export default HealthMonitor;
