import faces from './ReadinessProbe.cjs';

export const { ReadinessProbe } = faces;
export default ReadinessProbe;
