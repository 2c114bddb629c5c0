export * from './IntelligentRouter.cjs';
export { IntelligentRouter as default } from './IntelligentRouter.cjs';
