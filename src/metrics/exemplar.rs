//! A trace that is an example of what a bucket counts.

use super::model;
use super::pair;
use std::collections::HashMap;

/// Characters that the labels of an exemplar may have together, by OpenMetrics 1.0.
const MOST_CHARS: usize = 128;

/// One observed value and its trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Exemplar {
    /// The trace.
    pub trace_id: String,
    /// The span in it; may be empty.
    pub span_id: String,
    /// What was observed.
    pub value: f64,
    /// When, in milliseconds since 1970.
    pub unix_ms: f64,
}

impl Exemplar {
    /// Whether its labels fit into what the format allows.
    pub fn fits(&self) -> bool {
        let chars = |text: &str| text.chars().count();
        let labels = "trace_idspan_id".len() + chars(&self.trace_id) + chars(&self.span_id);
        !self.trace_id.is_empty() && labels <= MOST_CHARS && self.value.is_finite() && self.unix_ms.is_finite()
    }

    fn model(&self) -> model::Exemplar {
        let mut label = vec![pair("trace_id", &self.trace_id)];
        if !self.span_id.is_empty() {
            label.push(pair("span_id", &self.span_id));
        }
        let seconds = (self.unix_ms / 1e3).floor();
        let nanos = ((self.unix_ms - seconds * 1e3) * 1e6) as i32;
        let timestamp = Some(prost_types::Timestamp { seconds: seconds as i64, nanos });
        model::Exemplar { label, value: self.value, timestamp }
    }
}

/// The newest exemplar of each bucket.
#[derive(Debug, Clone, Default)]
pub struct Exemplars(HashMap<usize, Exemplar>);

impl Exemplars {
    /// Keeps an exemplar of a value that lies in the given bucket, unless it knows a newer one.
    pub fn keep(&mut self, bucket: usize, exemplar: Exemplar) {
        if !exemplar.fits() || self.0.get(&bucket).is_some_and(|known| known.unix_ms > exemplar.unix_ms) {
            return;
        }
        self.0.insert(bucket, exemplar);
    }

    /// Puts them on the buckets of a histogram, and on its native buckets when it has these.
    pub fn attach(&self, histogram: &mut model::Histogram) {
        for (index, bucket) in histogram.bucket.iter_mut().enumerate() {
            bucket.exemplar = self.0.get(&index).map(Exemplar::model);
        }
        if !histogram.positive_span.is_empty() {
            let mut all: Vec<_> = self.0.values().map(Exemplar::model).collect();
            all.sort_by(|one, other| one.value.total_cmp(&other.value));
            histogram.exemplars = all;
        }
    }
}
