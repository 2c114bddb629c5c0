//! Query batching and advice.

#[cfg(feature = "node")]
pub(crate) mod binding;
