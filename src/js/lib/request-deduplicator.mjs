import faces from './request-deduplicator.cjs';

export const { RequestDeduplicator } = faces;
export default RequestDeduplicator;
