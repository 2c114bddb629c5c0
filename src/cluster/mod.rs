//! One engine outside of the process: Valkey or Redis, single, in a cluster or behind sentinels.
//!
//! A process has one [`engine::Engine`] for an address, whoever uses it: one multiplexed connection (one a node in a
//! cluster), on which requests made in one turn of the event loop leave in one write. Each user holds a
//! [`client::Client`]: the engine, its own key prefix and its own time limit.
//!
//! Why a breaker inside the engine: what stands behind a cache or a limiter must cost nothing when it is away. The first
//! request that fails or takes longer than its limit opens the circuit for all; while it is open every call is refused at
//! once, and the engine alone asks the server in the background whether it is there again. No caller pays for a probe.
//!
//! Where an engine's socket is: on the thread of the sockets, or, for a user who waits for small answers on an event loop
//! anyway ([`client::Client::open_on`]), on that loop, which saves the way to another thread and back. A loop has engines of
//! its own; everything of an engine runs where its socket is.
//!
//! Invariants: no address, password, key or value stands in an error. The engine ends with its last client.
//!
//! The room does not know what its keys mean: caches and limiters bring their own scripts.

pub mod address;
pub mod batch;
pub mod bus;
pub mod client;
pub mod config;
pub mod engine;
pub mod error;
pub mod link;
mod looped;
pub mod notice;
pub mod outbox;
mod patience;
pub mod scan;
pub mod scripts;

#[cfg(feature = "node")]
pub(crate) mod binding;

pub use client::Client;
pub use config::ClusterConfig;
pub use error::ClusterError;
pub use redis::{Cmd, Pipeline, Value, cmd, pipe};
pub use scripts::Script;
