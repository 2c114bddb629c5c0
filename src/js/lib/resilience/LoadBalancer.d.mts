export * from './LoadBalancer.cjs';
export { LoadBalancer as default } from './LoadBalancer.cjs';
