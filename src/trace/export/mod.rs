//! Traces on their way to a collector: OTLP over HTTP with protobuf.
//!
//! # Shape
//!
//! JavaScript keeps the ended traces that are to go in a list and hands hundreds of spans over in one native call: one
//! string and one array of numbers. Everything else happens on a thread of its own, which the exporter starts with
//! the first hand-over: [`batch`] takes the hand-over apart, [`convention`] gives the spans what OpenTelemetry's
//! semantic conventions ask for, `opentelemetry-otlp` makes protobuf of them, [`http`] sends it, [`retry`] says when
//! to try again, [`queue`] bounds what waits and counts what is lost.
//!
//! Not the batch processor of `opentelemetry_sdk`: it takes one span at a time on the caller's thread, which is the
//! event loop here, it does not tell how many spans it dropped, and its flush blocks the caller.
//!
//! # Invariants
//!
//! Nothing here ever makes a request of the application wait or fail: a full queue drops what comes next and counts
//! it. Headers are secrets: they are in no error, no statistic and no `Debug`. The thread keeps no process alive; when
//! its exporter goes, it sends what is pending for a bounded time and ends.

pub mod batch;
pub mod config;
pub mod convention;
pub mod environment;
pub mod exporter;
pub mod http;
pub mod names;
pub mod queue;
pub mod retry;
pub mod worker;

#[cfg(feature = "node")]
pub(crate) mod binding;
