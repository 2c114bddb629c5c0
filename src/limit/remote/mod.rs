//! Buckets that several processes share, in Valkey or Redis.
//!
//! `acquire` asks the shared bucket itself, in one atomic script on the server's clock with the arithmetic of
//! [`super::bucket`] ([`ops`], `bucket.lua`); what was asked in one turn leaves together ([`worker`]). `isAllowed`
//! spends a share that was leased in advance ([`lease`]). While the server is away the insurance decides
//! ([`insurance`]).
//!
//! Invariants: what is refused consumes nothing, also when its caller left while it was asked about. All processes
//! together let through at most the limit, its refills, and one lease each. Nothing waits for the server longer than
//! the engine's time limit, and while it is away nothing waits at all.

pub mod config;
pub mod inbox;
pub mod insurance;
pub mod journey;
pub mod lease;
pub mod message;
pub mod ops;
pub mod store;
pub mod worker;
