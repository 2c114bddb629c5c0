//! The persistent cache.

#[cfg(feature = "node")]
pub(crate) mod binding;
