import faces from './provider-quality-learner.cjs';

export const { ProviderQualityLearner } = faces;
export default ProviderQualityLearner;
