export * from './AutoScalingDecisionEngine.cjs';
export { AutoScalingDecisionEngine as default } from './AutoScalingDecisionEngine.cjs';
