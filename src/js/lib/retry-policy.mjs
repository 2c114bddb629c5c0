import faces from './retry-policy.cjs';

export const { retry } = faces;
export default retry;
