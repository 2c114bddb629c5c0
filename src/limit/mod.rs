//! Token buckets and fair waiting.

#[cfg(feature = "node")]
pub(crate) mod binding;
