export * from './HorizontalScalingManager.cjs';
export { HorizontalScalingManager as default } from './HorizontalScalingManager.cjs';
