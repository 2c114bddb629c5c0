import faces from './LoadBalancer.cjs';

export const { LoadBalancer } = faces;
export default LoadBalancer;
