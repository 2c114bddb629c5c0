export * from './provider-quality-learner.cjs';
export { ProviderQualityLearner as default } from './provider-quality-learner.cjs';
