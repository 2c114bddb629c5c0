//! Traces, spans and their metrics.

#[cfg(feature = "node")]
pub(crate) mod binding;
