export * from './request-deduplicator.cjs';
export { RequestDeduplicator as default } from './request-deduplicator.cjs';
