import faces from './connection-pool.cjs';

export const { ConnectionPool } = faces;
export default ConnectionPool;
