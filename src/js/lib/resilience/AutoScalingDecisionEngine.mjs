import faces from './AutoScalingDecisionEngine.cjs';

export const { AutoScalingDecisionEngine } = faces;
export default AutoScalingDecisionEngine;
