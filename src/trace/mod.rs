//! Traces, spans and their metrics.
//!
//! # Shape
//!
//! A trace with two spans, a tag and its end has to cost the event loop less than a microsecond. A native call costs
//! 30–70 ns, a native object with a few fields several hundred, and callers read traces as live JavaScript objects.
//! So the records live in JavaScript and this room decides about them in bulk:
//!
//! - [`id`]: ids are drawn from the operating system's generator and handed out in blocks, one string for 64 traces
//!   or 256 spans, each trace's sampling decision beside it. One call for each id would cost more than the
//!   whole `startTrace` does now.
//! - [`label`]: an operation name becomes a slot number once; JavaScript remembers the number. The table is bounded;
//!   what does not fit shares one overflow slot.
//! - [`stats`]: JavaScript appends each completion to a typed array as three numbers; one call drains a thousand of
//!   them into counters, histograms and the rate window. A call for each completion was measured at a tenth of the
//!   whole budget, and traces held natively (with a call for each step) at twice the budget.
//! - [`sampler`] and [`context`]: which traces are to be exported, and what other services say about that.
//! - [`config`]: every default, range and cap, ring sizes included.
//!
//! # Invariants
//!
//! Metrics count everything, whatever was sampled. An id is never empty and never zero. No table here grows with the
//! number of requests, only up to a cap. The room knows nothing of HTTP, of timers or of what a tag holds.

pub mod config;
pub mod context;
pub mod id;
pub mod label;
pub mod sampler;
pub mod stats;
pub mod tracer;

#[cfg(feature = "node")]
pub(crate) mod binding;
