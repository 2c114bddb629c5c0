//! Traces, spans and their metrics.
//!
//! # Shape
//!
//! A trace with two spans, a tag and its end makes seven calls. A native call costs 30–70 ns and a native object with
//! a few fields several hundred, callers read traces as live JavaScript objects, and tags and metadata are the
//! caller's own. So the records live in JavaScript and this room decides about them in bulk:
//!
//! - [`id`]: ids are drawn from ChaCha12 and handed out in blocks: those of 128 traces, each with its sampling decision,
//!   or of 256 spans, what is sampled apart from what is not.
//! - [`label`]: an operation name becomes a slot number once; JavaScript remembers the number. The table is bounded;
//!   what does not fit shares one overflow slot.
//! - [`stats`]: JavaScript appends each completion to a typed array as three numbers; one call drains a thousand of
//!   them into counters, histograms and the rate window, at 11 ns each.
//! - [`sampler`] and [`context`]: which traces are to be exported, and what of other services' headers may be passed on.
//! - [`wall`]: wall time for what was measured on JavaScript's monotonic clock.
//! - [`rate`]: how many traces a second may be exported.
//! - [`export`]: traces on their way to a collector, on a thread of its own.
//! - [`config`]: every default, range and cap, ring sizes included.
//!
//! What the JavaScript side was measured for (Node 20, one trace as above): live objects in a `Map` 2,200 ns, half of
//! it garbage collection; flat records with the live object made on reading, in a list of their own instead of a
//! `Map`, 1,100 ns. Without any sampled trace to retain it is 740 ns. Ended sampled traces of a tracer without an export
//! stay readable in flat arrays (src/js/trace/archive.cjs): at 10 % 930 ns instead of 1,040, all sampled 1,080
//! instead of 1,400, where records were copied by the collector.
//!
//! # Invariants
//!
//! Metrics count everything, whatever was sampled. An id is never empty and never zero. No table here grows with the
//! number of requests, only up to a cap. The room knows nothing of HTTP, of timers or of what a tag holds.

pub mod config;
pub mod context;
pub mod export;
pub mod id;
pub mod label;
pub mod rate;
pub mod sampler;
pub mod stats;
pub mod tracer;
pub mod wall;

#[cfg(feature = "node")]
pub(crate) mod binding;
