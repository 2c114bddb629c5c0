//! Drop-in Rust implementations of TooLoo's service modules.
//!
//! Three floors; code on a floor sees only the floors below it:
//!
//! 1. `src/js/` — the classes callers see. JavaScript performs.
//! 2. any path with `binding` in it — reads JavaScript values, calls one core function, maps the result.
//! 3. the rest of `src/` — every decision, every byte on disk or wire, every statistic. Rust decides.
//!
//! `napi` may be imported only where the path contains `binding`; building with
//! `--no-default-features` proves it. Allowed edges between rooms are listed in [`EDGES`].
#![cfg_attr(not(feature = "node"), forbid(unsafe_code))]
// napi's module hook is not compiled into the test harness, which leaves the binding floor without a caller there.
#![cfg_attr(test, allow(dead_code))]

pub mod balance;
pub mod cache;
pub mod clock;
pub mod cluster;
pub mod error;
pub mod limit;
pub mod metrics;
pub mod options;
pub mod pool;
pub mod query;
pub mod random;
pub mod resilience;
pub mod runtime;
pub mod stats;
pub mod trace;

#[cfg(feature = "node")]
mod binding;

/// Which room may import which other room, as `(from, to)`. `clock`, `error`, `options`, `random`,
/// `runtime` and `stats` are open to every room. The test `__test__/rust/floors.rs` reads the sources and holds them to it.
pub const EDGES: &[(&str, &str)] =
    &[("cache", "cluster"), ("cluster", "resilience"), ("limit", "cluster"), ("pool", "resilience")];
