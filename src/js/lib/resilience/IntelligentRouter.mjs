import faces from './IntelligentRouter.cjs';

export const { IntelligentRouter } = faces;
export default IntelligentRouter;
