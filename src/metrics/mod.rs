//! One registry for all modules of the package, and for an app's own metrics.
//!
//! **Pull, not push.** A module's hot path counts nothing for this room: what an instance has counted for itself anyway
//! is read when somebody scrapes ([`reports`]). Only an app's own metrics ([`own`]) are written as they happen.
//!
//! Invariants:
//! - A counter never goes back. An instance whose figures were reset, or that was collected, leaves what it had counted
//!   in its row; the next instance of the same name counts on from there.
//! - Label sets are bounded. What comes beyond a bound shares the row `(other)` and is counted.
//! - Every family is what `promtool check metrics` accepts: base units, `_total` on counters only, a help text.
//!
//! The data model is that of `prometheus-client` (the `io.prometheus.client` protobuf), which also keeps the app's own
//! metrics, native histograms among them. Its text encoder knows OpenMetrics only, escapes no help text and cannot give
//! an exemplar to a histogram that it does not own; [`prometheus`] writes both text formats from the data model, as
//! Go's `expfmt` does. One registry for each environment: a worker thread has its own instances and its own registry.
//!
//! This room refuses to know where the figures come from, and what HTTP is beyond two headers ([`accept`]).

pub mod accept;
#[cfg(feature = "node")]
pub mod binding;
pub mod catalogue;
pub mod config;
pub mod error;
pub mod exemplar;
pub mod own;
pub mod prometheus;
#[cfg(test)]
mod prometheus_tests;
pub mod registry;
pub mod reports;
#[cfg(test)]
mod reports_tests;
pub mod sparse;
pub mod spread;

/// The data model: what a scrape is made of, before it is text.
pub use prometheus_client::encoding::prometheus_protobuf::prometheus_data_model as model;

/// The value of every label of the row for what found its table full.
pub const OTHER: &str = "(other)";
/// Characters of a label value that count; longer ones are cut.
pub const VALUE_CHARS: usize = 200;

/// The part of a label value that counts.
pub fn cut(value: &str) -> &str {
    value.char_indices().nth(VALUE_CHARS).map_or(value, |(end, _)| &value[..end])
}

/// A label of the data model.
pub fn pair(name: &str, value: &str) -> model::LabelPair {
    model::LabelPair { name: name.into(), value: value.into() }
}
