//! Connections: PostgreSQL or the caller's own factory.

#[cfg(feature = "node")]
pub(crate) mod binding;
