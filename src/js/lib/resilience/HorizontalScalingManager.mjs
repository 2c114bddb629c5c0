import faces from './HorizontalScalingManager.cjs';

export const { HorizontalScalingManager } = faces;
export default HorizontalScalingManager;
